#!/usr/bin/env bash
# The embedded store from the command line: init, doctor, and every state in which nobody may be told that there is no lock (P2).
. "$(dirname "$0")/lib.sh"

export TAGOUT_STATE_DIR=$tmp/state
db=$tmp/store.db
url=local:$db
doctor() { run "$TAGOUT" doctor --store "$url" "$@"; }

note "there is none yet"
doctor
expect_status 69
expect_out "there is no store at $db"
expect_out "tagout init --store $url"
expect_true "asking makes nothing" test ! -e "$db"

note "init, once"
run "$TAGOUT" init --store "$url"
expect_status 0
expect_match 'Made a store at local:.*: cluster [0-9a-f]{8}, generation 1\.'
run "$TAGOUT" init --store "$url"
expect_status 1
expect_err "there is a store at $url already: cluster"
run "$TAGOUT" init --store "$url" --force
expect_status 1
doctor
expect_status 0
expect_match 'ok +cluster +[0-9a-f]{8}, generation 1, live'
expect_match 'ok +locks +0 held'
doctor -o json
expect_status 0
printf '%s' "$out" >"$tmp/doctor.json"
expect_true "it is JSON, with every check" python3 -c '
import json, sys
o = json.load(open(sys.argv[1]))
assert {c["check"] for c in o["checks"]} >= {"configuration", "modules", "store", "cluster", "seen", "writing", "tree", "locks"}, o
assert all(c["status"] in ("ok", "warn", "fail", "unknown") and c["text"] for c in o["checks"]), o
' "$tmp/doctor.json"

sqlite() { python3 -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()' "$@"; }

note "a store that an older tagout has made"
cp "$db" "$tmp/whole.db"
drop() { # PATH… as if init had not made them
    local path
    for path; do
        sqlite "$db" "DELETE FROM node WHERE path = '$path'"
        sqlite "$db" "UPDATE node SET children = children - 1 WHERE path = '/'"
    done
}
drop /agents /acks /approvals
doctor
expect_status 0
expect_match 'warn +tree +[0-9]+ folders; it lacks /agents, /acks, /approvals'
expect_out "tagout init adds what it lacks"
run "$TAGOUT" init --store "$url" -o json
expect_status 0
expect_match '"added": \[[[:space:]]*"agents",[[:space:]]*"acks",[[:space:]]*"approvals"'
doctor
expect_status 0
expect_no_out lacks
run "$TAGOUT" init --store "$url"
expect_status 1

note "init adds nothing to a copy that is not whole (P2)"
drop /acks /audit
run "$TAGOUT" init --store "$url"
expect_status 69
expect_err "the store has no audit: this copy is not whole"
for path in /audit /permits /permits/fleet /locks /locks/host; do # what every version made, and nothing else is missing
    rm "$db"; cp "$tmp/whole.db" "$db"
    rm -rf "$TAGOUT_STATE_DIR" # what exec noted
    top=/$(cut -d/ -f2 <<<"$path") # with its children, as counted as the rest
    if [ "$path" = "$top" ]; then drop "$path"; fi
    sqlite "$db" "DELETE FROM node WHERE path = '$path' OR path LIKE '$path/%'"
    if [ "$path" != "$top" ]; then sqlite "$db" "UPDATE node SET children = children - 1 WHERE path = '$top'"; fi
    run "$TAGOUT" init --store "$url"
    expect_status 69
    expect_err "the store has no ${path#/}: this copy is not whole"
    run "$TAGOUT" exec --store "$url" --actor x host:a -- touch "$tmp/acted"
    case $path in /audit | /permits/fleet) ;; *) expect_status 69 ;; esac
    if [ "$top" = /locks ]; then
        expect_true "nothing acted" test ! -e "$tmp/acted"
        run "$TAGOUT" check --store "$url" --actor x host:a
        expect_status 69
    fi
    rm -f "$tmp/acted"
done
rm "$db"; cp "$tmp/whole.db" "$db"
drop /acks /audit
doctor
expect_match 'UNKNOWN +tree +'
rm "$db"; cp "$tmp/whole.db" "$db"
rm -r "$TAGOUT_STATE_DIR" # what init added was noted
doctor
expect_status 0

note "an old copy comes back"
cp "$db" "$tmp/old.db"
run "$TAGOUT" lock --store "$url" service:mill --reason "one more change" --for 1h # what is newest is told by the locks
expect_status 0
doctor
expect_status 0
cp "$db" "$tmp/new.db"
rm "$db"; cp "$tmp/old.db" "$db"
doctor
expect_status 69
expect_out older-than-seen
for what in locks status 'status some-20261122-1' 'status some-20261122-1 --watch' log; do # "nothing has happened there" is what it can't know
    # shellcheck disable=SC2086 # words
    run "$TAGOUT" $what --store "$url"
    expect_status 69
    expect_err 'it is an old copy'
    expect_equal "$out" "" "what $what says of an old copy"
done
rm "$db"; cp "$tmp/new.db" "$db"
doctor
expect_status 0
run "$TAGOUT" log --store "$url"
expect_status 0
expect_out 'one more change'

note "an empty one in its place"
rm -f "$db" "$db"-*
run "$TAGOUT" init --store "$url"
expect_status 69
expect_err "but this host has seen cluster"
doctor
expect_status 69
expect_out store-empty
run "$TAGOUT" init --store "$url" --force
expect_status 0
doctor
expect_status 0

note "another cluster in its place"
rm -f "$db" "$db"-*
cp "$tmp/new.db" "$db"
doctor
expect_status 69
expect_out other-cluster

note "a mark that makes no sense"
for mark in "$TAGOUT_STATE_DIR"/seen/*.json; do printf 'x' >"$mark"; done
doctor
expect_status 69
expect_out "it is not known what this host has seen"
expect_out "remove the file"
rm -f "$TAGOUT_STATE_DIR"/seen/*.json
doctor
expect_status 0

note "P2: garbage or half of it in its place is damage, not an empty store; which file, and what to do"
cp "$db" "$tmp/sound.db"
damaged() { # WHAT
    run "$TAGOUT" check --store "$url" --actor x host:a
    expect_status 69
    expect_err "cause=damaged"
    expect_match "detail=\"$db is .*mend=\".*bring back a backup"
    doctor
    expect_status 69
    expect_match "UNKNOWN +store .*$db is "
    expect_no_out store-empty
    run "$TAGOUT" init --store "$url"
    expect_status 69
}
size=$(stat -c %s "$db")
rm -f "$db"-*; head -c 10 "$tmp/sound.db" >"$db"; damaged "its first bytes"
rm -f "$db"-*; head -c $((size / 2)) "$tmp/sound.db" >"$db"; damaged "half of it"
rm -f "$db"-*; head -c "$size" /dev/urandom >"$db"; damaged "garbage"
rm -f "$db"-*; : >"$db"
run "$TAGOUT" check --store "$url" --actor x host:a
expect_status 69
expect_err "cause=store-empty"
rm -f "$db"-*; cp "$tmp/sound.db" "$db"
doctor
expect_status 0

note "damage, a stranger, the future"
sqlite "$db" 'PRAGMA user_version = 9'
doctor
expect_status 69
expect_out "has format 9, this tagout knows 1"
run "$TAGOUT" check --store "$url" --actor x host:a
expect_status 69
expect_err "cause=format-newer"
rm -f "$db" "$db"-*
sqlite "$db" 'CREATE TABLE t (x)'
doctor
expect_status 69
expect_out "no store of tagout"
printf 'not a database, but long enough to be looked at as one %0200d' 1 >"$db"
doctor
expect_status 69
expect_out "is no database"
run "$TAGOUT" init --store "$url"
expect_status 69
expect_file_has "$db" "not a database"
run "$TAGOUT" init --store local:relative.db
expect_status 78
run "$TAGOUT" init --store "local:$tmp/no/such/folder/store.db"
expect_match 'can.t be made'

note "whoever is started without its three descriptors does not write into the store, nor crash"
rm -rf "$tmp/state" "$db"*
run "$TAGOUT" init --store "$url"
expect_status 0
status=0; "$TAGOUT" check --actor x host:a --store "$url" <&- >&- 2>&- || status=$?
expect_equal "$status" 0 "check without descriptors"
status=0; "$TAGOUT" exec --actor x host:a --store "$url" -- true <&- >&- 2>&- || status=$?
expect_equal "$status" 0 "exec without descriptors"
doctor
expect_status 0

note "a lock whose id could not be told is named"
status=0; "$TAGOUT" lock host:a --for 1h --reason x --store "$url" >/dev/full 2>"$tmp/.err" || status=$?
out='' err=$(<"$tmp/.err")
expect_status 1
expect_err " is held, but that could not be written"
expect_err "tagout unlock "

note "tables and findings fit a terminal; what one types next is whole; a pipe gets all"
run "$TAGOUT" lock --store "$url" service:a-service-with-a-rather-long-name-01 --for 1h --ticket OPS-1234567 --reason "$(printf 'a long word or two %.0s' {1..10})"
expect_status 0
id=$(sed -n 's/^Locked  \([A-Z0-9]*\) .*/\1/p' <<<"$out")
for columns in 40 80 132; do
    on_terminal $columns "$TAGOUT" locks --store "$url"
    expect_true "locks on $columns columns is $widest wide: $(<"$tmp/screen")" [ "$widest" -le $columns ]
    expect_file_has "$tmp/screen" "$id "
    on_terminal $columns "$TAGOUT" doctor --store "$url"
    widest=$(grep -v / "$tmp/screen" | wc -L) # a path is not broken
    expect_true "doctor on $columns columns is $widest wide: $(<"$tmp/screen")" [ "$widest" -le $columns ]
done
run "$TAGOUT" locks --store "$url"
expect_out "service:a-service-with-a-rather-long-name-01"
expect_out "a long word or two a long word or two a long word or two a long word or two a long word or two a long word or two a long word or two"
expect_no_out "…"

note "an UNKNOWN names its mend"
: >"$tmp/empty.db"
run "$TAGOUT" check --actor x host:a --store "local:$tmp/empty.db"
expect_status 69
expect_err 'mend="'
run "$TAGOUT" exec --actor x host:a --store "local:$tmp/empty.db" -- true
expect_status 69
expect_err 'mend="'
