#!/usr/bin/env bash
# Runs over SSH on real hosts with real Puppet: killed with -9 in the middle of a host's Puppet run and taken up again (P7), a host that refuses,
# one that hangs, one whose key has changed (P12), a check that fails (P8), an abort from another terminal (P10).
. "$(dirname "$0")/lib.sh"
need puppet python3

fleet_up 4 --hosts 'web1 web2 web3 web4'
cp "$fleet/ssh/known_hosts" "$tmp/known_hosts"
known_hosts=$tmp/known_hosts fleet_site "local:$tmp/store.db"

# Each run of Puppet on a host leaves a line when it begins its change and one when it is done, and waits in between until it may go on.
fleet_change web1 web2 web3 web4
changes() { fleet exec "$1" sh -c 'cat /srv/p/log 2>/dev/null | grep -c changed || true'; }
forget() { for host in web1 web2 web3 web4; do fleet exec "$host" rm -f /srv/p/log; done; }
log_has() { fleet exec "$1" grep -q "$2" /srv/p/log; }
rollout() { # NAME TARGETS [EXTRA LINES]
    cat >"$tmp/$1.yaml" <<TEXT
rollout: $1
change: {puppet: {manifest: /srv/p/site.pp}}
targets: "$2"
stages: [{name: canary, count: 1}, {name: rest, until: 100%}]
${3:-}
TEXT
}
unlocked() {
    run tagout locks -o json
    expect_no_out '"id"'
}

note "P7: killed with -9 during the second host's Puppet run"
rollout crash 'web[1-3].example.com'
fleet exec web2 rm /srv/p/go
start crash "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/crash.yaml"
driver=$pid
await 120 log_has web2 begun
kill -9 "$driver"
wait "$driver" 2>/dev/null || true
id=$(head -1 "$tmp/crash.log")
run tagout status "$id"
expect_status 0
expect_out 'STOPPED IN THE MIDDLE'
expect_out "tagout run --resume $id"
run tagout locks
expect_out host:web2.example.com
start resumed "$TAGOUT" --config "$tmp/site.yaml" run --resume "$id"
driver=$pid
await 60 grep -q 'taken up again' "$tmp/resumed.log"
run tagout run --resume "$id"
expect_status 75
expect_err 'is being driven by alice@ops1'
fleet exec web2 touch /srv/p/go
status=0
wait "$driver" || status=$?
expect_equal "$status" 0 "status of the resumed run"
for host in web1 web2 web3; do expect_equal "$(changes "$host")" 1 "changes of $host"; done
expect_file_has "$tmp/resumed.log" '3 changed · nothing left locked'
unlocked
run tagout run --resume "$id"
expect_status 1
expect_err 'has ended: done'
run tagout plan "$tmp/crash.yaml"
expect_out 'a host (as 3 hosts in the last run)'

note "P10: aborted from another terminal while a host is in flight"
forget
fleet exec web1 rm /srv/p/go
rollout stop 'web[1-3].example.com'
start stop "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/stop.yaml"
driver=$pid
await 120 log_has web1 begun
id=$(head -1 "$tmp/stop.log")
start watch "$TAGOUT" --config "$tmp/site.yaml" status "$id" --watch
watcher=$pid
start stream "$TAGOUT" --config "$tmp/site.yaml" status "$id" --watch -o json
streamer=$pid
await 30 grep -q 'driven by alice@ops1' "$tmp/watch.log"
await 30 grep -q '"type":"seat"' "$tmp/stream.log"
run tagout status "$id"
expect_match "$id  running [0-9]+"
expect_out 'this stage leads to 33.3 %'
run tagout abort "$id" --reason "wrong version"
expect_status 0
fleet exec web1 touch /srv/p/go
status=0
wait "$driver" || status=$?
expect_equal "$status" 1 "status of the aborted run"
expect_file_has "$tmp/stop.log" 'ABORTED by alice@ops1 ("wrong version")'
expect_file_has "$tmp/stop.log" '1 changed · 2 untouched · nothing left locked'
status=0
wait "$watcher" || status=$?
expect_equal "$status" 1 "status of who watched it"
expect_file_has "$tmp/watch.log" 'aborted by alice@ops1: wrong version'
expect_file_has "$tmp/watch.log" 'ABORTED by alice@ops1 ("wrong version")'
wait "$streamer" || true
expect_equal "$(tail -1 "$tmp/stream.log" | grep -o '"end":"[a-z]*"')" '"end":"aborted"' "the stream's end"
expect_equal "$(grep -c '"ev":"abort"' "$tmp/stream.log")" 1 "times it tells of the abort"
expect_equal "$(changes web1)$(changes web2)$(changes web3)" 100 "changes of web1, web2, web3"
unlocked

note "a dry run asks, and changes nothing"
forget
run tagout run --dry-run "$tmp/stop.yaml"
expect_status 0
expect_out 'would change'
expect_equal "$(changes web1)$(changes web2)$(changes web3)" 000 "changes of web1, web2, web3"

note "a signal pauses: what is in flight ends, the rest waits for --resume"
fleet exec web1 rm /srv/p/go
start pause "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/stop.yaml"
driver=$pid
await 120 log_has web1 begun
id=$(head -1 "$tmp/pause.log")
kill -TERM "$driver"
await 60 grep -q '^pausing' "$tmp/pause.log"
fleet exec web1 touch /srv/p/go
status=0
wait "$driver" || status=$?
expect_equal "$status" 1 "status of the paused run"
expect_file_has "$tmp/pause.log" "PAUSED"
expect_equal "$(changes web1)$(changes web2)$(changes web3)" 100 "changes of web1, web2, web3"
unlocked
run tagout run --resume "$id"
expect_status 0
expect_equal "$(changes web1)$(changes web2)$(changes web3)" 111 "changes of web1, web2, web3"

note "what is not confirmed, or not what was approved, is not done"
run tagout run "$tmp/stop.yaml"
expect_status 77
expect_err '--yes'
run tagout run --yes --plan 0000 "$tmp/stop.yaml"
expect_status 65
expect_err 'is not the one of --plan 0000'

note "P8: a check that fails halts it, and nothing stays locked"
forget
fleet exec web1 sh -c 'cd /srv/p && exec setsid python3 -m http.server 8080 >/dev/null 2>&1 </dev/null &'
await 20 fleet exec web1 bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080'
rollout check '*' 'verify: [{http: "http://{address}:8080/healthz", expect: 200, within: 2s}]'
run tagout run --yes "$tmp/check.yaml"
expect_status 1
expect_out 'HALTED'
expect_out '404'
expect_equal "$(changes web1)$(changes web2)" 10 "changes of web1, web2"
unlocked

note "P12: one refuses, one hangs, one has another key; the fourth is changed"
forget
fleet exec web2 sh -c 'kill $(cat /run/sshd.pid)'
fleet exec web3 sh -c 'kill -STOP $(cat /run/sshd.pid)'
ssh-keygen -q -t ed25519 -N '' -f "$tmp/other"
address=$(fleet list | awk '$1 ~ /^web4/ {print $2}')
ssh-keygen -q -R web4.example.com -f "$tmp/known_hosts" >/dev/null 2>&1 || true
ssh-keygen -q -R web4 -f "$tmp/known_hosts" >/dev/null 2>&1 || true
ssh-keygen -q -R "$address" -f "$tmp/known_hosts" >/dev/null 2>&1 || true
echo "web4.example.com,web4,$address $(cut -d' ' -f1,2 "$tmp/other.pub")" >>"$tmp/known_hosts"
rollout ways '*'
run tagout run --yes --connect-timeout 10s "$tmp/ways.yaml"
expect_status 1
expect_out 'web2.example.com'
expect_match 'web2.example.com.*refused the connection'
expect_match 'web3.example.com.*(time|10s|10 s)'
expect_match 'web4.example.com.*key'
expect_out '1 changed · 3 unreachable · nothing left locked'
expect_equal "$(changes web1)$(changes web2)$(changes web3)$(changes web4)" 1000 "changes"
fleet exec web3 sh -c 'kill -CONT $(cat /run/sshd.pid)'
unlocked
