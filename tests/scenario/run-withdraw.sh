#!/usr/bin/env bash
# A run that halts takes what it has changed out of service in a real HAProxy, as far as its floor allows, and leaves it there: until somebody wants it back,
# whoever was killed meanwhile (P5, P7, P8, P12). And one whose backend is not there, which is to keep out three hosts, not all.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/haproxy
. "$TAGOUT_SOURCE/tests/lib/haproxy"
need puppet python3 haproxy socat

hosts=(web1 web2 web3 web4 web5)
fleet_up 5 --hosts "${hosts[*]}"
sed 's/^groups:/groups:\n  all: {hosts: "web[1-5].example.com", attrs: {role: web}}/' "$fleet/inventory.yaml" >"$tmp/inventory.yaml"
d=.example.com
haproxy_start 5 web
inventory=$tmp/inventory.yaml fleet_site "local:$tmp/store.db" 'session: 2s'
for host in "${hosts[@]}"; do
    fleet exec "$host" sh -c 'mkdir -p /srv/p; cat >/srv/p/site.pp' <<'TEXT'
exec { 'change': command => 'echo changed >>/srv/p/log', provider => shell }
TEXT
done
rollout() { # NAME [MORE LINES]
    for host in "${hosts[@]}"; do fleet exec "$host" sh -c 'rm -f /srv/p/log; touch /srv/p/well'; done
    cat >"$tmp/$1.yaml" <<TEXT
rollout: $1
change: {puppet: {manifest: /srv/p/site.pp}}
targets: '*'
stages: ${stages:-[{name: first, count: 2\}, {name: rest\}]}
limits: {running: 1, floor: {role: 60%}}
failure: {then: withdraw}
around:
  - lock
  - drain: {haproxy: {socket: $tmp/lb.sock, backend: web, server: "{short}", wait: 5s, ready-at-least: 0}}
verify:
  - {command: [test, -e, /srv/p/well], within: 1s}
${2:-}
TEXT
}

note "a rollout that does not say how a host leaves service is refused, with its place and the mend"
rollout none
sed -i '/drain:/d' "$tmp/none.yaml"
run tagout plan "$tmp/none.yaml"
expect_status 65
expect_err 'none.yaml:6:17: then: withdraw, and nothing says how a host is taken out of service'
expect_err 'drain: {haproxy: {backend: web}}'

note "it halts at the third host: what failed leaves service first, then what was changed last, as many as the floor allows (P5)"
rollout bad
run tagout plan "$tmp/bad.yaml"
expect_out 'takes what it has changed out of service, as far as its limits allow'
fleet exec web3 rm /srv/p/well
run tagout run --yes "$tmp/bad.yaml"
expect_status 1
id=$(head -1 <<<"$out")
expect_out "leave service, as far as its limits allow: $id-withdraw"
expect_out "Of the 3 hosts that $id had changed 2 are out of service, 1 stays in service."
expect_out "it stays in service: role web has 2 of 5 down by this, 0 without it, and may have 2"
expect_out "web[2-3]$d: out of service, locked, on purpose. Bring them back: tagout return $id"
expect_states 08800

note "P12: status, doctor, JSON and the locks say so, and lead back"
run tagout status "$id"
expect_out "Out of service: 2 of the 3 hosts that it has changed"
expect_out "Bring them back as they are: tagout return $id"
run tagout status "$id-withdraw" -o json
expect_out "\"mend\": \"tagout return $id-withdraw web2$d\""
run tagout doctor
expect_out "web[2-3]$d: out of service, locked, on purpose. Bring them back: tagout return $id"
run tagout check --actor config-management "host:web3$d"
expect_status 75
expect_err "back: tagout return $id"
run tagout run --resume "$id"
expect_status 1
expect_err "there is nothing more to withdraw of what $id has changed"
expect_states 08800

note "P2: who does not verify stays out; nobody comes back who was never out"
run tagout return "$id" "web1$d" --yes
expect_status 1
expect_err "web1$d is not out of service by $id"
run tagout return "$id"
expect_status 77
run tagout return "$id" --yes
expect_status 1
expect_out 'not well within 1s'
expect_states 00800
run tagout locks -o json
expect_equal "$(grep -c '"id"' <<<"$out")" 1 "locks"

note "what is mended by hand comes back, vouched for by who has looked"
run tagout return "$id-withdraw" "web3$d" --yes --unverified --reason "mended by hand"
expect_status 0
expect_states 00000
nothing_left() {
    run tagout locks -o json
    expect_no_out '"id"'
    run tagout doctor
    expect_out 'no run that nobody drives holds anything on a host'
}
nothing_left
expect_equal "$(for host in "${hosts[@]}"; do fleet exec "$host" sh -c 'cat /srv/p/log 2>/dev/null | wc -l'; done | tr '\n' ' ')" "1 1 1 0 0 " "changes"

note "P7: killed in the middle of it, it goes on; and so does the way back"
rollout killed
fleet exec web3 rm /srv/p/well
start killed "${mortal[@]}" "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/killed.yaml"
kill_behind killed '^withdraw .*locked'
id=$(head -1 "$tmp/killed.log")
again() { tagout run --resume "$id" >"$tmp/again.log" 2>&1 || grep -q 'nothing more to withdraw\|stays in service' "$tmp/again.log"; }
await 30 again
expect_states 08800
fleet exec web3 touch /srv/p/well
start back "${mortal[@]}" "$TAGOUT" --config "$tmp/site.yaml" return "$id" --yes
kill_behind back '^withdraw .*verified'
back() { tagout return "$id" --yes >"$tmp/again.log" 2>&1 || grep -q 'no host is out of service' "$tmp/again.log"; }
await 30 back
expect_states 00000
nothing_left

note "a backend that is not there keeps out three hosts, then somebody is asked; they are tried once more"
stages='[{name: all}]' rollout renamed
sed -i 's/backend: web,/backend: new,/' "$tmp/renamed.yaml"
start renamed "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/renamed.yaml"
driver=$pid
first_line() { [ -s "$tmp/renamed.log" ]; }
await 30 first_line
id=$(head -1 "$tmp/renamed.log")
asks() { tagout status "$id" >"$tmp/status" && grep -q 'has kept out 3 hosts in a row, and more wait' "$tmp/status"; }
await 60 asks
expect_file_has "$tmp/status" 'paused: drain (haproxy) has kept out 3 hosts in a row'
expect_file_has "$tmp/status" "go on: tagout resume $id"
expect_file_gets "$tmp/renamed.log" "look, then: tagout resume $id"
haproxy_stop
haproxy_start 5 web new
run tagout resume "$id"
expect_status 0
status=0
wait "$driver" || status=$?
expect_equal "$status" 0 "status of the run"
expect_file_has "$tmp/renamed.log" '5 changed · nothing left behind'
nothing_left
