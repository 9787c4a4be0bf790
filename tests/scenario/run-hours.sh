#!/usr/bin/env bash
# P5: a run in its hours of work, by the clock of this machine: outside them nothing starts, whoever drives; inside they are in nobody's way.
. "$(dirname "$0")/lib.sh"

port=$(free_port)
printf 'defaults: {user: nobody, port: %s}\nhosts: {n1: {address: 127.0.0.1}, n2: {address: 127.0.0.1}}\n' "$port" >"$tmp/fleet.yaml"
: >"$tmp/known_hosts"
cat >"$tmp/site.yaml" <<TEXT
store: local:$tmp/store.db
inventory: $tmp/fleet.yaml
state-dir: $tmp/state
owner: alice@ops1
session: 2s
ssh: {known-hosts: $tmp/known_hosts, config: none}
TEXT
rollout() { # NAME DAYS
    printf '%s\n' "rollout: $1" 'change: {puppet: {}}' 'targets: "*"' 'stages: [{name: look, dry-run: true, day: 1}, {name: all, spread: {over: day, at-most: 1s}}]' \
        "hours: {days: \"$2\", from: \"00:00\", until: \"24:00\", zone: Pacific/Auckland}" >"$tmp/$1.yaml"
}
tagout() { "$TAGOUT" --config "$tmp/site.yaml" "$@"; }
tagout init >/dev/null
days=(Sun Mon Tue Wed Thu Fri Sat)
today=$(TZ=Pacific/Auckland date +%w)
rollout later "${days[$(((today + 3) % 7))]}"
rollout now Mon-Sun

note "outside the hours it waits, and says for what"
waits() { grep -q 'waits for .*hours' < <(tagout status "$id"); }
journal() { tagout status -o json "$id" | tr -d ' \n'; }
start later "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/later.yaml"
await 20 grep -q 'outside the hours: nothing starts until' "$tmp/later.log"
driver=$pid
id=$(head -1 "$tmp/later.log")
await 20 waits
run tagout status "$id"
expect_status 0
expect_match 'waits for .*hours of work'

note "P7: whoever takes over waits as well"
kill -9 "$driver"
wait "$driver" 2>/dev/null || true
again() { "$TAGOUT" --config "$tmp/site.yaml" run --resume "$id"; }
take_over() { start again again && await 3 grep -q 'taken up again' "$tmp/again.log"; }
await 30 take_over
await 20 waits
if grep -q '"state":"waiting".*"state":"waiting"' < <(journal); then ok; else fail "a host was begun" "$(journal)"; fi

note "P10: an abort does not wait for them"
tagout abort "$id" --reason enough >/dev/null
ended() { grep -qi aborted < <(tagout status "$id"); }
await 20 ended
if grep -Eq '"state":"(locking|checking|applying|done|unreachable)"' < <(journal); then fail "a host was begun" "$(journal)"; else ok; fi

note "inside them it runs, at the pace of the day"
status=0
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 tagout run --yes "$tmp/now.yaml" >"$tmp/now.log" 2>&1 || status=$?
expect_equal "$status" 1 "status of a run whose hosts are away"
expect_file_has "$tmp/now.log" "hours are open until"
expect_file_has "$tmp/now.log" "not reached"

note "a dry run waits for no hours, for it disturbs nobody"
status=0
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 tagout run --dry-run "$tmp/later.yaml" >"$tmp/dry.log" 2>&1 || status=$?
expect_equal "$status" 1 "status of a dry run whose hosts are away"
expect_file_has "$tmp/dry.log" "not reached"
