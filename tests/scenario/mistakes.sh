#!/usr/bin/env bash
# What people and programs get wrong at the command line: each is said at once, with what to do instead, in JSON to who reads JSON; and P12: what was printed
# but could not be written is not done.
. "$(dirname "$0")/lib.sh"

port=$(free_port)
printf '%s\n' "defaults: {user: nobody, port: $port, attrs: {}}" 'groups: {all: {hosts: "n[1-3].example.com"}}' \
    'hosts: {n1.example.com: {address: 127.0.0.1}, n2.example.com: {address: 127.0.0.1}, n3.example.com: {address: 127.0.0.1}}' >"$tmp/inventory.yaml"
: >"$tmp/known_hosts"
printf '%s\n' "store: local:$tmp/store.db" "inventory: $tmp/inventory.yaml" "state-dir: $tmp/state" "owner: alice@ops1" \
    "ssh: {known-hosts: $tmp/known_hosts, config: none}" >"$tmp/site.yaml"
rollout() { printf '%s\n' "rollout: $1" 'change: {puppet: {}}' 'targets: "*"' "stages: [{name: all, until: 100%, $2}]" 'rollback: {puppet: {environment: old}}'; }
rollout away 'rate: 1/s' >"$tmp/away.yaml"
# Leaks of run are looked for in run-ssh: the leak checker itself dies when a thread of the process is just beginning or ending.
tagout() { ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 "$TAGOUT" --config "$tmp/site.yaml" "$@"; }
tagout init >/dev/null

note "P12: what could not be written is not done, however much of it"
printf '%s\n' 'groups: {all: {hosts: "h[00001-20000].example.com"}}' >"$tmp/many.yaml"
to_full() { # COMMAND…: its stdout is a disk without room
    status=0 out=
    "$@" >/dev/full 2>"$tmp/.err" || status=$?
    err=$(<"$tmp/.err")
}
for command in locks status "status -o json" log doctor --help --version "completion bash" "plan $tmp/away.yaml" "hosts --expand * --inventory $tmp/many.yaml" \
    "simulate $tmp/away.yaml" "shard a"; do
    set -f
    # shellcheck disable=SC2086 # words
    to_full tagout $command
    set +f
    expect_status 1
    expect_err 'the output could not be written'
done
into_nobody() { # COMMAND…: who reads its stdout is gone
    status=0 out=
    mkfifo "$tmp/pipe"
    exec 7<>"$tmp/pipe"
    exec 8>"$tmp/pipe"
    exec 7<&-
    "$@" >&8 2>"$tmp/.err" 8>&- || status=$?
    exec 8>&-
    rm "$tmp/pipe"
    err=$(<"$tmp/.err")
}
into_nobody tagout completion bash
expect_status 141
expect_equal "$err" "" "what is said to who reads no more"
into_nobody tagout locks --watch
expect_status 141
run tagout lock host:n1.example.com --for 1h --reason x
lock=$(awk '{print $2; exit}' <<<"$out")
into_nobody tagout check -o json --actor x host:n1.example.com
expect_status 75
tagout unlock "$lock" >/dev/null

note "a picture that can't be written is refused before anything is simulated"
run tagout simulate "$tmp/away.yaml" --svg /nonexistent/x.svg
expect_status 64
expect_err 'there is no folder /nonexistent'
expect_no_out digest
run tagout simulate "$tmp/away.yaml" --svg "$tmp"
expect_status 64

note "who asks for JSON gets it, also of a command line that makes no sense"
usage() { # TEXT ARGUMENT…
    local text=$1
    shift
    run tagout "$@"
    expect_status 64
    expect_equal "$(jq -r '.error.code, .error.exit' <<<"$err" | tr '\n' ' ')" "usage 64 " "$*"
    expect_err "$text"
}
if command -v jq >/dev/null; then
    usage 'something is missing' -o json lock
    usage '--nope' --nope --output json
    usage 'no command' -o json
    usage 'frobnicate' frobnicate --output=json
    usage 'one argument too many' status a b -ojson
fi
run tagout -o text lock -- -o json
expect_status 64
expect_err 'tagout: something is missing'

note "what is no run is no run, wherever it is typed"
long=$(printf 'a%.0s' {1..300})
for id in 'x/../y' '' "$long" '..' '-x' 'A' 'a b'; do
    for command in status pause abort resume rollback approve "run --resume" "status --watch"; do
        # shellcheck disable=SC2086 # words
        run tagout $command "$id"
        expect_status 64
    done
done
run tagout status 'x/../y'
expect_status 64
expect_err '"x/../y" is no run'
run tagout status no-such-run
expect_status 1

note "a scope that does not exist is not paused"
run tagout resume group:nope
expect_status 64
expect_err 'nope'
run tagout resume service:db
expect_status 64
run tagout resume group:all
expect_status 0
expect_out 'was not paused'

note "P10: of a run that nobody drives, each hint leads one step on"
tagout pause fleet --reason "wait" >/dev/null
start driver "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/away.yaml"
await 20 grep -q . "$tmp/driver.log"
id=$(head -n 1 "$tmp/driver.log")
held() { tagout status "$id" | grep 'paused by' >/dev/null; }
await 20 held
kill -TERM "$pid"
wait "$pid" || true
tagout resume fleet >/dev/null
tagout pause "$id" >/dev/null
run tagout rollback "$id"
expect_status 1
expect_err "nobody drives it; to stop it for good: tagout abort $id, then tagout run --resume $id"
run tagout abort "$id"
expect_out "tagout run --resume $id"
run tagout resume "$id"
expect_status 1
expect_err "to end it, and to undo and unlock what it may have left: tagout run --resume $id"
run tagout rollback "$id"
expect_err "it is aborted, and nobody drives it; to end it, and to undo and unlock what it may have left: tagout run --resume $id"
run tagout run --resume "$id"
expect_out 'ABORTED'
run tagout rollback "$id"
expect_err 'nothing'
run tagout approve "$id"
expect_status 1
expect_err "run $id has ended, aborted: nothing is left to approve"
