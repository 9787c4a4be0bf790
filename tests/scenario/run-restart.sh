#!/usr/bin/env bash
# P5, P12: a load balancer that restarts forgets its drains, and a host in work serves customers. Whoever is about to change one finds out, drains it again and waits for its
# sessions before anything is changed; whoever is at it already has it drained again soon; and of a run whose driver died doctor says so. Real HAProxy and Puppet; this machine is
# the host.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/haproxy
. "$TAGOUT_SOURCE/tests/lib/haproxy"
need puppet haproxy socat

haproxy_start 1 web
echo 'groups: {all: {hosts: web1}}' >"$tmp/inventory.yaml"
printf 'store: local:%s\ninventory: %s\nstate-dir: %s\nowner: alice@ops1\n' "$tmp/store.db" "$tmp/inventory.yaml" "$tmp/state" >"$tmp/site.yaml"
tagout() { "$TAGOUT" --config "$tmp/site.yaml" "$@"; }
tagout init >/dev/null

note "P5: a balancer that restarts while a host waits for its change has it drained again before anything is changed there; in the middle of the change as well"
export TAGOUT_MODULES=$TAGOUT_BUILD/tests/around
mkdir "$tmp/alerts"
slow() { # NAME: it is drained, and then waits for its silence
    printf '%s\n' "rollout: $1" "change: {puppet: {manifest: $tmp/site.pp}}" 'targets: "*"' 'stages: [{name: all}]' 'around:' '  - lock' \
        "  - drain: {haproxy: {socket: $tmp/lb.sock, backend: web, server: \"{short}\", wait: 5s, ready-at-least: 0}}" "  - silence: {filealerts: {dir: $tmp/alerts}}" >"$tmp/$1.yaml"
    rm -f "$tmp/log" "$tmp/go"
    touch "$tmp/alerts/away-act"
    start "$1" "$TAGOUT" --config "$tmp/site.yaml" run --transport local --yes "$tmp/$1.yaml"
    driver=$pid
    await 60 grep -q 'the balancer is away' "$tmp/$1.log"
    id=$(head -1 "$tmp/$1.log")
    expect_states 8
}
cat >"$tmp/site.pp" <<TEXT
exec { 'w': command => 'echo begun \$(echo show servers state web | socat - UNIX-CONNECT:$tmp/lb.sock | grep web1 | cut -d" " -f7) >>$tmp/log; until [ -e $tmp/go ]; do sleep 0.1; done', path => '/usr/bin:/bin', provider => shell, timeout => 600 }
TEXT
restart() {
    haproxy_stop
    haproxy_start 1 web
}
slow restart
restart # whether it is drained again already by then is a matter of moments
rm "$tmp/alerts/away-act"
await 60 grep -q begun "$tmp/log"
expect_equal "$(<"$tmp/log")" "begun 8" "what the balancer said when the change began"
expect_file_gets "$tmp/restart.log" 'HAProxy has restarted and forgot it: taken out again'
drained() { grep -c 'made: drain: web/web1 is out' "$tmp/restart.log"; }
drained_twice() { [ "$(drained)" = 2 ]; }
await 20 drained_twice || true
expect_equal "$(drained)" 2 "how often it is drained, and its sessions waited for"
restart
await 40 has_states 8
touch "$tmp/go"
status=0
wait "$driver" || status=$?
expect_equal "$status" 0 "status of the run"
expect_states 0

note "P12: who is set ready by a person before his change is not changed, and that is said"
slow person
echo 'set server web/web1 state ready' | socat - "UNIX-CONNECT:$tmp/lb.sock" >"$tmp/answer"
rm "$tmp/alerts/away-act"
status=0
wait "$driver" || status=$?
expect_equal "$status" 1 "status of the run"
expect_file_has "$tmp/person.log" 'somebody set it ready, and it is left so'
expect_true "nothing was changed" test ! -e "$tmp/log"
expect_states 0
run tagout locks -o json
expect_no_out '"id"'

note "P12: a driver that died keeps nothing: doctor asks the balancer, and says whose hosts serve half changed; who goes on takes them out again first"
slow died
rm "$tmp/alerts/away-act"
await 60 grep -q begun "$tmp/log"
kill -9 "$driver"
wait "$driver" 2>/dev/null || true
restart
run tagout doctor
expect_status 1
expect_out '1 host is half changed, and in service in spite of that'
expect_out 'web1: IN SERVICE, though drained for a change that has not come to its end'
expect_out "tagout run --resume $id"
start again "$TAGOUT" --config "$tmp/site.yaml" run --resume "$id"
driver=$pid
await 40 has_states 8
touch "$tmp/go"
status=0
wait "$driver" || status=$?
expect_equal "$status" 0 "status of the run"
expect_states 0
