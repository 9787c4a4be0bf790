#!/usr/bin/env bash
# P1, P2, P3: a site grows from the store of one machine to a ZooKeeper of its own with a password, and moves back, with a lock held all the
# while and somebody acting when it is completed. A target that is claimed, or half copied, says of itself that it is being moved.
# shellcheck disable=SC2154 # status, out, err, pid, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/zookeeper
. "$TAGOUT_SOURCE/tests/lib/zookeeper"
need java

echo "session: 2s" >"$tmp/tagout.yaml"
echo "ops:secret" >"$tmp/auth"
chmod 600 "$tmp/auth"
export TAGOUT_STATE_DIR=$tmp/state
mkdir "$TAGOUT_STATE_DIR"
{
    cat "$tmp/tagout.yaml"
    echo "store-auth: $tmp/auth"
} >"$tmp/zk.yaml"

t() { # URL COMMAND…: as one whose configuration names this store
    local url=$1 config=tagout.yaml
    shift
    case $url in zk:*) config=zk.yaml ;; esac
    TAGOUT_STORE=$url "$TAGOUT" --config "$tmp/$config" "$@"
}
id_of() { sed -n '/.*lock=\([A-Z0-9]*\) .*/{s//\1/p;q}' <<<"$err"; }
# All who ask there are told that it is being moved, and where to look.
all_are_told() { # URL
    local what
    for what in "check --actor autoscaler service:db" "exec --actor autoscaler service:free -- touch $tmp/acted" \
        "lock service:free --for 1h --reason never" "unlock $lock"; do
        # shellcheck disable=SC2086 # words of a command
        run t "$1" $what
        expect_status 69
        expect_match "cause=migrating|being moved"
        expect_no_err "missing-node"
    done
}
move() { # FROM TO: as it was typed by who moves
    local auth=(--to-auth "$tmp/auth")
    case $1 in zk:*) auth=(--from-auth "$tmp/auth") ;; esac
    TAGOUT_STORE=$1 "$TAGOUT" --config "$tmp/tagout.yaml" migrate "$step" --to "$2" "${auth[@]}" --wait 60s
}

zk_start "$tmp/zk"
at_exit zk_kill "$tmp/zk"
small=local:$tmp/store.db large=$(zk_url "$tmp/zk")/tagout
run t "$small" init
expect_status 0
run t "$small" lock service:db --for 3h --reason "held all the while"
expect_status 0
run t "$small" check --actor autoscaler service:db
expect_status 75
lock=$(id_of)

from=$small to=$large
for way in grows "moves back"; do
    note "the site $way: $from to $to"
    step=begin run move "$from" "$to"
    expect_status 0
    all_are_told "$to"
    step=copy run move "$from" "$to"
    expect_status 0
    all_are_told "$to"
    step=verify run move "$from" "$to"
    expect_status 0
    mkfifo "$tmp/go.$way"
    start actor t "$from" exec --actor autoscaler service:free -- bash -c "touch '$tmp/acts'; read -r _ <'$tmp/go.$way'; rm '$tmp/acts'"
    await 30 test -e "$tmp/acts"
    step=complete start mover move "$from" "$to"
    mover=$pid
    await 60 grep -q "waiting for 1 in flight" "$tmp/mover.log"
    run t "$to" exec --actor autoscaler service:free -- touch "$tmp/acted"
    expect_status 69
    echo >"$tmp/go.$way"
    status=0
    wait "$mover" || status=$?
    expect_equal "$status" 0 "complete"
    expect_true "it acted to its end" test ! -e "$tmp/acts"
    run t "$to" check --actor autoscaler service:db
    expect_status 75
    expect_err "lock=$lock"
    run t "$to" exec --actor autoscaler service:free -- true
    expect_status 0
    run t "$from" exec --actor autoscaler service:free -- touch "$tmp/acted"
    expect_status 69
    expect_err "point the configuration at $to"
    run t "$to" log
    expect_out "began to move fleet: to $to"
    expect_out "has moved fleet: from $from"
    from=$to to=$small
done
expect_true "nobody acted who should not" test ! -e "$tmp/acted"
run t "$small" unlock "$lock"
expect_status 0
run t "$small" check --actor autoscaler service:db
expect_status 0
