#!/usr/bin/env bash
# P12: what befalls the steps around a change while it goes on is told, with its reason, and once: a drain that a person takes back in a real HAProxy, and one that can't be undone
# yet. Real HAProxy and Puppet; this machine is the host.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/haproxy
. "$TAGOUT_SOURCE/tests/lib/haproxy"
need puppet haproxy socat

haproxy_start 1 web
# what is asked of it goes through here, to be counted
through() { start through socat -v "UNIX-LISTEN:$tmp/through.sock,fork,mode=600" "UNIX-CONNECT:$tmp/lb.sock"; }
through
through=$pid
asked() { grep -c 'show servers state' "$tmp/through.log"; }
cat >"$tmp/site.pp" <<TEXT
exec { 'w': command => 'echo begun >>$tmp/log; until [ -e $tmp/go ]; do sleep 0.1; done', provider => shell, timeout => 600 }
TEXT
echo 'groups: {all: {hosts: web1}}' >"$tmp/inventory.yaml"
cat >"$tmp/keep.yaml" <<TEXT
rollout: keep
change: {puppet: {manifest: $tmp/site.pp}}
targets: '*'
stages: [{name: all}]
around:
  - lock
  - drain: {haproxy: {socket: $tmp/through.sock, backend: web, server: "{short}", wait: 5s, ready-at-least: 0}}
TEXT
printf 'store: local:%s\ninventory: %s\nstate-dir: %s\nowner: alice@ops1\n' "$tmp/store.db" "$tmp/inventory.yaml" "$tmp/state" >"$tmp/site.yaml"
tagout() { "$TAGOUT" --config "$tmp/site.yaml" "$@"; }
tagout init >/dev/null

start run "$TAGOUT" --config "$tmp/site.yaml" run --transport local --yes "$tmp/keep.yaml"
driver=$pid
await 60 grep -q begun "$tmp/log"
id=$(head -1 "$tmp/run.log")
expect_states 8

note "a person puts the host back into service while it is changed: that is told, and told once"
socat - "UNIX-CONNECT:$tmp/lb.sock" <<<'set server web/web1 state ready' >/dev/null
await 40 grep -q 'web1 .*not in force any more' "$tmp/run.log"
before=$(asked)
asked_again() { [ "$(asked)" -gt "$((before + 1))" ]; }
await 80 asked_again
expect_equal "$(grep -c 'not in force any more' "$tmp/run.log")" 1 "how often it is told"
expect_states 0
run tagout status "$id"
expect_out 'it may serve: drain not in force any more'

note "the balancer is away when the drain is to be undone: status tells why it is tried again, as long as it is"
stop "$through"
rm -f "$tmp/through.sock"
touch "$tmp/go"
says_why() { tagout status "$id" >"$tmp/status" && grep -q 'web1 .*undo-waiting: not undone: drain: ' "$tmp/status"; }
await 60 says_why
expect_file_has "$tmp/status" '1 being undone'
through
status=0
wait "$driver" || status=$?
expect_equal "$status" 0 "status of the run"
run tagout status "$id"
expect_no_out 'through.sock'
expect_out '1 changed · nothing left behind'
