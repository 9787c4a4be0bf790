#!/usr/bin/env bash
# Something better for hosts that are out of service goes over these as they are, and brings back whom it has verified; so does a rollback. Real HAProxy and
# Puppet (P5, P7, P8, P12).
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
    fleet exec "$host" sh -c 'mkdir -p /srv/p; for what in change fix back; do echo "exec { w: command => \"echo $what >>/srv/p/log; $([ $what = change ] || echo touch /srv/p/well)\", provider => shell }" >/srv/p/$what.pp; done'
done
rollout() { # NAME [MORE LINES [MANIFEST [THEN]]]
    cat >"$tmp/$1.yaml" <<TEXT
rollout: $1
change: {puppet: {manifest: /srv/p/${3:-change}.pp}}
targets: '*'
stages: [{name: first, count: 2}, {name: rest}]
limits: {running: 1, floor: {role: 60%}}
failure: {then: ${4:-withdraw}}
around:
  - lock
  - drain: {haproxy: {socket: $tmp/lb.sock, backend: web, server: "{short}", wait: 5s, ready-at-least: 0}}
verify:
  - {command: [test, -e, /srv/p/well], within: 1s}
${2:-}
TEXT
}
anew() { for host in "${hosts[@]}"; do fleet exec "$host" sh -c 'rm -f /srv/p/log; touch /srv/p/well'; done; }
logs() { for host in "${hosts[@]}"; do fleet exec "$host" sh -c 'cat /srv/p/log 2>/dev/null | tr "\n" +; echo .'; done | tr -d '\n'; }
rollout bad 'rollback: {puppet: {manifest: /srv/p/back.pp}}'
rollout fixed '' fix halt
rollout worse '' change halt
halts() { # $id: three are changed, two of these are out of service, and fill the floor
    anew
    fleet exec web3 rm /srv/p/well
    run tagout run --yes "$tmp/bad.yaml"
    id=$(head -1 <<<"$out")
    expect_states 08800
}
no_lock() {
    run tagout locks -o json
    expect_no_out '"id"'
}

note "P12: a plan over hosts that are out of service says so, and what brings them something better; who waits for them as well"
halts
run tagout plan "$tmp/fixed.yaml"
expect_out "Warning: 2 hosts (web[2-3]$d) are out of service by $id"
expect_out "Something better for them: tagout plan --mends $id FILE"
expect_out "full     role web is full by that (2 of 2 down)"
start waits "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/fixed.yaml"
driver=$pid
says_whose() { tagout status "$(head -1 "$tmp/waits.log")" | tr '\n' ' ' | tr -s ' ' >"$tmp/status" && grep -q "2 of 2 down, 2 of others: out of service by $id (tagout run --mends $id FILE)" "$tmp/status"; }
await 30 says_whose
kill -9 "$driver"
wait "$driver" 2>/dev/null || true
run tagout abort "$(head -1 "$tmp/waits.log")"
tagout run --resume "$(head -1 "$tmp/waits.log")" >/dev/null 2>&1 || true

note "its plan with --mends is what run --mends does, and has a digest of its own"
run tagout plan --mends "$id" "$tmp/fixed.yaml"
expect_status 0
expect_out "targets  what $id has out of service: 2 hosts"
expect_match 'mend +2 .*web\[2-3\]'
expect_out "room     none is needed"
expect_no_out "Warning: 2 hosts"
expect_out "tagout run $tmp/fixed.yaml --config $tmp/site.yaml --mends $id --plan "
digest=${out##* }
run tagout plan "$tmp/fixed.yaml"
expect_no_out "$digest"
run tagout run --yes --mends "$id" --plan "${out##* }" "$tmp/fixed.yaml"
expect_status 65
run tagout plan --mends nobody-20261122-1 "$tmp/fixed.yaml"
expect_status 1
run tagout plan --mends "$id" --stages "$tmp/fixed.yaml"
expect_status 64

note "nobody is returned whom others hold (P2), nor by a run that is no better: that says the way back"
run tagout lock "host:web2$d" --for 1h --reason "new disk"
run tagout return "$id" "web2$d" --yes --unverified
expect_status 75
expect_err "web2$d stays out of service: TAGOUT-HELD"
lock=$(tagout locks | awk '/new disk/ { print $1 }')
run tagout unlock "$lock"
expect_status 0
run tagout run --yes --mends "$id" "$tmp/worse.yaml"
expect_status 1
expect_out "All of them stay out of service. Who is well comes back with: tagout return $id HOST"
expect_states 08800

note "what is better goes over those that are out of service, though they fill the floor, and brings them back"
run tagout run --yes --mends "$id" --plan "$digest" "$tmp/fixed.yaml"
expect_status 0
expect_out "2 changed"
expect_equal "$(logs)" "change+.change+change+fix+.change+change+fix+..." "changes"
expect_states 00000
no_lock
run tagout run --yes --mends "$id" "$tmp/fixed.yaml"
expect_status 1
expect_err "no host is out of service by $id"

note "the way back goes over them first; P7: it is killed in the middle, and nobody returns whom it was at work on"
halts
start back "${mortal[@]}" "$TAGOUT" --config "$tmp/site.yaml" rollback --yes "$id"
kill_behind back 'web3.*locked'
expect_file_has "$tmp/back.log" "2 hosts are out of service: these first. For the 1 that stayed in service: tagout rollback $id, once more"
run tagout return "$id" "web3$d" --yes --unverified
expect_status 75
expect_err "web3$d stays out of service: TAGOUT-HELD"
expect_states 08800
again() { tagout run --resume "$id-rollback" >"$tmp/again.log" 2>&1; }
await 30 again
expect_states 00000
run tagout rollback "$id" --yes
expect_status 0
expect_out "Rolled back 1 of the 1 hosts"
no_lock

note "P12: a way back that left hosts for the next one has not brought all back"
halts
run tagout rollback "$id" --yes
expect_status 1
expect_out "2 of 3 hosts are back. The others: tagout rollback $id, once more"
run tagout rollback "$id" --yes
expect_status 0
