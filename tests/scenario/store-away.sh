#!/usr/bin/env bash
# P2: a guard that can't prove that there is no lock says UNKNOWN, status 69, and which of these it looks like: the store is stopped;
# an empty one is in its place; so is a copy that lacks one lock, or an older copy, or another cluster. On ZooKeeper and on the
# embedded store. Each is looked at for a scope that is held and for one that is free: a GO for the free one would be the incident.
. "$(dirname "$0")/lib.sh"
. "$TAGOUT_SOURCE/tests/lib/zookeeper"
need java sqlite3

config() { # NAME URL
    name=$1
    mkdir -p "$tmp/$1.state"
    printf 'store: %s\nstate-dir: %s\ninventory: %s\n' "$2" "$tmp/$1.state" "$tmp/hosts.yaml" >"$tmp/$1.yaml"
    tagout=("$TAGOUT" --config "$tmp/$1.yaml")
}

patience=15s # of a check: only the one that nobody answers needs it all
printf 'groups:\n  web: {hosts: "web[01-20].example.com"}\nhosts:\n  db7.example.com: {}\n  free.example.com: {}\n' >"$tmp/hosts.yaml"

# Checks the scopes; each must be UNKNOWN, with one of the causes (a regular expression).
unknown() { # WHAT CAUSES
    local scope
    note "$1"
    for scope in service:autoscaler group:web host:db7.example.com; do
        run_check "${tagout[@]}" check --timeout "$patience" --actor autoscaler "$scope"
        expect_status 69
        expect_match "TAGOUT-UNKNOWN store=[^ ]+ cause=($2) detail=\".+\""
        expect_no_out GO
    done
    printf '     %s\n' "$err"
}

held() { # as it should be
    run "${tagout[@]}" check --timeout 15s --actor autoscaler service:autoscaler
    expect_status 75
    expect_err "TAGOUT-HELD lock="
    run "${tagout[@]}" check --timeout 15s --actor autoscaler host:free.example.com
    expect_status 0
}

begin() { # makes the store, and two locks
    run "${tagout[@]}" init
    expect_status 0
    run "${tagout[@]}" lock service:autoscaler group:web --for 3h --reason "move the ensemble"
    expect_status 0
    held
}

new_cluster() { # by who has not seen the old one
    sed "s|^state-dir:.*|state-dir: $tmp/other.state|" "$tmp/$name.yaml" >"$tmp/other.yaml"
    rm -rf "$tmp/other.state"
    mkdir -p "$tmp/other.state"
    run "$TAGOUT" --config "$tmp/other.yaml" init
    expect_status 0
}

second_lock() {
    run "${tagout[@]}" lock service:autoscaler --for 3h --reason "a second one"
    expect_status 0
    held
}

# ---- ZooKeeper

zk=$tmp/zk
at_exit zk_kill "$zk"
zk_start "$zk"
config zk "$(zk_url "$zk")/tagout"
begin
zk_stop "$zk"
cp -a "$zk/data" "$tmp/zk-old"
zk_start "$zk"
second_lock

zk_stop "$zk"
patience=1s
unknown "ZooKeeper is stopped" 'no-answer|store-unreachable'
patience=15s
cp -a "$zk/data" "$tmp/zk-whole"

rm -rf "$zk/data"
zk_start "$zk"
unknown "an empty ZooKeeper is in its place" store-empty

new_cluster
unknown "another cluster is made there, from another host" other-cluster
zk_stop "$zk"

rm -rf "$zk/data"
cp -a "$tmp/zk-whole" "$zk/data"
zk_start "$zk"
held
note "one lock's record is removed behind tagout's back"
zk_cli "$zk" ls -R /tagout >"$tmp/tree" 2>/dev/null
node=$(grep -m1 -E '^/tagout/locks/service/[^/]+/[^/]+/[^/]+$' "$tmp/tree")
expect_true "there is a lock's node in the tree" test -n "$node"
zk_cli "$zk" delete "$node" >"$tmp/.cli" 2>&1 || true
run "${tagout[@]}" check --timeout 15s --actor autoscaler service:autoscaler
expect_status 69
expect_err "cause=fewer-locks-than-recorded"
printf '     %s\n' "$err"
note "another service takes the locked one's place in its bucket, so that the count is right"
bucket=${node%/*/*}
zk_cli "$zk" deleteall "${node%/*}" >"$tmp/.cli" 2>&1 || true
zk_cli "$zk" create "$bucket/zz9" "" >"$tmp/.cli" 2>&1 || true
run "${tagout[@]}" check --timeout 15s --actor autoscaler service:autoscaler
expect_status 69
expect_err "cause=altered"
printf '     %s\n' "$err"
zk_stop "$zk"

rm -rf "$zk/data"
cp -a "$tmp/zk-old" "$zk/data"
zk_start "$zk"
unknown "an older copy of the data is in its place" older-than-seen
note "and the comings and goings of other sessions do not make it look newer"
for i in 1 2 3 4 5 6 7 8; do TAGOUT_STORE=$(zk_url "$zk")/tagout "$TAGOUT" --config /dev/null doctor >/dev/null 2>&1 || true; done
unknown "still the older copy" older-than-seen
zk_stop "$zk"

rm -rf "$zk/data"
cp -a "$tmp/zk-whole" "$zk/data"
zk_start "$zk"
note "the whole is back"
held
zk_stop "$zk"

# ---- the embedded store

db=$tmp/local/store.db
mkdir -p "$tmp/local"
config local "local:$db"
begin
cp -a "$tmp/local" "$tmp/local-old"
second_lock
cp -a "$tmp/local" "$tmp/local-whole"

restore() { # FOLDER
    rm -rf "$tmp/local"
    cp -a "$tmp/$1" "$tmp/local"
}

rm -f "$db" "$db"-*
unknown "the database is gone" store-empty

new_cluster
unknown "another cluster is made there, from another host" other-cluster

restore local-whole
held
note "one lock's record is removed behind tagout's back"
node=$(sqlite3 "$db" "SELECT path FROM node WHERE path GLOB '/locks/service/*/*/*' AND path NOT GLOB '/locks/service/*/*/*/*' LIMIT 1")
expect_true "there is a lock's row" test -n "$node"
sqlite3 "$db" "DELETE FROM node WHERE path = '$node'"
run "${tagout[@]}" check --timeout 15s --actor autoscaler service:autoscaler
expect_status 69
expect_err "TAGOUT-UNKNOWN"
expect_match 'cause=(fewer-locks-than-recorded|bad-record|damaged)'
printf '     %s\n' "$err"

restore local-old
unknown "an older copy of the database is in its place" older-than-seen

restore local-whole
note "the whole is back"
held
