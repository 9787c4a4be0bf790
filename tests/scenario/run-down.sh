#!/usr/bin/env bash
# P5, P12: limits by domain count hosts that are merely down: real agents die (kill -9), and with one of a rack dead nobody else of it starts, says the run; it goes on when
# the agent is back, or is forgotten. On the embedded store, and on a real ZooKeeper where there is one. The hosts themselves are not reached: who starts is told so.
. "$(dirname "$0")/lib.sh"
. "$TAGOUT_SOURCE/tests/lib/zookeeper"
need python3
unset TAGOUT_AGENT_SOCKET # each has its own

port=$(free_port)
cat >"$tmp/hosts.yaml" <<TEXT
defaults: {user: nobody, port: $port}
hosts:
  web1.example.com: {address: 127.0.0.1, attrs: {rack: r1}}
  web2.example.com: {address: 127.0.0.1, attrs: {rack: r1}}
  db1.example.com: {address: 127.0.0.1, attrs: {rack: r1}}
  web3.example.com: {address: 127.0.0.1, attrs: {rack: r2}}
TEXT
: >"$tmp/known_hosts"
rollout() { # NAME TARGETS LIMITS
    printf '%s\n' "rollout: $1" 'change: {puppet: {}}' "targets: \"$2\"" 'stages: [{name: all}]' "limits: {running: 4, domains: {rack: 1}$3}" \
        'failure: {unreachable: 9}' >"$tmp/$1.yaml"
}
rollout one 'web1.example.com' ''
rollout both 'web[1-2].example.com' ''
rollout bold 'web1.example.com' ', down: ignore'
config() { # NAME
    mkdir -p "$tmp/state-$1"
    printf '%s\n' "store: $url" "inventory: $tmp/hosts.yaml" "state-dir: $tmp/state-$1" "agent-socket: $tmp/$1.sock" 'owner: alice@ops1' 'session: 4s' \
        "ssh: {known-hosts: $tmp/known_hosts, config: none}" >"$tmp/$1.yaml.site"
}
tagout() { "$TAGOUT" --config "$tmp/ops.yaml.site" "$@"; }
agent() { # NAME: $pid
    config "$1"
    start "agent-$1" "$TAGOUT" --config "$tmp/$1.yaml.site" agent --host "$1.example.com"
    await 60 knows "$1"
}
knows() { grep -q '"knows": true' < <("$TAGOUT" --config "$tmp/$1.yaml.site" agent --status -o json 2>/dev/null); }
die() { kill -9 "$1"; wait "$1" 2>/dev/null || true; }
counts() { grep -qF "\"$1.example.com\"" < <(tagout plan -o json "$tmp/one.yaml" | python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["down"]["hosts"]))'); }
up_again() { ! counts "$1"; }
drive() { start "$1" "$TAGOUT" --config "$tmp/ops.yaml.site" run --yes "$tmp/$1.yaml"; await 30 grep -q . "$tmp/$1.log"; }
says() { grep -q "$2" < <(tagout status "$(head -1 "$tmp/$1.log")" | tr '\n' ' ' | tr -s ' '); }
ends() { status=0; wait "$pid" || status=$?; expect_equal "$status" 1 "status of $1: its host is not reached"; }
web1_ends() { grep -q "web1.example.com *$2" "$tmp/$1.log" || fail "web1 ends as $2" "$(cat "$tmp/$1.log")"; ok; }

all() {
    config ops
    run tagout init
    expect_status 0

    note "a fleet without agents goes on as ever"
    run tagout plan "$tmp/one.yaml"
    expect_no_out 'whose agent'
    drive one
    ends one
    web1_ends one 'not reached'

    note "a host of the rack is down that is not in the plan: the run waits, and says for whom"
    agent db1
    db1=$pid
    agent web2
    web2=$pid
    die "$db1"
    await 30 counts db1
    run tagout plan "$tmp/one.yaml"
    expect_match 'down +1 host, whose agent is gone: db1.example.com'
    expect_match 'rack r1 is full by that \(1 of 1 down\)'
    drive one
    driver=$pid
    await 8 says one 'waits for room in rack r1 (1 of 1 down, 1 gone: db1.example.com, 1 wait'
    await 30 grep -q 'rack r1: 1 host is down that is not in the plan: db1.example.com' "$tmp/one.log"

    note "P7: who takes over waits as well"
    id=$(head -1 "$tmp/one.log")
    die "$driver"
    taken_over() { start again "$TAGOUT" --config "$tmp/ops.yaml.site" run --resume "$id" && await 3 grep -q 'taken up again' "$tmp/again.log"; }
    await 30 taken_over
    await 8 says one 'waits for room in rack r1 (1 of 1 down, 1 gone: db1.example.com, 1 wait'
    driver=$pid
    if grep -q 'not reached' "$tmp/again.log"; then fail "web1 was begun" "$(cat "$tmp/again.log")"; else ok; fi

    note "its agent is back: the run goes on"
    agent db1
    db1=$pid
    pid=$driver
    ends again
    web1_ends again 'not reached'

    note "a rollout that does not care goes on, and its plan says so"
    die "$db1"
    await 30 counts db1
    run tagout plan "$tmp/bold.yaml"
    expect_out "hosts whose agents are gone don't count as down"
    expect_no_out 'whose agent is gone'
    drive bold
    ends bold

    note "a host that has no agent any more is forgotten; one that has is not"
    run tagout agent --forget web2.example.com
    expect_status 75
    expect_err 'web2.example.com has an agent, and it is there'
    run tagout agent --forget 'db[1-2].example.com'
    expect_status 0
    expect_out 'db1.example.com is forgotten'
    expect_out 'db2.example.com was not known to have an agent'
    await 30 up_again db1
    run tagout log host:db1.example.com
    expect_match 'alice@ops1 forgot the agent of +host:db1.example.com: it has no agent any more'

    note "a host that is down does not hold up its own start, but its neighbour's"
    die "$web2"
    await 30 counts web2
    drive both
    ends both
    grep -q 'web2.example.com *is down: its agent is gone' "$tmp/both.log" || fail "it is said that web2 is down" "$(cat "$tmp/both.log")"
    grep -q 'web2.example.com *not reached' "$tmp/both.log" || fail "web2 is tried" "$(cat "$tmp/both.log")"
    if grep -q 'web1.example.com *not reached' "$tmp/both.log"; then fail "web1 was begun beside web2" "$(cat "$tmp/both.log")"; else ok; fi
    run tagout locks
    expect_out 'Nothing is locked'
}

note "the embedded store"
url=local:$tmp/store.db
all

command -v java >/dev/null || exit 0
note "ZooKeeper"
zk=$tmp/zk
at_exit zk_kill "$zk"
zk_start "$zk"
url=$(zk_url "$zk")/tagout
rm -rf "$tmp"/state-*
all
