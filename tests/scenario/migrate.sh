#!/usr/bin/env bash
# P1, P2, P3: the tree moves from one ZooKeeper to another while actors and lockers run, whose TAGOUT_STORE is switched one after the
# other, one early and one late; each step of the move is killed with -9 and called again; one move is taken back; a target loses its data;
# at last the old source comes back from a backup, and so does an old copy of the target. At no moment: an actor's command beside a
# locker's, or a GO for what is locked all the while.
# shellcheck disable=SC2154,SC2016 # status, out, err, pid, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/zookeeper
. "$TAGOUT_SOURCE/tests/lib/zookeeper"
need java

seed=${MIGRATE_SEED:-$RANDOM}
note "MIGRATE_SEED=$seed"
RANDOM=$seed
mkdir "$tmp/flags"
echo "session: 2s" >"$tmp/tagout.yaml"
: >"$tmp/violations"
export tmp

tagout_at() { # HOST COMMAND…: as a process of that host, with the store that is configured there now
    local host=$1
    shift
    TAGOUT_STORE=$(<"$tmp/store.$host") TAGOUT_STATE_DIR=$tmp/state.$host "$TAGOUT" --config "$tmp/tagout.yaml" "$@"
}
switch() { # HOST URL
    mkdir -p "$tmp/state.$1"
    echo "$2" >"$tmp/store.$1.new"
    mv "$tmp/store.$1.new" "$tmp/store.$1"
}
mover() { tagout_at ops migrate "$@" --from "$source" --to "$target"; }

# ---- who runs all the while

# Who acts, or holds the lock, has a file locked by its own process: the kernel takes the lock off in the moment in which that ends, however it
# ends, so none is stale; what it starts does not inherit it. Whoever comes second meets who is there.
cat >"$tmp/beside" <<'BESIDE'
kind=$1 other=$2 name=$3
exec 8>>"$tmp/flags/$kind.$name"
flock -x 8
for f in "$tmp/flags/$other".*; do
    [ ! -e "$f" ] || flock -s -n "$f" true 8>&- || echo "$(date -u +%T.%3N) $name, $kind, beside ${f##*/}: $(tr '\0' ' ' </proc/$PPID/cmdline)" >>"$tmp/violations"
done
sleep "0.0$((RANDOM % 5))" 8>&-
BESIDE
(
    exec 8>>"$tmp/flags/locked.nobody"
    flock -x 8
    bash "$tmp/beside" acting locked nobody 8>&-
)
expect_file_has "$tmp/violations" "nobody, acting, beside locked.nobody" # it sees what it is there to see
: >"$tmp/violations"
act() { # HOST
    while [ ! -e "$tmp/stop" ]; do
        tagout_at "$1" exec --actor autoscaler service:app -- bash "$tmp/beside" acting locked "$1" 2>>"$tmp/log.$1" && echo well || echo "status $?"
    done >"$tmp/did.$1"
}
hold() { # HOST
    while [ ! -e "$tmp/stop" ]; do
        # one whose release falls into the freeze stays, at the target as well: here it ends by itself, well behind its command
        tagout_at "$1" lock service:app --for 20s --release-at-expiry --reason "work of $1" -- bash "$tmp/beside" locked acting "$1" 2>>"$tmp/log.$1" && echo well || echo "status $?"
        sleep 0.1
    done >"$tmp/did.$1"
}
# What is locked from the first to the last moment is asked about on both sides, by hosts that follow, are early, or are late.
watch() { # HOST
    local side rc
    while [ ! -e "$tmp/stop" ]; do
        for side in "$source" "$target" "$(<"$tmp/store.$1")"; do
            rc=0
            tagout_at "$1" check --timeout 10s --store "$side" --actor autoscaler service:db >/dev/null 2>>"$tmp/log.$1" || rc=$?
            [ $rc != 0 ] || echo "$1 was told GO for service:db at $side" >>"$tmp/violations"
            echo "$rc"
        done
    done >"$tmp/did.$1"
}
did() { [ "$(grep -c ^well "$tmp/did.$1")" -gt "$2" ]; } # HOST COUNT
more() { # HOST: it does something from here on
    local n
    n=$(grep -c ^well "$tmp/did.$1" || true)
    await 60 did "$1" "$n"
}

# ---- killing who moves

# Calls the step and kills it some times at random moments, as in lib.sh: mortal; then once more to its end.
killed() { # STEP
    local i mover_pid
    for i in 1 2; do
        ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 mover "$1" >"$tmp/killed.$1.$i" 2>&1 &
        mover_pid=$!
        sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
        kill -KILL "$(sed 1q < <(pgrep -P "$mover_pid"))" 2>/dev/null || kill -KILL "$mover_pid" 2>/dev/null || true
        wait "$mover_pid" 2>/dev/null || true
    done
    run mover "$1"
    if [ "$1" = complete ] || [ "$1" = back ] || [ "$status" = 0 ]; then expect_status 0; else expect_match "next: tagout migrate|Next:"; fi
}

a=$tmp/a b=$tmp/b
at_exit zk_kill "$a"
at_exit zk_kill "$b"
zk_start "$a"
zk_start "$b"
source=$(zk_url "$a")/tagout target=$(zk_url "$b")/tagout
for host in ops act1 act2 act3 hold1 hold2 watch1; do switch "$host" "$source"; done
run tagout_at ops init
expect_status 0
run tagout_at ops lock service:db --for 3h --reason "held all the while"
expect_status 0
for host in act1 act2 act3; do act "$host" & at_exit stop $!; done
for host in hold1 hold2; do hold "$host" & at_exit stop $!; done
watch watch1 & at_exit stop $!
at_exit touch "$tmp/stop"
for host in act1 act2 act3 hold1 hold2; do more "$host"; done

note "a move that is taken back: the source serves as before, the target is refused"
run mover begin
expect_status 0
killed copy
killed back
run mover back
expect_status 0
run tagout_at act1 check --store "$target" --actor autoscaler service:free
expect_status 69
expect_err "cause=retired"
expect_err "point the configuration at $source"
more act1

note "a target that loses its data is noticed, and begun anew"
run mover begin
expect_status 0
run mover copy
expect_status 0
zk_stop "$b"
rm -rf "$b/data"
zk_start "$b"
run tagout_at act1 check --store "$target" --timeout 10s --actor autoscaler service:free
expect_status 69
run mover verify
expect_status 69
expect_err "tagout migrate begin --to"
more act2

note "the move: killed at each step, hosts switched early, meanwhile and late"
killed begin
switch act1 "$target" # early
killed copy
run mover copy
killed verify
run mover verify
expect_status 0
switch hold1 "$target"
expect_true "nobody is let through by a target that is not live" bash -c "! grep -q ^well <(tail -1 $tmp/did.act1)"
cp -a "$a/data" "$tmp/a-old"
killed complete
run mover complete
expect_status 0
run mover status -o json
expect_out '"state": "retired"'
expect_out '"state": "live"'
more act1
more hold1
switch act2 "$target"
switch hold2 "$target"
switch watch1 "$target"
more act2
more hold2
run tagout_at act3 check --actor autoscaler service:free # late
expect_status 69
expect_err "cause=retired"
expect_err "point the configuration at $target"
switch act3 "$target"
more act3
run mover back
expect_status 64
touch "$tmp/stop"
wait

run tagout_at act1 check --actor autoscaler service:db
expect_status 75
expect_equal "$(cat "$tmp/violations")" "" "violations"
for host in act1 act2 act3 hold1 hold2; do
    grep -m3 -F "stopped" "$tmp/log.$host" || true
    printf '     %-6s %4s done, %s not\n' "$host" "$(grep -c ^well "$tmp/did.$host")" "$(grep -c ^status "$tmp/did.$host" || true)"
done
expect_true "what was asked about was held or unknown" bash -c "! grep -qvE '^(75|69)$' $tmp/did.watch1"

note "the old source comes back from a backup that says it is live: refused by all who saw the move"
zk_stop "$a"
rm -rf "$a/data"
cp -a "$tmp/a-old" "$a/data"
zk_start "$a"
for host in act1 act3 hold2 watch1; do
    run tagout_at "$host" check --store "$source" --timeout 10s --actor autoscaler service:free
    expect_status 69
    expect_match 'cause=(generation-older|older-than-seen)'
done

note "an old copy of the target, from before a lock"
zk_stop "$b"
cp -a "$b/data" "$tmp/b-old"
zk_start "$b"
run tagout_at act1 lock service:late --for 1h --reason "after the copy"
expect_status 0
run tagout_at act1 check --timeout 10s --actor autoscaler service:late
expect_status 75
zk_stop "$b"
rm -rf "$b/data"
cp -a "$tmp/b-old" "$b/data"
zk_start "$b"
run tagout_at act1 check --timeout 10s --actor autoscaler service:late
expect_status 69
expect_err "cause=older-than-seen"
