#!/usr/bin/env bash
# Runs steered from another terminal, on real hosts with real Puppet: paused and resumed by command, everything paused at once (P10), a stage that
# waits for its approval by a second person, too many failures that are rolled back, and what is left of it (P8, P12).
. "$(dirname "$0")/lib.sh"
need puppet python3

fleet_up 3 --hosts 'web1 web2 web3'
cp "$fleet/ssh/known_hosts" "$tmp/known_hosts"
known_hosts=$tmp/known_hosts fleet_site "local:$tmp/store.db"
# Only who approves asks for a second person here: else the plans would need one as well.
{ cat "$tmp/site.yaml"; echo 'runs: {approval: second-person}'; } >"$tmp/strict.yaml"
sed 's/^owner: .*/owner: bob@ops2/' "$tmp/strict.yaml" >"$tmp/bob.yaml"
bob() { "$TAGOUT" --config "$tmp/bob.yaml" "$@"; }

# The change and the way back each leave a line; the change waits in between until it may go on, and fails where there is a file "bad".
fleet_change web1 web2 web3
for host in web1 web2 web3; do fleet exec "$host" sh -c 'sed "s/^  command.*/  command  => \"echo back >>\/srv\/p\/log\",/" /srv/p/site.pp >/srv/p/back.pp'; done
lines() { fleet exec "$1" sh -c "cat /srv/p/log 2>/dev/null | grep -c $2 || true"; }
all() { echo "$(lines web1 "$1")$(lines web2 "$1")$(lines web3 "$1")"; }
forget() { for host in web1 web2 web3; do fleet exec "$host" rm -f /srv/p/log; done; }
log_has() { fleet exec "$1" grep -q "$2" /srv/p/log; }
rollout() { # NAME STAGES [MORE LINES]
    printf '%s\n' "rollout: $1" 'change: {puppet: {manifest: /srv/p/site.pp}}' 'targets: "*"' "stages: $2" "${3:-}" >"$tmp/$1.yaml"
}
unlocked() {
    run tagout locks -o json
    expect_no_out '"id"'
}
begin() { # NAME: its first host is in the middle of its change; $driver, $id
    fleet exec web1 rm /srv/p/go
    start "$1" "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/$1.yaml"
    driver=$pid
    await 120 log_has web1 begun
    id=$(head -1 "$tmp/$1.log")
}
ended() { # STATUS WHAT
    status=0
    wait "$driver" || status=$?
    expect_equal "$status" "$1" "status of $2"
}

note "P10: paused from another terminal, the driver waits and says who it was; resumed, it goes on"
rollout pause '[{name: all}]'
begin pause
run bob pause "$id" --reason "looking at web1"
expect_status 0
expect_out "who then waits"
fleet exec web1 touch /srv/p/go
await 60 grep -q 'paused by bob@ops2: looking at web1' "$tmp/pause.log"
paused() { grep -q '"state": *"on-hold"' < <(tagout status "$id" -o json); }
await 60 paused
expect_equal "$(all changed)" 100 "changes in the pause"
run tagout status "$id"
expect_out 'paused by bob@ops2: looking at web1'
expect_out "tagout resume $id"
unlocked
run tagout resume "$id"
expect_status 0
expect_out 'goes on, driven by alice@ops1'
ended 0 "the run that was paused"
expect_equal "$(all changed)" 111 changes
run tagout pause "$id"
expect_status 1
expect_err 'has ended'

note "P10: the stop for everything holds a run that begins, too, until the scope is resumed"
forget
run bob pause fleet --reason "incident 4711"
expect_status 0
start fleet "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/pause.yaml"
driver=$pid
await 60 grep -q 'paused by bob@ops2: fleet: incident 4711' "$tmp/fleet.log"
run tagout status
expect_out 'PAUSED  fleet, by bob@ops2'
expect_out 'tagout resume fleet'
expect_equal "$(all begun)" 000 "hosts begun in the pause"
run tagout resume fleet
expect_status 0
ended 0 "the run that waited"
expect_equal "$(all changed)" 111 changes

note "a stage waits for the approval of somebody else, and is approved once"
forget
rollout gate '[{name: canary, count: 1}, {name: rest, approve: true}]'
start gate "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/gate.yaml"
driver=$pid
await 120 log_has web1 changed
id=$(head -1 "$tmp/gate.log")
waits() { grep -q "tagout approve $id rest" < <(tagout status "$id"); }
await 60 waits
run "$TAGOUT" --config "$tmp/strict.yaml" approve "$id"
expect_status 77
expect_err 'a second person'
run bob approve "$id" nonsense
expect_status 64
expect_equal "$(all changed)" 100 "changes before the approval"
run bob approve "$id" --reason "graphs are flat"
expect_status 0
ended 0 "the approved run"
expect_equal "$(all changed)" 111 changes
run tagout status "$id"
expect_out 'approved by bob@ops2'

note "P8, P12: too many fail, what was changed is rolled back in reverse order, and that is no good end"
forget
fleet exec web2 touch /srv/p/bad
rollout back '[{name: all}]' 'rollback: {puppet: {manifest: /srv/p/back.pp}}
failure: {failed: 0, then: rollback}'
run tagout run --yes "$tmp/back.yaml"
expect_status 1
id=$(head -1 <<<"$out")
expect_out 'HALTED: 1 failed, at most 0 may'
expect_out "Rolled back 2 of the 2 hosts that $id had changed."
expect_equal "$(all back)" 110 "hosts that are back"
expect_match 'rollback +web2.example.com +unlocked.*rollback +web1.example.com +unlocked'
unlocked
run tagout status "$id"
expect_out "Rolled back: 2 of 2 hosts.  See: tagout status $id-rollback"
run tagout rollback "$id" --yes
expect_status 1
expect_err 'nothing to roll back'

note "a run that is done is rolled back when somebody asks, and an abort is not rolled back unasked"
forget
fleet exec web2 rm /srv/p/bad
begin back
run tagout abort "$id" --reason "wrong version"
expect_status 0
fleet exec web1 touch /srv/p/go
ended 1 "the aborted run"
expect_equal "$(all back)" 000 "hosts that are back unasked"
run tagout abort "$id"
expect_status 0
run tagout rollback "$id"
expect_status 77
expect_err '--yes'
run tagout rollback "$id" --yes
expect_status 0
expect_out 'Rolled back 1 of the 1 hosts'
expect_equal "$(all back)" 100 "hosts that are back"
unlocked
