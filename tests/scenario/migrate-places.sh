#!/usr/bin/env bash
# P2: places that are no target (the source by another name, a place inside of it, one with another tree), one that is (another chroot of the same
# server), a target whose disk is full, two who begin or end a move at once, and a configuration that names the old store for days.
# shellcheck disable=SC2154 # status, out, err, pid, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/zookeeper
. "$TAGOUT_SOURCE/tests/lib/zookeeper"
need java

echo "session: 2s" >"$tmp/tagout.yaml"
export TAGOUT_STATE_DIR=$tmp/state
mkdir "$TAGOUT_STATE_DIR"
t() { # URL COMMAND…: as one whose configuration names this store
    TAGOUT_STORE=$1 "$TAGOUT" --config "$tmp/tagout.yaml" "${@:2}"
}
goes() { # URL: it serves, and whoever asks about what is free gets a GO
    run t "$1" check --timeout 10s --actor autoscaler service:free
    expect_status 0
    run t "$1" check --timeout 10s --actor autoscaler service:db
    expect_status 75
}

zk_start "$tmp/zk"
at_exit zk_kill "$tmp/zk"
zk=$(zk_url "$tmp/zk")
source=$zk/tagout
run t "$source" init
expect_status 0
run t "$source" lock service:db --for 3h --reason "held all the while"
expect_status 0

note "places that are no target"
run t "$source" migrate begin --to "zk://localhost:$(zk_port "$tmp/zk")/tagout"
expect_status 1
expect_err "the source itself"
for place in "$source/locks/new" "zk://localhost:$(zk_port "$tmp/zk")/tagout/x"; do
    run t "$source" migrate begin --to "$place"
    expect_status 64
    expect_err "lies inside of the source's"
done
run t "local:$tmp/other.db" init
run t "$source" migrate begin --to "local:$tmp/other.db"
expect_status 1
expect_match "cluster [0-9a-f]{8} is there"
goes "$source"

note "two who begin at once, to different places: one of them"
t "$source" migrate begin --to "local:$tmp/b1.db" >"$tmp/begin.1" 2>&1 &
first=$!
second=0
t "$source" migrate begin --to "local:$tmp/b2.db" >"$tmp/begin.2" 2>&1 || second=$?
status=0
wait $first || status=$?
expect_equal "$((status < second ? status : second)) $((status < second ? second : status))" "0 75" "one begins ($(cat "$tmp"/begin.*))"
target=local:$tmp/b1.db
[ "$status" = 0 ] || target=local:$tmp/b2.db

note "one copies and one takes it back at once: whatever was first, the source serves and the target does not"
t "$source" migrate copy >"$tmp/copy" 2>&1 &
first=$!
run t "$source" migrate back
wait $first || true
run t "$source" migrate back
expect_status 0
goes "$source"
run t "$target" check --timeout 10s --actor autoscaler service:free
expect_status 69
expect_match "cause=retired"

note "a target whose disk is full"
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    run t "$source" lock "service:s$i" --for 1h --reason "$(printf 'r%.0s' {1..400})"
    expect_status 0
done
target=local:$tmp/full.db
run t "$source" migrate begin --to "$target"
expect_status 0
run bash -c "trap '' XFSZ; ulimit -f 40; TAGOUT_STORE=$source '$TAGOUT' --config '$tmp/tagout.yaml' migrate copy"
expect_true "copy does not say that it is done: $(got)" test "$status" != 0
expect_err "copying to $target"
expect_err "the source serves as before"
goes "$source"
run t "$target" check --timeout 10s --actor autoscaler service:free
expect_status 69
run t "$source" migrate copy # there is room again
expect_status 0
run t "$source" migrate verify
expect_status 0
run t "$source" migrate back
expect_status 0

note "another chroot of the same server"
target=$zk/tagout2
for step in begin copy verify complete; do
    run t "$source" migrate "$step" --to "$target"
    expect_status 0
done
goes "$target"

note "the old address, for days"
for _ in 1 2; do
    run t "$source" check --timeout 10s --actor autoscaler service:free
    expect_status 69
    expect_err "cause=retired"
    expect_err "point the configuration at $target"
    run t "$source" exec --actor autoscaler service:free -- touch "$tmp/acted"
    expect_status 69
    run t "$source" lock service:late --for 1h --reason never
    expect_status 69
    run t "$source" doctor
    expect_match "retired"
done
run t "$source" migrate back
expect_status 64
run t "$source" migrate begin --to "local:$tmp/b3.db"
expect_status 64
expect_true "nobody acted" test ! -e "$tmp/acted"
zk_stop "$tmp/zk" # the old ensemble is gone at last
run t "$source" check --timeout 3s --actor autoscaler --on-unknown last-known service:free
expect_status 69
