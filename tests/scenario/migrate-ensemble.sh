#!/usr/bin/env bash
# P1, P2, P3: the tree moves from one ensemble of three ZooKeepers to another, each with a password of its own, while actors charge a budget, lockers lock
# and an agent answers its host. The leader of the target is killed in the middle of copy, both leaders behind the freeze of complete. What was charged is
# there once; what holds a secret is as closed at the target as at the source; who has not its password can read there, and nothing else.
# shellcheck disable=SC2154,SC2016 # status, out, err, pid, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/zookeeper
. "$TAGOUT_SOURCE/tests/lib/zookeeper"
need java flock

mkdir "$tmp/flags"
: >"$tmp/violations"
echo ops:alpha >"$tmp/auth.a"
echo ops:beta >"$tmp/auth.b"
chmod 600 "$tmp"/auth.?
export tmp

at() { # HOST COMMAND…: as a process of that host, with the side that is configured there now
    local host=$1
    shift
    TAGOUT_STATE_DIR=$tmp/state.$host "$TAGOUT" --config "$tmp/$(<"$tmp/side.$host").yaml" "$@"
}
switch() { # HOST a|b
    mkdir -p "$tmp/state.$1"
    echo "$2" >"$tmp/side.$1.new"
    mv "$tmp/side.$1.new" "$tmp/side.$1"
}
mover() { at ops migrate "$@" --from "$source" --to "$target" --from-auth "$tmp/auth.a" --to-auth "$tmp/auth.b"; }
# Commands of ZooKeeper's own shell in one session, from stdin. Its status is that of the last one; what counts is what they print.
zk_shell() { # DIR
    java -Xmx64m -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error \
        -cp /usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar org.apache.zookeeper.ZooKeeperMain -server "127.0.0.1:$(cat "$1/port")" 2>&1 || true
}
leader_of() { # DIR
    local i
    for i in 1 2 3; do
        if [ "$(zk_mode "$1/$i" 2>/dev/null)" = leader ]; then
            echo "$1/$i"
            return 0
        fi
    done
    return 1
}

# See migrate.sh: a file that is locked by its own process.
cat >"$tmp/beside" <<'BESIDE'
kind=$1 other=$2 name=$3
exec 8>>"$tmp/flags/$kind.$name"
flock -x 8
for f in "$tmp/flags/$other".*; do
    [ ! -e "$f" ] || flock -s -n "$f" true 8>&- || echo "$name, $kind, beside ${f##*/}" >>"$tmp/violations"
done
sleep "0.0$((RANDOM % 5))" 8>&-
BESIDE
act() { # HOST
    while [ ! -e "$tmp/stop" ]; do
        at "$1" exec --actor autoscaler --budget scale=1 service:app -- bash "$tmp/beside" acting locked "$1" 2>>"$tmp/log.$1" && echo well || echo "status $?"
    done >"$tmp/did.$1"
}
hold() { # HOST
    while [ ! -e "$tmp/stop" ]; do
        at "$1" lock service:app --for 30s --release-at-expiry --reason "work of $1" -- bash "$tmp/beside" locked acting "$1" 2>>"$tmp/log.$1" && echo well || echo "status $?"
        sleep 0.3
    done >"$tmp/did.$1"
}
well() { grep -c ^well "$tmp/did.$1" || true; }
did() { [ "$(well "$1")" -gt "$2" ]; } # HOST COUNT
more() { await 60 did "$1" "$(well "$1")"; } # HOST: it does something from here on

at_exit zk_kill_all
zk_kill_all() { local i; for i in a/1 a/2 a/3 b/1 b/2 b/3; do [ ! -e "$tmp/$i" ] || zk_kill "$tmp/$i"; done; }
zk_ensemble "$tmp/a"
zk_ensemble "$tmp/b"
source=$(zk_urls "$tmp/a")/tagout target=$(zk_urls "$tmp/b")/tagout
for side in a b; do
    url=$source
    [ $side = a ] || url=$target
    printf 'store: %s\nstore-auth: %s\nsession: 6s\nagent-socket: %s\n' "$url" "$tmp/auth.$side" "$tmp/agent.sock" >"$tmp/$side.yaml"
    printf 'store: %s\nsession: 6s\n' "$url" >"$tmp/open-$side.yaml" # who has no password
done
printf 'store: %s\nsession: 6s\nstore-auth: %s\n' "$target" "$tmp/auth.a" >"$tmp/wrong-b.yaml"
for host in ops act1 act2 hold1; do switch $host a; done
switch late a
switch open open-a

run at ops init
expect_status 0
run at ops lock service:db --for 3h --reason "held all the while"
expect_status 0
run at ops budget set scale --at-most 100000 --of fleet --per 3h
expect_status 0
# as a run leaves it that may be resumed (engine/journal_make.c)
zk_shell "$tmp/a/1" >"$tmp/.made" <<'ZK'
addauth digest ops:alpha
create /tagout/runs/r1 {} auth::cdrwa,world:anyone:r
create /tagout/runs/r1/token secret auth::cdrwa
ZK
expect_file_has "$tmp/.made" "Created /tagout/runs/r1/token"
for host in act1 act2; do act $host & at_exit stop $!; done
hold hold1 & at_exit stop $!
at_exit touch "$tmp/stop"
agent_at() { # a|b
    switch web1 "$1"
    start agent env TAGOUT_STATE_DIR="$tmp/state.web1" "$TAGOUT" --config "$tmp/$1.yaml" agent --host web1
    agent=$pid
}
agent_at a
asks() { run env TAGOUT_AGENT_SOCKET="$tmp/agent.sock" TAGOUT_STATE_DIR="$tmp/state.web1" "$TAGOUT" --config "$tmp/$(<"$tmp/side.web1").yaml" check --timeout 10s --actor reboot -o json host:web1; }
by_agent() { asks && [ "$status" = "$1" ] && [[ $out == *'"via": "agent"'* ]]; } # STATUS
await 60 by_agent 0
for host in act1 act2 hold1; do more $host; done

note "copy, with the target's leader hung and then killed in the middle of it"
run mover begin
expect_status 0
lead=$(leader_of "$tmp/b")
zk_pause "$lead"
mover copy >"$tmp/copy" 2>&1 &
copy=$!
more act1 # the source does not mind
zk_kill "$lead"
status=0
wait $copy || status=$?
[ "$status" = 0 ] || note "copy was broken off: $(tail -1 "$tmp/copy")"
run mover copy
expect_status 0
zk_start "$lead"
run mover copy # again, onto what is there
expect_status 0
run mover verify
expect_status 0
await 60 by_agent 0

note "complete, with both leaders killed behind the freeze"
mkfifo "$tmp/go"
start busy at act1 exec --actor autoscaler service:busy --on-lost warn -- bash -c 'touch "$tmp/busy"; read -r _ <"$tmp/go"'
await 30 test -e "$tmp/busy"
switch act2 b # early
mover complete --wait 2m >"$tmp/complete" 2>&1 &
complete=$!
await 60 grep -q "in flight" "$tmp/complete"
asks
expect_status 69
expect_match 'migrating'
lead_a=$(leader_of "$tmp/a") lead_b=$(leader_of "$tmp/b")
zk_kill "$lead_a"
zk_kill "$lead_b"
await 60 leader_of "$tmp/a"
await 60 leader_of "$tmp/b"
echo >"$tmp/go"
status=0
wait $complete || status=$?
[ "$status" = 0 ] || note "complete was broken off: $(tail -2 "$tmp/complete")"
zk_start "$lead_a"
zk_start "$lead_b"
run mover complete --wait 2m
if [ "$status" = 64 ]; then # it gave up, and what was verified is to be copied again
    for step in copy verify complete; do run mover $step; done
fi
expect_status 0
more act2
for host in act1 hold1; do switch $host b; done
for host in act1 hold1; do more $host; done

note "an agent of before: no GO, and the new address; the next one is the target's"
asks
expect_status 69
expect_match 'retired'
expect_err "${target#zk://}"
kill "$agent"
wait "$agent" || true
agent_at b
await 60 by_agent 0
run at late check --timeout 10s --actor autoscaler service:free
expect_status 69
expect_err "cause=retired"
expect_err "point the configuration at $target"

touch "$tmp/stop"
mapfile -t mine < <(jobs -p | grep -vx "$agent")
wait "${mine[@]}" 2>/dev/null || true
expect_equal "$(cat "$tmp/violations")" "" "violations"
switch ops b
run at ops check --timeout 10s --actor autoscaler service:db
expect_status 75

note "what was charged is there, once"
well=$(($(well act1) + $(well act2))) tried=$(cat "$tmp/did.act1" "$tmp/did.act2" | wc -l)
run at ops budget list -o json
[[ $out =~ \"used\":\ *([0-9]+) ]] && charged=${BASH_REMATCH[1]}
note "$well acted of $tried, $charged charged"
# One that was charged and then not started, as its permit was lost, may be counted; one that acted must be.
expect_true "at least as many as acted ($well <= ${charged:-none})" test "${charged:-0}" -ge "$well"
expect_true "and no more than tried (${charged:-none} <= $tried)" test "${charged:-999999}" -le "$tried"

note "who has not the target's password"
switch open open-b
run at open check --timeout 10s --actor autoscaler service:db # reading is for all
expect_status 75
for who in open-b wrong-b; do
    switch open $who
    run at open lock service:x --for 1h --reason "no right"
    expect_status 77
    run at open exec --actor autoscaler service:free -- touch "$tmp/acted"
    expect_true "$who: not started" test ! -e "$tmp/acted"
done
zk_shell "$tmp/b/1" >"$tmp/.stranger" <<'ZK'
addauth digest ops:alpha
getAcl /tagout/cluster
getAcl /tagout/runs/r1/token
get /tagout/runs/r1/token
set /tagout/cluster x
create /tagout/locks/x x
delete /tagout/cluster
setAcl /tagout/cluster world:anyone:cdrwa
ZK
expect_true "none of what it tried was done: $(tail -20 "$tmp/.stranger")" bash -c "! grep -qE 'secret|^Created' $tmp/.stranger"
expect_equal "$(grep -cE 'Authentication is not valid|Insufficient permission' "$tmp/.stranger")" 6 "refusals: $(<"$tmp/.stranger")"
zk_shell "$tmp/b/1" >"$tmp/.owner" <<'ZK'
addauth digest ops:beta
get /tagout/runs/r1/token
ZK
expect_file_has "$tmp/.owner" secret
