#!/usr/bin/env bash
# The list of runs: in the order of time, a run that can't be read is no run that is fine (P12).
. "$(dirname "$0")/lib.sh"
need sqlite3

port=$(free_port)
cat >"$tmp/inventory.yaml" <<TEXT
defaults: {user: nobody, port: $port}
groups: {all: {hosts: "n[1-3].example.com"}}
hosts:
  n1.example.com: {address: 127.0.0.1}
  n2.example.com: {address: 127.0.0.1}
  n3.example.com: {address: 127.0.0.1}
TEXT
: >"$tmp/known_hosts"
cat >"$tmp/site.yaml" <<TEXT
store: local:$tmp/store.db
inventory: $tmp/inventory.yaml
state-dir: $tmp/state
owner: alice@ops1
ssh: {known-hosts: $tmp/known_hosts, config: none}
TEXT
printf '%s\n' 'rollout: away' 'change: {puppet: {}}' 'targets: "*"' 'stages: [{name: all, until: 100%}]' >"$tmp/away.yaml"
tagout() { "$TAGOUT" --config "$tmp/site.yaml" "$@"; }
tagout init >/dev/null

note "the newest run is the first of the list, the tenth before the ninth"
# Leaks of run are looked for in run-ssh: the leak checker itself dies when a thread of the process is just beginning or ending.
for _ in 1 2 3 4 5 6 7 8 9 10; do ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 tagout run --yes "$tmp/away.yaml" >"$tmp/run.log" 2>&1 || true; done
run tagout status
expect_status 0
expect_equal "$(sed -n 2p <<<"$out" | awk '{print $1}')" "$(head -1 "$tmp/run.log")" "the first row"
expect_equal "$(grep -c ^away- <<<"$out")" 10 "rows"

note "hosts with one trouble are one line, told once, with what to do next"
run tagout status "$(head -1 "$tmp/run.log")"
expect_match "n\\[1-3\\]\\.example\\.com +unreachable: \\(port $port\\) refused the connection.*\\(3 hosts\\)"
expect_equal "$(grep -c 'refused the connection' <<<"$out")" 1 "times it is told"
expect_out "Look closer: tagout status"

note "hosts that somebody has locked one by one are one line, whatever their locks are called and last"
for host in 1 2 3; do tagout lock "host:n$host.example.com" --for "${host}h" --reason "mine" >/dev/null 2>&1; done
run env ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/away.yaml"
expect_status 1
expect_match "n\\[1-3\\]\\.example\\.com +held: TAGOUT-HELD lock=… scope=host:.* until=… reason=\"mine\" \\(3 hosts\\)"
readarray -t locks < <(tagout locks -o json | sed -n 's/.*"id": "\([A-Z0-9]*\)".*/\1/p')
tagout unlock "${locks[@]:0:2}" >/dev/null

note "one host alone is called by its name, in what is told of it, too"
run env ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/away.yaml"
expect_out 'scope=host:n'
expect_no_out '{host}'
tagout unlock "${locks[@]:2}" >/dev/null

on_terminal 40 "$TAGOUT" --config "$tmp/site.yaml" status
expect_true "status is $widest wide: $(<"$tmp/screen")" [ "$widest" -le 40 ]
expect_file_has "$tmp/screen" "  badly 0/3"

note "a run that has ended is watched to its end at once, with its status"
id=$(head -1 "$tmp/run.log")
run tagout status "$id" --watch
expect_status 1
expect_out 'ENDED BADLY'
run tagout status "$id" --watch -o json
expect_status 1
# shellcheck disable=SC2001 # of each line
expect_equal "$(sed 's/.*"type":"\([a-z]*\)".*/\1/' <<<"$out" | tr '\n' ' ')" "run progress end " "types of the stream"
expect_out '"end":"badly"'
run tagout status --watch
expect_status 64
run tagout status no-such-run --watch
expect_status 1

note "P12: a run whose journal was cut off is named, and the status is not 0"
sqlite3 "$tmp/store.db" "update node set data = substr(data, 1, length(data) / 2) where path = (select path from node where path like '/runs/%/journal/%' limit 1)"
broken=$(sqlite3 "$tmp/store.db" "select path from node where path like '/runs/%/journal/%' limit 1" | cut -d/ -f3)
run tagout status "$broken"
expect_status 65
expect_err "is cut off"
run tagout status "$broken" --watch
expect_status 65
run tagout run --resume "$broken"
expect_status 65

note "P12: in the list a run whose head is no head is named, and the status is not 0"
sqlite3 "$tmp/store.db" "update node set data = '{}' where path = '/runs/$broken/journal'"
run tagout status
expect_out "can't be read"
expect_equal "$(grep -c ^away- <<<"$out")" 12 "rows"
expect_status 65
run tagout status -o json
expect_status 65
expect_out '"error"'
