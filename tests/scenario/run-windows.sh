#!/usr/bin/env bash
# P5: a run waits for the windows of its hosts, as the site's calendar has them now; starts nothing that does not fit; opens no window that it can't read.
. "$(dirname "$0")/lib.sh"

port=$(free_port)
cat >"$tmp/fleet.yaml" <<TEXT
defaults: {user: nobody, port: $port}
hosts: {n1: {address: 127.0.0.1}, n2: {address: 127.0.0.1}, n3: {address: 127.0.0.1}}
customers: {acme: {contacts: [ops@acme.example], hosts: n3}}
TEXT
: >"$tmp/known_hosts"
cat >"$tmp/site.yaml" <<TEXT
store: local:$tmp/store.db
inventory: $tmp/fleet.yaml
calendar: $tmp/calendar.yaml
state-dir: $tmp/state
owner: alice@ops1
session: 2s
ssh: {known-hosts: $tmp/known_hosts, config: none}
TEXT
rollout() { # NAME MORE…
    printf '%s\n' "rollout: $1" 'change: {puppet: {}}' 'targets: "*"' 'stages: [{name: all}]' 'limits: {running: 3}' 'failure: {failed: 100%}' 'estimate: 5m' "${@:2}" >"$tmp/$1.yaml"
}
at() { date -u -d "$1" '+%Y-%m-%d %H:%M:%S'; }
window() { # NAME FOR START LENGTH
    printf '  %s: {for: "%s", zone: UTC, start: "%s", duration: %s}\n' "$1" "$2" "$(at "$3")" "$4"
}
calendar() { # LINES: written whole, as editors do
    printf 'zone: Europe/Berlin\nwindows:\n%s\n' "$1" >"$tmp/calendar.new"
    mv "$tmp/calendar.new" "$tmp/calendar.yaml"
}
tagout() { "$TAGOUT" --config "$tmp/site.yaml" "$@"; }
tagout init >/dev/null
rollout patch
rollout back 'rollback: {puppet: {environment: previous}}'
rollout ignoring 'windows: ignore'
journal() { tagout status -o json "$id" | tr -d ' \n'; }
untouched() { # HOST…
    local text host
    text=$(journal)
    for host; do
        if grep -q "\"host\":\"$host\",\"state\":\"waiting\"" <<<"$text"; then ok; else fail "$host was begun" "$text"; fi
    done
}

note "plan says when, and what never fits"
soon="$(window now n1 '-1 min' 30m)"$'\n'"$(window later n2 '+3 hours' 30m)"$'\n'"$(window short customer:acme '+1 hour' 9m)"
calendar "$soon"
run tagout plan "$tmp/patch.yaml"
expect_status 0
expect_match 'windows  honoured: a host starts where 5m are left'
expect_match 'now of n1: 1 host, now until'
expect_match 'later of n2: 1 host, from'
expect_match 'takes    about 3h'
run tagout plan "$tmp/back.yaml"
expect_match 'short of customer:acme: 1 host, never'
expect_match 'Warning: 1 host \(n3\) has no window that is ever 10m long'

note "what is open starts, the rest waits, and status says for what"
start patch "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/patch.yaml"
await 20 grep -q 'n1 .*not reached' "$tmp/patch.log"
driver=$pid
id=$(head -1 "$tmp/patch.log")
shown() { tagout status "$id" | tr -s ' \n' ' '; }
waits() { grep -Eq 'waits for window short of customer:acme, opens ... ..:.. Europe/Berlin \(in (1h|5.m)\); 2 hosts wait for this and 1 more' < <(shown); }
await 20 waits
if grep -Eq 'running .*, ends about ... ..:.. Europe/Berlin' < <(shown); then ok; else fail "it says when it expects to end" "$(shown)"; fi
untouched n2 n3

note "a calendar that can't be read opens nothing, and says why"
calendar "$(window now n1 '-1 min' 30m)"$'\n'"  later: {for: n2, hours: \"Mon-Moon 02:00\"}"
shut() { grep -q 'window later of n2 (1 host): closed: .*calendar.yaml:4:' "$tmp/patch.log"; }
await 30 shut
untouched n2 n3

note "nor does one that was cut off, as a file is that somebody is writing: whoever has no window is always open"
printf 'zone: Europe/Berlin\nwindows:\n%s\n' "$(window now n1 '-1 min' 30m)" >"$tmp/calendar.yaml"
await 30 grep -q 'calendar.yaml has no window "later" any more, and may not be written to its end' "$tmp/patch.log"
untouched n2 n3

note "a window that people open is open"
calendar "$(window now n1 '-1 min' 30m)"$'\n'"$(window later n2 '-1 min' 30m)"$'\n'"$(window short customer:acme '+1 hour' 9m)"
await 30 grep -q 'n2 .*not reached' "$tmp/patch.log"
untouched n3

note "JSON has whose windows these are, when they open, and when the run is expected to end"
run tagout status -o json "$id"
expect_status 0
got=$(python3 -c '
import json, sys
d = json.load(sys.stdin)
w = d["windows"]
print(w["waiting"], w["windows"], w["never"], w["untold"], bool(w["next"]), bool(d["ends"]), d["waits_for"])
one = w["list"][0]
print(one["window"], one["state"], one["opens"] == w["next"], one["waiting"], one["needs_ms"], one["rules"])
print([(h["host"], h["window"], h["opens"] == w["next"]) for s in d["stages"] for h in s["hosts"] if h["state"] == "waiting"])' <<<"$out")
expect_equal "$got" "1 1 0 0 True True ['window']
short of customer:acme closed True 1 300000 [{'name': 'short', 'for': 'customer:acme', 'booked': False}]
[('n3', 'short of customer:acme', True)]" "windows in JSON"

note "whoever watches is told as well"
start watch "$TAGOUT" --config "$tmp/site.yaml" status "$id" --watch -o json
watcher=$pid
watched() { python3 -c '
import json, sys
seen = [json.loads(line) for line in open(sys.argv[1])]
ok = [x for x in seen if x["type"] == "progress" and x["left_ms"] and x["windows"]["waiting"] == 1 and x["windows"]["next"]]
sys.exit(0 if ok else 1)' "$tmp/watch.log"; }
await 20 watched
stop "$watcher"

note "P7: whoever takes over waits as well; an abort does not"
kill -9 "$driver"
wait "$driver" 2>/dev/null || true
again() { "$TAGOUT" --config "$tmp/site.yaml" run --resume "$id"; }
take_over() { start again again && await 3 grep -q 'taken up again' "$tmp/again.log"; }
await 30 take_over
third() { grep -q 'waits for window short of customer:acme' < <(shown); }
await 20 third
untouched n3
tagout abort "$id" --reason enough >/dev/null
ended() { grep -qi aborted < <(tagout status "$id"); }
await 20 ended
untouched n3

note "a host whose window never comes holds its stage until somebody says to go on without it"
calendar "$(window now '*' '-1 min' 30m)"$'\n'"$(window short customer:acme '+1 hour' 4m)"
start skip "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/patch.yaml"
skipper=$pid
await 20 grep -q 'n2 .*not reached' "$tmp/skip.log"
id=$(head -1 "$tmp/skip.log")
holds() { grep -Eq "no window is known to come of n3: give it one in the calendar, or go on without: tagout approve $id --skip" < <(shown); }
await 20 holds
run tagout status -o json "$id"
expect_match '"never": 1'
calendar "  now: {for: '*', hours: \"Mon-Moon 02:00\"}"
unread() { grep -q 'calendar.yaml:3:' < <(shown); }
await 20 unread
run tagout approve "$id" --skip
expect_status 1
expect_err 'no host of run'
calendar "$(window now '*' '-1 min' 30m)"$'\n'"$(window short customer:acme '+1 hour' 4m)"
await 20 holds
run tagout approve "$id" --skip --reason "not before January"
expect_status 0
expect_out "goes on without 1 host whose window is not known to come"
gone() { ! kill -0 "$skipper"; }
await 20 gone
status=0
wait "$skipper" || status=$?
expect_equal "$status" 1 "status of a run that went on without a host"
expect_file_has "$tmp/skip.log" 'said to go on without it: not before January'
expect_true "the skipped host is listed at the end" grep -Eq '^  n3 +(skipped|its window is not known)' "$tmp/skip.log"
run tagout approve "$id" --skip
expect_status 1

note "--no-wait does not wait"
calendar "$(window later '*' '+3 hours' 30m)"
run tagout run --yes --no-wait "$tmp/patch.yaml"
expect_status 75
expect_match 'no host of stage all may start now: later of \* opens'

note "windows are ignored only for a reason, which stays with the run"
run tagout run --yes "$tmp/ignoring.yaml"
expect_status 64
expect_match 'say why: --reason'
status=0
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 tagout run --yes --reason "CVE-2026-1234 is exploited" "$tmp/ignoring.yaml" >"$tmp/ignoring.log" 2>&1 || status=$?
expect_equal "$status" 1 "status of a run whose hosts are away"
expect_file_has "$tmp/ignoring.log" "not reached"
run tagout status "$(head -1 "$tmp/ignoring.log")"
expect_match 'windows ignored: CVE-2026-1234 is exploited'
run tagout run --yes --reason "no" "$tmp/patch.yaml"
expect_status 64

note "a dry run disturbs nobody and waits for none"
status=0
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 tagout run --dry-run "$tmp/patch.yaml" >"$tmp/dry.log" 2>&1 || status=$?
expect_equal "$status" 1 "status of a dry run whose hosts are away"
expect_file_has "$tmp/dry.log" "not reached"

note "simulate waits on its own clock"
run tagout simulate "$tmp/patch.yaml"
expect_status 0
expect_match 'windows of the hosts'
