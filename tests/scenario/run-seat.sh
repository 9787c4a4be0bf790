#!/usr/bin/env bash
# The seat of a run (P6), by real processes on a real ZooKeeper: a driver that hangs is replaced and wakes to nothing, one that was killed is waited
# for, two that want it at once don't both act. Each host is changed once.
. "$(dirname "$0")/lib.sh"
need puppet java
# shellcheck source=tests/lib/zookeeper
. "$TAGOUT_SOURCE/tests/lib/zookeeper"

fleet_up 3 --hosts 'web1 web2 web3'
at_exit zk_kill "$tmp/zk"
zk_start "$tmp/zk"
fleet_site "$(zk_url "$tmp/zk")/tagout"
fleet_change web1 web2 web3
cat >"$tmp/all.yaml" <<'TEXT'
rollout: all
change: {puppet: {manifest: /srv/p/site.pp}}
targets: "*"
stages: [{name: canary, count: 1}, {name: rest, until: 100%}]
TEXT
changes() { fleet exec "$1" sh -c 'cat /srv/p/log 2>/dev/null | grep -c changed || true'; }
log_has() { fleet exec "$1" grep -q "$2" /srv/p/log; }
begin() { # a run whose first host waits in the middle of its change; $driver, $id
    for host in web1 web2 web3; do fleet exec "$host" rm -f /srv/p/log; done
    fleet exec web1 rm -f /srv/p/go
    start first "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/all.yaml"
    driver=$pid
    await 120 log_has web1 begun
    id=$(head -1 "$tmp/first.log")
}
once() { expect_equal "$(changes web1)$(changes web2)$(changes web3)" 111 "changes of web1, web2, web3"; }

note "P6: a driver that lives is not waited for, and says who it is"
begin
run tagout run --resume "$id"
expect_status 75
expect_err 'is being driven by alice@ops1, process'
expect_err 'it wrote last'
expect_err '--take-over'

note "P6: one that hangs is replaced; it wakes, and has nothing more to say"
kill -STOP "$driver"
start second "$TAGOUT" --config "$tmp/site.yaml" run --resume "$id" --take-over
second=$pid
await 60 grep -q 'taken up again' "$tmp/second.log"
kill -CONT "$driver"
status=0
wait "$driver" || status=$?
expect_equal "$status" 75 "status of who was replaced"
expect_file_has "$tmp/first.log" 'another controller has taken the seat'
run tagout status "$id"
expect_out "$id  running"
fleet exec web1 touch /srv/p/go
status=0
wait "$second" || status=$?
expect_equal "$status" 0 "status of the one that took over"
expect_file_has "$tmp/second.log" '3 changed · nothing left locked'
once

note "one that was killed: its seat is waited for, with a word; of two that want it, one gets it"
begin
kill -9 "$driver"
wait "$driver" 2>/dev/null || true
start second "$TAGOUT" --config "$tmp/site.yaml" run --resume "$id"
second=$pid
start third "$TAGOUT" --config "$tmp/site.yaml" run --resume "$id"
third=$pid
await 60 grep -q 'taken up again' "$tmp/second.log" "$tmp/third.log"
fleet exec web1 touch /srv/p/go
status=0
wait "$second" || status=$?
statuses=$status
status=0
wait "$third" || status=$?
statuses="$statuses $status"
if [ "$statuses" = "0 75" ] || [ "$statuses" = "75 0" ]; then ok; else fail "of two drivers one ends the run, the other is told: $statuses" "$(cat "$tmp/second.log" "$tmp/third.log")"; fi
cat "$tmp/second.log" "$tmp/third.log" >"$tmp/both.log"
expect_file_has "$tmp/both.log" "for the seat of $id: alice@ops1"
once

note "P6: two that fight over it with --take-over: hosts are changed once all the same"
begin
start second "$TAGOUT" --config "$tmp/site.yaml" run --resume "$id" --take-over
second=$pid
start third "$TAGOUT" --config "$tmp/site.yaml" run --resume "$id" --take-over
third=$pid
status=0
wait "$driver" || status=$?
expect_equal "$status" 75 "status of who was replaced, with nothing to say at that moment"
await 60 grep -q 'taken up again' "$tmp/second.log" "$tmp/third.log"
fleet exec web1 touch /srv/p/go
status=0
wait "$second" || status=$?
statuses=$status
status=0
wait "$third" || status=$?
case "$statuses $status" in "0 75" | "75 0") ok ;; *) fail "one ends the run: $statuses $status" "$(cat "$tmp/second.log" "$tmp/third.log")" ;; esac
once
run tagout locks -o json
expect_no_out '"id"'
