#!/usr/bin/env bash
# P5: limits by domain count every host that is down or held, whoever took it: two runs at once over one rack, a person's lock in it, and a host that
# failed in it; and replicas of which so many must stay up. Real hosts, real Puppet, over SSH. On the embedded store, and by run-limits-zk.sh on ZooKeeper.
. "$(dirname "$0")/lib.sh"
need puppet python3
store=local:$tmp/store.db
if [ "${limits_on:-}" = zk ]; then
    need java
    # shellcheck source=../lib/zookeeper
    . "$TAGOUT_SOURCE/tests/lib/zookeeper"
    at_exit zk_kill "$tmp/zk"
    zk_start "$tmp/zk"
    store=$(zk_url "$tmp/zk")/tagout
fi

fleet_up 4 --hosts 'web1 web2 web3 web4'
sed 's/^groups:/groups:\n  one: {hosts: "web[1-2].example.com", attrs: {rack: r1, cluster: a}}\n  two: {hosts: "web[3-4].example.com", attrs: {rack: r2, cluster: a}}/' "$fleet/inventory.yaml" >"$tmp/inventory.yaml"
inventory=$tmp/inventory.yaml fleet_site "$store"
fleet_change web1 web2 web3 web4
forget() { for host in web1 web2 web3 web4; do fleet exec "$host" rm -f /srv/p/log; done; }
log_has() { fleet exec "$1" grep -qs "$2" /srv/p/log; }
never_begun() { ! log_has "$1" begun; }
rollout() { # NAME TARGETS
    cat >"$tmp/$1.yaml" <<TEXT
rollout: $1
change: {puppet: {manifest: /srv/p/site.pp}}
targets: "$2"
stages: [{name: all}]
limits: ${limits:-{running: 4, domains: {rack: 1\}\}}
failure: {failed: 3}
TEXT
}
drive() { start "$1" "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/$1.yaml"; }
# Says the run that somebody waits for the rack, and that others hold it?
waits() { # RUN WHOSE
    grep -q "the next waits for room in rack r1 (1 of 1 down, 1 of others: [0-9A-Z]* of alice@ops1: $2" < <(tagout status "$1" | tr '\n' ' ' | tr -s ' ')
}

note "inventory"
run tagout hosts 'rack=r1'
expect_out 'web[1-2].example.com'

note "two runs at once: of one rack one host is down, whosever run it is"
rollout odd 'web1.example.com,web3.example.com'
rollout even 'web2.example.com,web4.example.com'
fleet exec web1 rm /srv/p/go
drive odd
odd=$pid
await 120 log_has web1 begun
await 120 log_has web3 changed
is_free() { tagout locks "host:$1.example.com" >"$tmp/locks" && ! grep -q odd- "$tmp/locks"; }
await 60 is_free web3
drive even
even=$pid
await 120 log_has web4 changed
await 60 waits "$(head -1 "$tmp/even.log")" 'run odd-' 
expect_true "web2 is not begun" never_begun web2
fleet exec web1 touch /srv/p/go
status=0; wait "$odd" || status=$?
expect_equal "$status" 0 "status of the first run"
status=0; wait "$even" || status=$?
expect_equal "$status" 0 "status of the second run"
expect_true "web2 is changed" log_has web2 changed

note "a person's lock on a neighbour"
forget
rollout alone 'web2.example.com'
run tagout lock host:web1.example.com --reason 'a new disk' --for 1h -o json
lock=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])' <<<"$out")
drive alone
alone=$pid
await 60 grep -q . "$tmp/alone.log"
await 60 waits "$(head -1 "$tmp/alone.log")" 'a new disk' 
expect_true "web2 is not begun" never_begun web2
run tagout unlock "$lock"
expect_status 0
status=0; wait "$alone" || status=$?
expect_equal "$status" 0 "status of the run that waited"
expect_true "web2 is changed" log_has web2 changed

note "a host that failed stays down: its neighbour is skipped, and the rest goes on"
forget
rollout rest 'web[1-4].example.com'
fleet exec web1 touch /srv/p/bad
run tagout run --yes "$tmp/rest.yaml"
expect_status 1
expect_true "web2 is not begun" never_begun web2
expect_true "web3 is changed" log_has web3 changed
expect_true "web4 is changed" log_has web4 changed
expect_out '1 skipped'
expect_match 'rack r1 has 1 down \(web1\.example\.com\), and no more may be'
run tagout locks -o json
expect_no_out '"id"'

note "k of n: three of four replicas stay up, a person's lock and another run counted; whoever waits goes on when the lock goes"
forget
fleet exec web1 rm -f /srv/p/bad
limits='{running: 4, unverified: 4, floor: {cluster: 3}}'
rollout pair 'web[2-3].example.com'
run tagout lock host:web1.example.com --reason 'a new disk' --for 1h -o json
lock=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])' <<<"$out")
drive pair
pair=$pid
await 60 grep -q . "$tmp/pair.log"
id=$(head -1 "$tmp/pair.log")
waits_for_cluster() { grep -q 'room in cluster a (1 of 1 down, 1 of others' < <(tagout status "$id" | tr '\n' ' ' | tr -s ' '); }
await 60 waits_for_cluster
expect_true "web2 is not begun" never_begun web2
expect_true "web3 is not begun" never_begun web3
fleet exec web2 rm /srv/p/go
fleet exec web3 rm /srv/p/go
tagout unlock "$lock" >/dev/null
one_begun() { [ "$(log_has web2 begun && echo x)$(log_has web3 begun && echo x)" = x ]; }
await 120 one_begun
expect_true "one at a time" one_begun
fleet exec web2 touch /srv/p/go
fleet exec web3 touch /srv/p/go
status=0; wait "$pair" || status=$?
expect_equal "$status" 0 "status of the run over the pair"
