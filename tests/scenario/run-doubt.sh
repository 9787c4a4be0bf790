#!/usr/bin/env bash
# What verifies has no answer: a rollout says how long that is borne, with the controller alive or away (P7, P10, P12). Real hosts and Puppet; the metrics are those of a port where
# nobody listens.
# shellcheck disable=SC2154 # status, out, tmp and fleet come from lib.sh
. "$(dirname "$0")/lib.sh"
need puppet python3

fleet_up 2 --hosts 'web1 web2'
fleet_site "local:$tmp/store.db" 'session: 2s'
fleet_change web1 web2
url=http://127.0.0.1:$(free_port)
rollout() { # NAME FAILURE
    for host in web1 web2; do fleet exec "$host" sh -c 'rm -f /srv/p/log; touch /srv/p/go'; done
    cat >"$tmp/$1.yaml" <<TEXT
rollout: $1
change: {puppet: {manifest: /srv/p/site.pp}}
targets: '*'
stages: [{name: one, count: 1}, {name: rest}]
failure: {$2}
verify:
  - {metric: 'sum(errors{host="{host}"})', at: "$url", below: 5, within: 1s}
TEXT
}
changes() { for host in web1 web2; do fleet exec "$host" sh -c 'cat /srv/p/log 2>/dev/null | grep -c changed || true'; done | tr '\n' ' '; }
unlocked() {
    run tagout locks -o json
    expect_no_out '"id"'
}

note "decide-by: after that the host is unknown, which counts as failed"
rollout decide 'decide-by: 2s'
run tagout run --yes "$tmp/decide.yaml"
expect_status 1
expect_out "web1.example.com"
expect_match 'unknown'
expect_out HALTED
expect_equal "$(changes)" "1 0 " "changes"
id=$(head -1 <<<"$out")
run tagout status "$id"
expect_match 'web1.example.com +unknown: sum'

note "give-up-by: nobody has decided by then, and it halts"
rollout give 'give-up-by: 2s'
run tagout run --yes "$tmp/give.yaml"
expect_status 1
expect_match 'on hold|paused'
expect_out HALTED
expect_equal "$(changes)" "1 0 " "changes"
unlocked

note "P7: the controller dies while the run is on hold, and the time goes by: whoever takes it up halts it, and changes nobody"
rollout away 'give-up-by: 6s'
start away "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/away.yaml"
driver=$pid
held() { grep -q 'on hold\|paused' "$tmp/$1.log"; }
await 60 held away
kill -9 "$driver"
wait "$driver" 2>/dev/null || true
id=$(head -1 "$tmp/away.log")
left=$(date +%s)
is_past() { [ $(($(date +%s) - left)) -ge 7 ]; }
await 20 is_past
run tagout status "$id"
expect_match 'nobody has looked by .* UTC: it halts when it is driven again'
expect_out "Go on with: tagout resume $id"$'\n'"      then: tagout run --resume $id"
again() { status=0; tagout run --resume "$id" >"$tmp/again.log" 2>&1 || status=$?; [ "$status" != 75 ]; }
await 30 again
expect_equal "$status" 1 "status of who took it up"
expect_file_has "$tmp/again.log" HALTED
expect_equal "$(changes)" "1 0 " "changes"
unlocked

note "P10: a person decides before that"
rollout person 'give-up-by: 60s'
start person "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/person.yaml"
driver=$pid
await 60 held person
id=$(head -1 "$tmp/person.log")
run tagout abort "$id"
status=0
wait "$driver" || status=$?
expect_equal "$status" 1 "status of the aborted run"
expect_equal "$(changes)" "1 0 " "changes"
unlocked
