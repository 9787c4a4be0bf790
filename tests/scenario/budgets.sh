#!/usr/bin/env bash
# Budgets: however many actors ask at once, no more than the budget may act; what an old copy of the store has forgotten the machine
# has not; the brake stops who sees too few; a lock taker is not kept waiting by who waits for a budget. On both stores. And --on-lost.
. "$(dirname "$0")/lib.sh"
. "$TAGOUT_SOURCE/tests/lib/zookeeper"
need java sqlite3

config() { # NAME URL
    mkdir -p "$tmp/$1.state"
    printf 'store: %s\nstate-dir: %s\ninventory: %s\nsession: 4s\n' "$2" "$tmp/$1.state" "$tmp/hosts.yaml" >"$tmp/$1.yaml"
    tagout=("$TAGOUT" --config "$tmp/$1.yaml")
}
printf 'groups:\n  web: {hosts: "web[01-40].example.com"}\n' >"$tmp/hosts.yaml"
scale() { "${tagout[@]}" exec --actor autoscaler service:autoscaler "$@"; }

racing() { # COUNT: as many at once; how many acted
    local i pids=()
    rm -f "$tmp/acted"
    for ((i = 0; i < $1; i++)); do
        scale --budget web-removals=1 -- sh -c 'echo acted >>"$1"' sh "$tmp/acted" 2>>"$tmp/racing" &
        pids+=($!)
    done
    wait "${pids[@]}" 2>/dev/null || true
    expect_equal "$(wc -l <"$tmp/acted")" 5 "of $1 at once acted"
}

one_store() {
    note "$1"
    run "${tagout[@]}" init
    expect_status 0
    run "${tagout[@]}" budget set web-removals --at-most 5 --of group:web --per 1h
    expect_status 0
    run "${tagout[@]}" budget set web-removal --at-most 5x --of group:web --per 1h
    expect_status 64
    run "${tagout[@]}" budget set web-removal --at-most 5 --of group:wbe --per 1h
    expect_status 64
    expect_err 'web'
    racing 12
    run scale --budget web-removals=1 -- echo acted
    expect_status 75
    expect_err "TAGOUT-HELD budget=web-removals scope=group:web asked=1 used=5 limit=5"
    expect_no_out acted
    run "${tagout[@]}" budget list
    expect_out "5 of 5"
    run scale --on-held quiet --budget web-removals=1 -- echo acted
    expect_status 75
    expect_equal "$out$err" "" "what a quiet one says of a spent budget"

    note "a share says what it is now; of a host there is none"
    run "${tagout[@]}" budget set small --at-most 0.1% --of group:web --per 1h
    expect_status 0
    expect_match 'That is 0 of the [0-9]+ that the inventory has now'
    expect_err "everything that counts for it is refused"
    run "${tagout[@]}" budget set small --at-most 50% --of group:web --per 1h
    expect_status 0
    expect_match 'That is [1-9][0-9]* of the'
    expect_equal "$err" "" "warnings of a share that is some"
    run "${tagout[@]}" budget set of-one --at-most 50% --of host:web1.example.com --per 1h
    expect_status 64
    expect_err "is one member"
    for name in small of-one; do run "${tagout[@]}" budget remove "$name" --reason "a test"; done
    run scale --budget web-removals=0 -- echo acted
    expect_status 64
    expect_err "web-removals=0 would charge nothing"
    run scale --budget web-removal=1 -- echo acted
    expect_status 64
    expect_err 'did you mean "web-removals"?'

    note "a command that can't be started is not charged"
    run "${tagout[@]}" budget reset web-removals --charges --reason "a test begins"
    expect_status 0
    touch "$tmp/no-program"
    chmod +x "$tmp/no-program"
    printf '\177ELF nonsense' >"$tmp/no-program"
    run scale --budget web-removals=5 -- "$tmp/no-program"
    expect_true "it was not started" test "$status" -ne 0
    run scale --budget web-removals=5 -- echo acted
    expect_out acted

    note "who waits for a budget keeps no lock waiting"
    scale --budget web-removals=1 --wait 60s -- echo waited >"$tmp/waiter" 2>&1 &
    waiter=$!
    await 20 grep -q TAGOUT-HELD "$tmp/waiter"
    run "${tagout[@]}" lock service:autoscaler --for 1h --reason "work" --wait 20s
    expect_status 0
    kill "$waiter"
    wait "$waiter" || true
    run "${tagout[@]}" unlock "$(grep -o 'Locked  [A-Z0-9]*' <<<"$out" | cut -c9-)"
    expect_status 0

    note "the brake"
    run "${tagout[@]}" budget set braked --at-most 10% --of group:web --per 1s --brake 20% --for autoscaler
    expect_status 0
    run "${tagout[@]}" budget set braked2 --at-most 10% --of group:web --per 1s --brake 5%
    expect_status 64
    run "${tagout[@]}" exec --actor autoscaler host:web01.example.com -- true
    expect_status 0
    run "${tagout[@]}" exec --actor autoscaler host:web01.example.com --members 12 -- echo acted
    expect_status 69
    expect_err 'cause=picture-shrank detail="group:web had 39 members and the asker sees 12'
    expect_err 'tagout budget reset braked --picture'
    seq -f 'web%02g.example.com' 1 40 >"$tmp/members"
    run "${tagout[@]}" exec --actor autoscaler --wait 20s host:web01.example.com --members "@$tmp/members" -- echo acted
    expect_out acted
    printf 'web01.example.com\nno such host!\n' >"$tmp/members"
    run "${tagout[@]}" exec --actor autoscaler host:web01.example.com --members "@$tmp/members" -- echo acted
    expect_status 65
    expect_err "$tmp/members:2:"
    run "${tagout[@]}" budget remove braked --reason "the test ends"
    expect_status 0
    run "${tagout[@]}" log -n 1
    expect_out " removed budget braked group:web: the test ends"
    run "${tagout[@]}" budget lst
    expect_status 64
    expect_err 'there is no command "budget lst"'
    expect_err "tagout budget list, "
}

config local "local:$tmp/store.db"
one_store "the embedded store"

note "an old copy has forgotten the charges, this machine has not"
run "${tagout[@]}" budget reset web-removals --charges --reason "a test begins"
sqlite3 "$tmp/store.db" ".backup $tmp/old.db"
run scale --budget web-removals=5 -- echo acted
expect_out acted
rm -f "$tmp"/store.db "$tmp"/store.db-*
cp "$tmp/old.db" "$tmp/store.db"
run scale --budget web-removals=1 -- echo acted
expect_status 75
expect_err "used=5 limit=5"
ledger=$(ls "$tmp"/local.state/budgets/*-web-removals.json)
printf nonsense >"$ledger"
run scale --budget web-removals=1 -- echo acted
expect_status 69
expect_err "cause=bad-ledger"
expect_err "$ledger"

zk_start "$tmp/zk" >/dev/null
config zk "$(zk_url "$tmp/zk")/tagout"
one_store ZooKeeper

note "--on-lost warn: the command goes on, and that is said; --on-lost stop: it does not"
mkfifo "$tmp/fifo"
exec 7<>"$tmp/fifo"
"${tagout[@]}" exec --actor autoscaler --on-lost warn service:a -- sh -c 'echo begun; read -r line; echo "ended $line"' <"$tmp/fifo" 7>&- >"$tmp/warn" 2>&1 &
warned=$!
"${tagout[@]}" exec --actor autoscaler service:b -- sh -c 'echo begun; sleep 300' >"$tmp/stop" 2>&1 &
stopped=$!
await 20 grep -q begun "$tmp/warn"
await 20 grep -q begun "$tmp/stop"
zk_kill "$tmp/zk"
await 30 grep -q "TAGOUT-LOST .*the command was stopped" "$tmp/stop"
await 30 grep -q "TAGOUT-LOST .*goes on without a permit" "$tmp/warn"
wait "$stopped" && status=0 || status=$?
expect_true "the status tells that it was stopped: $status" test "$status" -ne 0
echo well >&7
exec 7>&-
wait "$warned" && status=0 || status=$?
expect_equal "$status" 0 "the status of the command that went on"
expect_file_has "$tmp/warn" "ended well"
expect_equal "$(grep -c TAGOUT-LOST "$tmp/warn")" 1 "times that it was said"
