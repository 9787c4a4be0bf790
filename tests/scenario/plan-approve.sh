#!/usr/bin/env bash
# P5: a plan that is not the one that was looked at is refused, and what has changed is told; nothing is changed without somebody's yes: the number typed at a terminal,
# --yes, or an approval, where the site wants it by a second person.
. "$(dirname "$0")/lib.sh"
need sqlite3 script
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 # leaks of run are looked for in run-ssh

port=$(free_port)
fleet() { # ADDRESS NAME…
    local address=$1 name
    shift
    printf 'defaults: {user: nobody, port: %s}\nhosts:\n' "$port" >"$tmp/fleet.yaml"
    for name; do printf '  %s: {address: %s}\n' "$name" "$address" >>"$tmp/fleet.yaml"; done
}
fleet 127.0.0.1 n1 n2 n3
: >"$tmp/known_hosts"
cat >"$tmp/site.yaml" <<TEXT
store: local:$tmp/store.db
inventory: $tmp/fleet.yaml
state-dir: $tmp/state
owner: alice@ops1
ssh: {known-hosts: $tmp/known_hosts, config: none}
TEXT
{ cat "$tmp/site.yaml"; echo 'runs: {approval: second-person}'; } >"$tmp/two.yaml"
sed 's/owner: alice@ops1/owner: bob@ops2/' "$tmp/two.yaml" >"$tmp/bob.yaml"
cat >"$tmp/away.yaml" <<TEXT
rollout: away
change: {puppet: {environment: production}}
targets: "*"
stages: [{name: canary, count: 1, bake: 1s}, {name: rest}]
limits: {running: 2}
TEXT
tagout() { "$TAGOUT" --config "$tmp/site.yaml" "$@"; }
digest() { tagout plan -o json "$tmp/away.yaml" | sed -n 's/.*"digest": "\([0-9a-f]*\)".*/\1/p'; }
runs() { tagout status | grep -c ^away- || true; }

note "a store that has no place for plans, or none at all: the plan is printed all the same"
run tagout plan "$tmp/away.yaml"
expect_status 0
expect_err "the plan could not be kept in local:$tmp/store.db"
tagout init >/dev/null
run tagout plan "$tmp/away.yaml"
expect_status 0
expect_equal "$err" "" "stderr"
plan=$(digest)

note "what has changed since is told"
cp "$tmp/away.yaml" "$tmp/was.yaml"
sed -i -e 's/production/testing/' -e 's/running: 2/running: 3/' -e 's/bake: 1s/bake: 5s/' "$tmp/away.yaml"
fleet 127.0.0.1 n1 n2 n4 n5
run tagout run --yes --plan "${plan:0:6}" "$tmp/away.yaml"
expect_status 65
expect_err "Since alice@ops1 made plan ${plan:0:12}, at 20"
expect_err '  2 hosts are new: n[4-5]'
expect_err '  1 host is gone: n3'
expect_err '  change: {"environment":"testing"}, was {"environment":"production"}'
expect_err '  limits.running: 3, was 2'
expect_err '  stage canary: bake_ms: 5s, was 1s'
expect_err "the plan is not the one of --plan ${plan:0:6}, its digest is $(digest | cut -c1-12)"
expect_err "look again: tagout plan $tmp/away.yaml"
run tagout run -o json --yes --plan "$plan" "$tmp/away.yaml"
expect_status 65
expect_err 'hosts are new: n[4-5]; 1 host is gone: n3'
cp "$tmp/was.yaml" "$tmp/away.yaml"
fleet 127.0.0.2 n1 n2 n3
run tagout run --yes --plan "$plan" "$tmp/away.yaml"
expect_status 65
expect_err 'stage canary: its hosts are others, or their address, user or port is'
run tagout run --yes --plan 00000000 "$tmp/away.yaml"
expect_status 65
expect_err "what has changed can't be told (no plan 00000000 is kept in the store)"
fleet 127.0.0.1 n1 n2 n3
expect_equal "$(runs)" 0 "runs"

note "without a terminal nothing begins, and how it can is told"
run tagout run "$tmp/away.yaml"
expect_status 77
expect_err '3 hosts would be changed: there is no terminal to ask at, and nobody has approved it'
expect_err "tagout approve ${plan:0:12}, or --yes"
expect_equal "$(runs)" 0 "runs"

note "an approval is for one run"
run tagout approve "${plan:0:5}" --reason "looked at" --for 1h
expect_status 0
expect_out "Approved: plan ${plan:0:12} of away, made by alice@ops1"
expect_out "which changes 3 hosts"
run tagout run "$tmp/away.yaml"
expect_out "Plan ${plan:0:12}: approved by alice@ops1: looked at"
expect_equal "$(runs)" 1 "runs"
run tagout run "$tmp/away.yaml"
expect_status 77
expect_equal "$(runs)" 1 "runs"
run tagout approve --for 0s "$plan"
expect_status 64
expect_err 'an approval that stands for no time is none'
run tagout approve --for 1ms "${plan^^}" # as somebody may have it from a form
expect_status 0
run tagout run "$tmp/away.yaml"
expect_status 77

note "at a terminal the number of hosts is typed"
run script -qec "$TAGOUT --config $tmp/site.yaml run $tmp/away.yaml" /dev/null <<<"yes"
typed() { status=0; out=$(script -qec "$TAGOUT --config $tmp/site.yaml run $tmp/away.yaml" /dev/null <<<"$1" 2>&1) || status=$?; }
typed y
expect_out "3 hosts will be changed. Type the number of hosts to go on: "
expect_out '"y" is not 3: nothing has been changed'
expect_equal "$(runs)" 1 "runs"
typed 3
expect_out "3 hosts will be changed. Type the number of hosts to go on: "
expect_equal "$(runs)" 2 "runs"

note "where the site wants a second person, neither the first one's approval nor --yes will do"
run "$TAGOUT" --config "$tmp/two.yaml" run --yes "$tmp/away.yaml"
expect_status 77
expect_err 'this site wants a second person to approve that, and nobody has'
expect_err "somebody else types: tagout approve ${plan:0:12}"
run "$TAGOUT" --config "$tmp/two.yaml" approve "$plan"
expect_status 77
expect_err "is alice@ops1's own, and this site wants a second person to approve it"
run tagout approve "$plan" # filed while the site asked nobody
expect_status 0
run "$TAGOUT" --config "$tmp/two.yaml" run --yes "$tmp/away.yaml"
expect_status 77
run "$TAGOUT" --config "$tmp/bob.yaml" approve "$plan"
expect_status 0
run "$TAGOUT" --config "$tmp/two.yaml" run "$tmp/away.yaml"
expect_out "approved by bob@ops2"
expect_equal "$(runs)" 3 "runs"

note "a record that was edited, or is damaged, is no approval"
run "$TAGOUT" --config "$tmp/bob.yaml" approve "$plan"
sqlite3 "$tmp/store.db" "update node set data = replace(cast(data as text), 'bob@ops2', 'eve@ops3') where path = '/plans/$plan'"
run tagout run "$tmp/away.yaml"
expect_status 65
expect_err "whether the plan is approved can't be told: /plans/$plan"
run tagout approve "$plan"
expect_status 65
sed -i 's/running: 2/running: 1/' "$tmp/away.yaml"
run tagout run --yes --plan "$plan" "$tmp/away.yaml"
expect_status 65
expect_err "what has changed can't be told"
expect_equal "$(runs)" 3 "runs"

note "a digest that is too short, or of no plan"
run tagout approve 5f0
expect_match 'no run|run 5f0'
run tagout approve 5f0c5f0c5f0c
expect_status 1
expect_err "no plan 5f0c5f0c5f0c is kept in the store"
run tagout approve "$plan" rest
expect_status 64
