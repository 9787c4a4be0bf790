#!/usr/bin/env bash
# P2, P5: the store goes away while windows open and close. Nothing starts outside of a window, nor in one that came and went meanwhile; the run goes on by itself, or with one
# command, when the store is back. On the embedded store, which somebody keeps locked, and on ZooKeeper, stopped.
# shellcheck disable=SC2154,SC2317 # status, out, err, pid, tmp come from lib.sh; functions are called by name
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/zookeeper
. "$TAGOUT_SOURCE/tests/lib/zookeeper"
need python3

stores=(local)
! { command -v java >/dev/null && [ -e /usr/share/java/zookeeper.jar ]; } || stores+=(zk)
port=$(free_port)
: >"$tmp/known_hosts"
printf 'defaults: {user: nobody, port: %s}\nhosts: {n1: {address: 127.0.0.1}, n2: {address: 127.0.0.1}}\n' "$port" >"$tmp/fleet.yaml"
printf '%s\n' 'rollout: patch' 'change: {puppet: {}}' 'targets: "*"' 'stages: [{name: all}]' 'limits: {running: 2}' 'failure: {failed: 100%}' 'estimate: 1s' >"$tmp/patch.yaml"
site() { # STORE URL
    cat >"$tmp/$1.yaml" <<TEXT
store: $2
inventory: $tmp/fleet.yaml
calendar: $tmp/$1-calendar.yaml
state-dir: $tmp/state-$1
owner: alice@ops1
session: 4s
ssh: {known-hosts: $tmp/known_hosts, config: none}
TEXT
    "$TAGOUT" --config "$tmp/$1.yaml" init >/dev/null
}
site local "local:$tmp/store.db"
if [ "${#stores[@]}" = 2 ]; then
    zk_start "$tmp/zk"
    at_exit zk_kill "$tmp/zk"
    site zk "$(zk_url "$tmp/zk")/tagout"
fi
t() { "$TAGOUT" --config "$tmp/$1.yaml" "${@:2}"; } # STORE COMMAND…
window() { # NAME HOST FROM LENGTH: Unix time, duration
    printf '  %s: {for: "%s", zone: UTC, start: "%s", duration: %s}\n' "$1" "$2" "$(date -u -d "@$3" '+%Y-%m-%d %H:%M:%S')" "$4"
}
each() { # COMMAND: for every store
    local s
    for s in "${stores[@]}"; do "$1" "$s"; done
}
now() { date +%s; }
past() { [ "$(now)" -gt "$1" ]; } # Unix time
tried() { grep -q "$2 .*not reached" "$tmp/run-$1.log"; } # STORE HOST

declare -A driver id holder closes
note "a run waits for its windows"
begin() { # STORE
    local at
    at=$(($(now) + 3600))
    printf 'windows:\n%s\n%s\n' "$(window one n1 "$at" 10m)" "$(window two n2 "$at" 10m)" >"$tmp/$1-calendar.yaml"
    start "run-$1" "$TAGOUT" --config "$tmp/$1.yaml" run --yes "$tmp/patch.yaml"
    driver[$1]=$pid
    await 30 grep -q 'window two of n2' "$tmp/run-$1.log"
    id[$1]=$(head -1 "$tmp/run-$1.log")
}
each begin

note "its store goes away, a window opens, and closes"
away() { # STORE
    local soon
    if [ "$1" = zk ]; then
        zk_stop "$tmp/zk"
    else
        start "hold-$1" python3 -u -c '
import sqlite3, sys, time
c = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
c.execute("begin exclusive")
print("held", flush=True)
time.sleep(600)' "$tmp/store.db"
        holder[$1]=$pid
        await 30 grep -q held "$tmp/hold-$1.log"
    fi
    soon=$(($(now) + 2))
    closes[$1]=$((soon + 8))
    { printf 'windows:\n%s\n%s\n' "$(window one n1 $soon 8s)" "$(window two n2 $((soon + 3600)) 10m)"; } >"$tmp/$1.new"
    mv "$tmp/$1.new" "$tmp/$1-calendar.yaml"
}
each away
missed() { # STORE
    await 20 past "${closes[$1]}"
    if tried "$1" n1; then fail "n1 was begun while the store was away" "$(cat "$tmp/run-$1.log")"; else ok; fi
}
each missed

note "the store is back: what came and went is over, and what opens now is open"
back() { # STORE
    if [ "$1" = zk ]; then zk_start "$tmp/zk"; else stop "${holder[$1]}"; fi
    if ! kill -0 "${driver[$1]}" 2>/dev/null; then
        note "the driver of $1 has left: $(tail -1 "$tmp/run-$1.log")"
        at_rest() { t "$1" status "${id[$1]}" >/dev/null 2>&1; }
        await 30 at_rest "$1"
        cp "$tmp/run-$1.log" "$tmp/run-$1.first"
        start "run-$1" "$TAGOUT" --config "$tmp/$1.yaml" run --resume "${id[$1]}"
        driver[$1]=$pid
    fi
    shows() { grep -q 'opens' < <(t "$1" status "${id[$1]}"); }
    await 40 shows "$1"
    if tried "$1" n1; then fail "n1 was begun when its window was over" "$(cat "$tmp/run-$1.log")"; else ok; fi
    printf 'windows:\n%s\n%s\n' "$(window one n1 $(($(now) - 5)) 10m)" "$(window two n2 $(($(now) + 3600)) 10m)" >"$tmp/$1.new"
    mv "$tmp/$1.new" "$tmp/$1-calendar.yaml"
    await 40 tried "$1" n1
    if tried "$1" n2; then fail "n2 was begun outside of its window" "$(cat "$tmp/run-$1.log")"; else ok; fi
    t "$1" abort "${id[$1]}" --reason enough >/dev/null
    gone() { ! kill -0 "$1" 2>/dev/null; }
    await 40 gone "${driver[$1]}"
    run t "$1" locks
    expect_no_out 'host:n'
}
each back
