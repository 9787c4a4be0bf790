#!/usr/bin/env bash
# What is done around a change, and undone whichever way it ends (P8): on real hosts with real Puppet, over a balancer and alarms made of files, so that
# each of their troubles can be had: killed in the middle, refused, others' drains. The real systems have scenarios of their own.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
need puppet python3

export TAGOUT_MODULES=$TAGOUT_BUILD/tests/around
fleet_up 3 --hosts 'web1 web2 web3'
fleet_site "local:$tmp/store.db" 'session: 2s'
d=.example.com # what the fleet's hosts are called
lb=$tmp/lb
mkdir "$lb"

# The change waits in the middle until it may go on, and fails where there is a file "bad".
fleet_change web1 web2 web3
begun() { fleet exec "$1" grep -q begun /srv/p/log; }
changes() { fleet exec "$1" sh -c 'cat /srv/p/log 2>/dev/null | grep -c changed || true'; }
forget() {
    for host in web1 web2 web3; do fleet exec "$host" rm -f /srv/p/log /srv/p/bad; done
    : >"$lb/log"
}
rollout() { # NAME TARGETS [MORE LINES]
    forget
    cat >"$tmp/$1.yaml" <<TEXT
rollout: $1
change: {puppet: {manifest: /srv/p/site.pp}}
targets: '$2'
stages: [{name: all}]
limits: {running: 2}
around:
  - lock
  - drain: {filelb: {dir: $lb}}
  - silence: {filealerts: {dir: $lb, keeps: ${keeps:-false}}}
${3:-}
TEXT
}
in_force() { (cd "$lb" && printf '%s\n' *.drain *.silence | sed '/^[*]/d; s/.example.com//'); }
nothing_left() {
    expect_equal "$(in_force)" "" "what is in force"
    run tagout locks -o json
    expect_no_out '"id"'
    run tagout doctor
    expect_out 'no run that nobody drives holds anything on a host'
}

note "a plan says what is done around it; a mistake in it has its place"
rollout bad web1$d '  - drain: {filelb: {dri: /tmp}}'
run tagout plan "$tmp/bad.yaml"
expect_status 65
expect_err 'bad.yaml:10:27: "dri" of filelb is not known'
rollout late web1$d '  - lock'
run tagout plan "$tmp/late.yaml"
expect_err 'a second lock'
rollout whole web1$d
run tagout plan "$tmp/whole.yaml"
expect_status 0
expect_out "         drain by files in $lb"

note "in order before the change, in reverse behind it"
run tagout run --yes "$tmp/whole.yaml"
expect_status 0
expect_out 'drain made'
expect_out '1 changed · nothing left behind'
expect_equal "$(tr '\n' ',' <"$lb/log")" \
    "look drain web1$d,act drain web1$d,look silence web1$d,act silence web1$d,keep drain web1$d,undo silence web1$d,undo drain web1$d," "what the balancer and the alarms heard"
nothing_left

note "others' drain stays theirs; a host that fails keeps what is to be looked at, and the run says how it is mended"
keeps=true rollout fails "web[1-2]$d"
echo theirs >"$lb/web1$d.drain"
fleet exec web2 touch /srv/p/bad
run tagout run --yes "$tmp/fails.yaml"
expect_status 1
expect_out 'is so already, by others'
expect_equal "$(in_force | tr '\n' ' ')" "web1.drain web2.silence " "what is in force"
expect_out "web2$d: silence by files in $lb, kept on purpose. Mend it:"
eval "$(grep -F "rm -f '$lb/web2" <<<"$out")"
rm "$lb/web1$d.drain"
nothing_left

note "P7: killed with two hosts drained, doctor lists them; taken up again all is undone"
rollout killed '*'
for host in web1 web2; do fleet exec "$host" rm /srv/p/go; done
start killed "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/killed.yaml"
driver=$pid
for host in web1 web2; do await 60 begun $host; done
id=$(head -1 "$tmp/killed.log")
kill -9 "$driver"
wait "$driver" 2>/dev/null || true
expect_equal "$(in_force | tr '\n' ' ')" "web1.drain web2.drain web1.silence web2.silence " "what is in force"
left_alone() { tagout doctor >"$tmp/doctor" 2>&1 && grep -q "^$id (active)" "$tmp/doctor"; }
await 20 left_alone
expect_file_has "$tmp/doctor" "web[1-2]$d: drain by files in $lb, in force. Mend each:"
expect_file_has "$tmp/doctor" "rm -f '$lb/web1$d.drain'"
expect_file_has "$tmp/doctor" "web[1-2]$d: locked, in force. Mend each:"
for host in web1 web2; do fleet exec "$host" touch /srv/p/go; done
again() { tagout run --resume "$id" >"$tmp/again.log" 2>&1; }
await 30 again
expect_equal "$(changes web1)$(changes web2)$(changes web3)" 111 "changes"
nothing_left

note "P10: an abort in the middle of it undoes it"
rollout aborted web1$d
fleet exec web1 rm /srv/p/go
start aborted "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/aborted.yaml"
await 60 begun web1
run tagout abort "$(head -1 "$tmp/aborted.log")" --reason enough
expect_status 0
fleet exec web1 touch /srv/p/go
status=0
wait "$pid" || status=$?
expect_equal "$status" 1 "status of an aborted run"
nothing_left

note "what can't be undone is listed, with a command that mends it; the rest is undone, and the run does not end well"
rollout stuck web1$d
touch "$lb/refuse-undo"
run tagout run --yes "$tmp/stuck.yaml"
expect_status 1
expect_out '1 with something left behind'
expect_out "web1$d: drain by files in $lb, not undone. Mend it:"
id=$(head -1 <<<"$out")
run tagout locks -o json
expect_no_out '"id"'
run tagout status -o json "$id"
expect_out '"mend": "rm -f '
run tagout doctor
expect_out "$id (ended)"
run tagout status "$id"
eval "$(grep -F "rm -f '$lb/web1$d.drain" <<<"$out")"
expect_equal "$(in_force | tr '\n' ' ')" "web1.silence " "what is in force"
rm "$lb/refuse-undo"
run tagout run --resume "$id"
expect_status 0
nothing_left

note "who refuses keeps the change away, and what was done before it is undone"
rollout refused web1$d
touch "$lb/refuse-act"
run tagout run --yes "$tmp/refused.yaml"
expect_status 1
expect_out 'drain: the balancer says no'
expect_equal "$(changes web1)" 0 "changes"
rm "$lb/refuse-act"
nothing_left
