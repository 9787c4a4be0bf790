#!/usr/bin/env bash
# What is out of service on purpose is so still behind a restart of a real HAProxy, which forgets it: doctor finds who is in service all the same, one command takes
# him out again, and a run that mends does so before it touches him, and leaves him out when it is no better (P8, P12).
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/haproxy
. "$TAGOUT_SOURCE/tests/lib/haproxy"
need puppet python3 haproxy socat

hosts=(web1 web2 web3)
fleet_up 3 --hosts "${hosts[*]}"
d=.example.com
haproxy_start 3 web
fleet_site "local:$tmp/store.db" 'session: 2s'
fleet_change "${hosts[@]}"
rollout() { # NAME THEN
    printf '%s\n' "rollout: $1" 'change: {puppet: {manifest: /srv/p/site.pp}}' 'targets: "*"' 'stages: [{name: all}]' 'limits: {running: 3}' "failure: {then: $2}" \
        'around:' '  - lock' "  - drain: {haproxy: {socket: $tmp/lb.sock, backend: web, server: \"{short}\", wait: 5s, ready-at-least: 0}}" \
        'verify:' '  - {command: [test, -e, /srv/p/well], within: 1s}' >"$tmp/$1.yaml"
}
rollout bad withdraw
rollout worse halt
restart() {
    haproxy_stop
    haproxy_start 3 "${@:-web}"
}
run tagout run --yes "$tmp/bad.yaml"
expect_status 1
id=$(head -1 <<<"$out")
expect_states 888

note "as it was left: nothing to do, and no withdrawal more for it"
run tagout doctor
expect_status 0
expect_no_out 'IN SERVICE'
run tagout withdraw --keep "$id"
expect_status 0
expect_out '3 of the 3 hosts withdrawn before: out of service'
expect_no_out "$id-withdraw-2"

note "behind a restart doctor says who is in service, and the command that it names takes them out"
restart
expect_states 000
run tagout doctor
expect_status 1
expect_out '3 hosts are withdrawn, and in service in spite of that'
expect_out "web[1-3]$d: IN SERVICE, though withdrawn"
expect_out "Take them out again: tagout withdraw --keep $id"
run tagout withdraw --keep "$id"
expect_status 0
expect_out "put in force again: drain: web/web1 is out"
expect_states 888
run tagout doctor
expect_status 0

note "so it does with one that a person has set ready"
echo 'set server web/web2 state ready' | socat - "UNIX-CONNECT:$tmp/lb.sock" >"$tmp/answer"
run tagout doctor
expect_status 1
expect_out "web2$d: IN SERVICE, though withdrawn"
run tagout withdraw --keep "$id"
expect_status 0
expect_states 888

note "a run that mends takes out who was forgotten before it touches him; when it is no better he stays out"
restart
run tagout run --yes --mends "$id" "$tmp/worse.yaml"
expect_status 1
expect_out "HAProxy has restarted and forgot it: taken out again"
expect_match "web1$d .*is so already, by others"
expect_states 888

note "P8: and when it is forgotten while it is driven: those at work are out again soon, and so are those that wait for their turn; nobody is put back who is no better"
for host in "${hosts[@]}"; do fleet exec "$host" sh -c 'rm -f /srv/p/go /srv/p/log'; done
sed 's/running: 3/running: 1/' "$tmp/worse.yaml" >"$tmp/slow.yaml"
start mends "$TAGOUT" --config "$tmp/site.yaml" run --yes --mends "$id" "$tmp/slow.yaml"
mends=$pid
any_begun() {
    local host
    for host in "${hosts[@]}"; do if fleet exec "$host" grep -qs begun /srv/p/log; then return 0; fi; done
    return 1
}
await 60 any_begun
restart # whether they are out again already by then is a matter of moments
await 20 has_states 888
expect_file_gets "$tmp/mends.log" 'put in force again: drain: web/web'
for host in "${hosts[@]}"; do fleet exec "$host" touch /srv/p/go; done
status=0
wait "$mends" || status=$?
expect_equal "$status" 1 "status of the run that mends"
expect_equal "$(grep -c 'made: drain' "$tmp/mends.log")" 0 "drains that it has made its own, and undone"
expect_states 888
run tagout doctor
expect_status 0

note "who can't be asked for is not said to be out, nor in"
restart other
run tagout doctor
expect_status 0
expect_out "web[1-3]$d: out of service or not, that can't be told from here"
run tagout withdraw --keep "$id"
expect_status 1
expect_out '0 of the 3 hosts withdrawn before: out of service'
haproxy_stop
run tagout doctor
expect_status 0
expect_out "that can't be told from here, such as: drain: $tmp/lb.sock: it can't be connected to"

note "the way back knows what it was left with"
haproxy_start 3 web
run tagout withdraw --keep "$id"
expect_status 0
expect_states 888
run tagout return --yes --unverified "$id"
expect_status 0
expect_states 000
run tagout withdraw --keep "$id"
expect_status 1
expect_err "no host is out of service by $id"
