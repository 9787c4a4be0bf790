#!/usr/bin/env bash
# Something better for hosts that are out of service goes over these as they are, and brings back whom it has verified; so does a rollback. Real HAProxy and
# Puppet (P5, P7, P8, P12).
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
need puppet python3 haproxy socat

hosts=(web1 web2 web3 web4 web5)
fleet_up 5 --hosts "${hosts[*]}"
sed 's/^groups:/groups:\n  all: {hosts: "web[1-5].example.com", attrs: {role: web}}/' "$fleet/inventory.yaml" >"$tmp/inventory.yaml"
d=.example.com
cat >"$tmp/lb.cfg" <<CFG
global
    stats socket $tmp/lb.sock level admin
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
backend web
$(for i in 1 2 3 4 5; do echo "    server web$i 127.0.0.1:$((9 + i))"; done)
CFG
start lb haproxy -db -f "$tmp/lb.cfg"
states() { socat - "UNIX-CONNECT:$tmp/lb.sock" <<<'show servers state web' | awk '$4 ~ /^web/ { printf "%s", $7 }'; } # a digit each: 0 ready, 8 drained
expect_states() { expect_equal "$(states)" "$1" "what the balancer says of web1 to web5"; }
has_states() { [ "$(states)" = "$1" ]; }

cat >"$tmp/site.yaml" <<TEXT
store: local:$tmp/store.db
inventory: $tmp/inventory.yaml
state-dir: $tmp/state
owner: alice@ops1
session: 2s
ssh: {identity: $fleet/ssh/id_ed25519, known-hosts: $fleet/ssh/known_hosts, config: none}
TEXT
tagout() { "$TAGOUT" --config "$tmp/site.yaml" "$@"; }
tagout init >/dev/null
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
await 10 has_states 00000
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

note "nobody is returned whom others hold (P2), nor by a run that is no better: that says the way back"
halts
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
run tagout run --yes --mends "$id" "$tmp/fixed.yaml"
expect_status 0
expect_out "2 changed"
expect_equal "$(logs)" "change+.change+change+fix+.change+change+fix+..." "changes"
expect_states 00000
no_lock
run tagout run --yes --mends "$id" "$tmp/fixed.yaml"
expect_status 1
expect_err "no host is out of service by $id"

note "the way back goes over them first; P7: it is killed in the middle, and nobody returns whom it was at work on"
kill_behind() { # LOG TEXT: as soon as it is said
    until grep -q "$2" "$tmp/$1.log" 2>/dev/null || ! kill -0 "$pid" 2>/dev/null; do :; done
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}
halts
start back "$TAGOUT" --config "$tmp/site.yaml" rollback --yes "$id"
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
