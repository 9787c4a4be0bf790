#!/usr/bin/env bash
# A maintenance week by its commands: planned, drawn, booked, looked at, cancelled; killed in the middle, and two at once; on the embedded store and on ZooKeeper.
# shellcheck disable=SC2154 # status, out, err, pid, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/zookeeper
. "$TAGOUT_SOURCE/tests/lib/zookeeper"

export TAGOUT_STATE_DIR=$tmp/state
fleet=$TAGOUT_SOURCE/tests/data/flying-circus.yaml
pattern=$TAGOUT_SOURCE/tests/data/flying-circus.week.yaml
start=2126-12-02 # a Monday that is a while away
w() { "$TAGOUT" calendar week "$@"; }
js() { python3 -c "import json, sys; d = json.load(sys.stdin); print(json.dumps($1, separators=(',', ':')))"; } # EXPRESSION of d, what it reads
counts='[s["count"] for s in d["slots"]]'

write_files() {
    # enough of them that booking takes many writes
    printf 'groups:\n  web: {hosts: "web[000001-040000].example.com", attrs: {role: web}}\n  db: {hosts: "db[1-9]", attrs: {role: db}}\n' >"$tmp/large.yaml"
    printf 'default: open\n' >"$tmp/calendar.yaml"
    cat >"$tmp/large.week.yaml" <<'END'
week: large
length: 2h
slots:
  - {name: early, day: mon, time: "09:00", who: {hosts: "*", take: 10%}}
  - {name: middle, day: wed, time: "09:00", who: {hosts: "*", take: 30%}}
  - {name: late, day: sat, time: "09:00", who: {hosts: "*", take: the rest}}
END
    sed 's/10%/20%/' "$tmp/large.week.yaml" >"$tmp/other.week.yaml"
    sed 's/week: large/week: small/; s/length/location: role=db\nlength/' "$tmp/large.week.yaml" >"$tmp/small.week.yaml"
}

planned_and_drawn() {
    note "a plan: the table, the charts, a picture and a page; nothing is booked"
    run w plan "$pattern" --start $start --inventory "$fleet" --svg "$tmp/week.svg" --html "$tmp/week.html"
    expect_status 0
    expect_out "flying-circus  Mon 2 Dec to Sat 7 Dec 2126  236 hosts in 8 slots"
    expect_out "Mon 2 Dec        22 "
    expect_out "Thu 5 Dec       101 "
    expect_out "Each of the 236 hosts has exactly one slot. Nothing is booked"
    expect_no_out $'\033'
    expect_file_has "$tmp/week.svg" "Maintenance week flying-circus"
    expect_file_has "$tmp/week.html" "</html>"
    run w plan "$pattern" --start $start --inventory "$fleet" -o json
    expect_status 0
    expect_equal "$(js "$counts" <<<"$out")" "[6,2,14,37,46,101,29,1]" "hosts of each slot"
    expect_equal "$(js '[x["hosts"] for x in d["days"]]' <<<"$out")" "[22,37,46,101,0,30]" "hosts of each day"
    note "mistakes: of the command line, of the pattern, of the two together"
    run w plan "$pattern" --inventory "$fleet"
    expect_status 64
    run w plan "$pattern" --start 2126-12-03 --inventory "$fleet"
    expect_status 64
    expect_err "--start 2126-12-02, or --start 2126-12-09"
    run w plan "$pattern" --start 2126-02-30 --inventory "$fleet"
    expect_status 64
    run w show
    expect_status 64
    run w list --apply
    expect_status 64
    run w plan "$pattern" --start $start
    expect_status 78
    sed 's/take: 30%/tak: 30%/; s/day: mon/day: mo/' "$pattern" >"$tmp/bad.yaml"
    run w plan "$tmp/bad.yaml" --start $start --inventory "$fleet"
    expect_status 65
    expect_err "bad.yaml:8:29: day must be a day of the week"
    expect_err 'unknown key "tak"'
    sed '/second-router/d' "$pattern" >"$tmp/bad.yaml"
    run w plan "$tmp/bad.yaml" --start $start --inventory "$fleet"
    expect_status 65
    expect_err "1 host of the location has no slot: router2.whq.example"
    sed 's/who: router2.whq.example/who: "@router"/' "$pattern" >"$tmp/bad.yaml"
    run w plan "$tmp/bad.yaml" --start $start --inventory "$fleet"
    expect_status 65
    expect_err '1 host would have two slots, "first-router" (Mon 2 Dec 13:00) and "second-router" (Sat 7 Dec 13:00): router1.whq.example'
    run w plan "$pattern" --start $start --inventory "$fleet" --html "$tmp/no/such/folder.html"
    expect_true "a page that can't be written is an error" test "$status" -ne 0
}

booked() {
    note "booked once, and just once"
    run w list
    expect_status 0
    expect_out "No week is booked"
    run w plan "$pattern" --start $start --inventory "$fleet" --apply
    expect_status 0
    expect_out "Booked flying-circus-$start: each of the 236 hosts has exactly one slot."
    planned=$(w plan "$pattern" --start $start --inventory "$fleet" -o json | js '{k: v for k, v in d.items() if k != "booked"}')
    run w plan "$pattern" --start $start --inventory "$fleet" --apply
    expect_status 0
    expect_out "is booked already, just like this"
    run w show flying-circus-$start -o json
    expect_status 0
    expect_equal "$(js '{k: v for k, v in d.items() if k not in ("booked", "progress")}' <<<"$out")" "$planned" "what was booked"
    expect_equal "$(js 'd["booked"]["state"]' <<<"$out")" '"booked"'
    run w show flying-circus-$start --html "$tmp/booked.html"
    expect_status 0
    expect_out "Booked by "
    expect_file_has "$tmp/booked.html" "Maintenance week flying-circus"
    note "what is booked are windows"
    run "$TAGOUT" calendar why router2.whq.example --calendar "$tmp/calendar.yaml" --inventory "$fleet" --weeks --at 2126-12-07T13:30:00Z
    expect_status 0
    expect_out "router2.whq.example may be disturbed"
    expect_out 'window "week flying-circus-'$start', slot second-router"'
    run "$TAGOUT" calendar why router2.whq.example --calendar "$tmp/calendar.yaml" --inventory "$fleet" --weeks --at 2126-12-02T10:00:00Z
    expect_status 0
    expect_out "must not be disturbed"
    run "$TAGOUT" calendar why router2.whq.example --calendar "$tmp/calendar.yaml" --inventory "$fleet" --at 2126-12-02T10:00:00Z
    expect_status 0
    expect_out "router2.whq.example may be disturbed"
    run "$TAGOUT" calendar why router2.whq.example --inventory "$fleet" --weeks --at 2126-12-07T13:30:00Z
    expect_status 0
    expect_out 'window "week flying-circus-'$start', slot second-router"'
    run "$TAGOUT" calendar why db1 --inventory "$tmp/large.yaml" --weeks
    expect_out "no window is about it, and there is no calendar"
    run "$TAGOUT" calendar why router2.whq.example --inventory "$fleet"
    expect_status 78
    run "$TAGOUT" calendar check --inventory "$fleet" --weeks
    expect_status 78
    note "what stands there is told"
    sed 's/30%/40%/' "$pattern" >"$tmp/more.yaml"
    run w plan "$tmp/more.yaml" --start $start --inventory "$fleet" --apply
    expect_status 1
    expect_err "is booked otherwise: 236 hosts"
    sed 's/week: flying-circus/week: other/' "$pattern" >"$tmp/again.yaml"
    run w plan "$tmp/again.yaml" --start $start --inventory "$fleet" --apply
    expect_status 1
    expect_err "236 of its hosts have a slot in week flying-circus-$start at that time"
    expect_err "that week lasts from 2126-12-02T09:00:00Z to 2126-12-07T17:00:00Z, with no other slot for its hosts"
    run w "done" flying-circus-2126-12-03
    expect_status 1
    expect_err "did you mean flying-circus-$start? tagout calendar week list has them"
    run w cancel flyin-circus-$start --reason r
    expect_status 1
    expect_err "did you mean flying-circus-$start?"
    run w plan "$pattern" --start 2026-11-02 --inventory "$fleet"
    expect_out "Nothing is booked; and it can't be any more, because its first slot has begun"
    run w plan "$pattern" --start 2026-11-02 --inventory "$fleet" --apply
    expect_status 64
    expect_err "has begun"
    note "cancelled with a reason, then booked anew"
    run w cancel flying-circus-$start
    expect_status 64
    run w cancel nothing-$start --reason r
    expect_status 1
    run w cancel flying-circus-$start --reason "the network moves"
    expect_status 0
    run w show flying-circus-$start
    expect_status 1
    expect_err "was cancelled by "
    run w list
    expect_out "the network moves"
    run w plan "$tmp/more.yaml" --start $start --inventory "$fleet" --apply
    expect_status 0
    run w cancel flying-circus-$start --reason "enough"
    expect_status 0
}

whole_or_not() { # WHEN: the week is in force whole, or not at all
    run w list -o json
    expect_status 0
    if [ "$(js "len([x for x in d if x['id'] == 'large-$start' and x['state'] == 'booked'])" <<<"$out")" = 0 ]; then
        killed=$((killed + 1))
        return 0
    fi
    run w show large-$start -o json
    expect_status 0
    expect_equal "$(js "$counts" <<<"$out")" "[4001,12003,24005]" "the week that was booked when its command was killed"
    run w cancel large-$start --reason "once more"
    expect_status 0
}

killed_in_the_middle() { # COMMAND that prints how many nodes the store has
    local begun at
    note "killed while it books: in force whole or not at all, and the same again completes it"
    killed=0
    for at in 1 30 60 90; do
        begun=$("$1")
        start apply "${mortal[@]}" "$TAGOUT" calendar week plan "$tmp/large.week.yaml" --start $start --inventory "$tmp/large.yaml" --apply
        while kill -0 "$pid" 2>/dev/null && [ $(($("$1") - begun)) -lt $at ]; do :; done
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
        whole_or_not
    done
    echo "killed before it was booked: $killed of 4"
    run w plan "$tmp/large.week.yaml" --start $start --inventory "$tmp/large.yaml" --apply -o json
    expect_status 0
    run w show large-$start -o json
    expect_status 0
    expect_equal "$(js "$counts" <<<"$out")" "[4001,12003,24005]" "the week, completed"
    run w cancel large-$start --reason "done with it"
    expect_status 0
}

two_at_once() {
    local one two ends=()
    note "two at once with the same week: both are told the truth"
    start one "$TAGOUT" calendar week plan "$tmp/large.week.yaml" --start $start --inventory "$tmp/large.yaml" --apply
    one=$pid
    start two "$TAGOUT" calendar week plan "$tmp/large.week.yaml" --start $start --inventory "$tmp/large.yaml" --apply
    two=$pid
    s=0 && wait "$one" || s=$?
    expect_equal "$s" 0 "status of one"
    s=0 && wait "$two" || s=$?
    expect_equal "$s" 0 "status of the other"
    expect_equal "$(grep -c "^Booked large-$start" "$tmp/one.log" "$tmp/two.log" | awk -F: '{ n += $2 } END { print n }')" 1 "who booked it"
    expect_equal "$(grep -c "booked already, just like this" "$tmp/one.log" "$tmp/two.log" | awk -F: '{ n += $2 } END { print n }')" 1 "who was told that it was"
    run w cancel large-$start --reason "once more"
    expect_status 0
    note "two at once with weeks that differ: one of them, whole"
    start one "$TAGOUT" calendar week plan "$tmp/large.week.yaml" --start $start --inventory "$tmp/large.yaml" --apply
    one=$pid
    start two "$TAGOUT" calendar week plan "$tmp/other.week.yaml" --start $start --inventory "$tmp/large.yaml" --apply
    two=$pid
    s=0 && wait "$one" || s=$?
    ends+=("$s")
    s=0 && wait "$two" || s=$?
    ends+=("$s")
    expect_equal "$(printf '%s\n' "${ends[@]}" | sort | tr '\n' ' ')" "0 1 " "how they ended"
    expect_true "the other one is told what stands there" grep -q "is booked otherwise" "$tmp/one.log" "$tmp/two.log"
    run w show large-$start -o json
    expect_status 0
    run w plan "$tmp/small.week.yaml" --start $start --inventory "$tmp/large.yaml" --apply
    expect_status 1
    expect_err "9 of its hosts have a slot in week large-$start at that time, booked by"
    run w cancel large-$start --reason "done with it"
    expect_status 0
    run w plan "$tmp/small.week.yaml" --start $start --inventory "$tmp/large.yaml" --apply
    expect_status 0
}

write_files
planned_and_drawn

note "on the embedded store"
export TAGOUT_STORE=local:$tmp/store.db
run "$TAGOUT" init
expect_status 0
local_nodes() { sqlite3 -cmd ".timeout 10000" "$tmp/store.db" "select count(*) from node where path like '/calendar/%'"; }
booked
killed_in_the_middle local_nodes
two_at_once
note "P2: an old copy of the store brings no cancelled week back"
put_back() { # FILE
    rm -f "$tmp"/store.db "$tmp"/store.db-*
    cp "$1" "$tmp/store.db"
}
sqlite3 "$tmp/store.db" ".backup $tmp/old.db"
run w cancel small-$start --reason "the customer called"
expect_status 0
sqlite3 "$tmp/store.db" ".backup $tmp/new.db"
put_back "$tmp/old.db"
run w list
expect_status 69
expect_err 'it is an old copy'
run "$TAGOUT" calendar why db1 --calendar "$tmp/calendar.yaml" --inventory "$tmp/large.yaml" --weeks
expect_status 69
put_back "$tmp/new.db"
run w plan "$tmp/small.week.yaml" --start $start --inventory "$tmp/large.yaml" --apply
expect_status 0

note "P2: an altered copy is UNKNOWN, and never a week without slots"
sqlite3 "$tmp/store.db" "update node set data = replace(cast(data as text), 'db', 'dc') where path like '/calendar/small-%/hosts-%'"
run w show small-$start
expect_status 69
expect_err "can't be understood"
sqlite3 "$tmp/store.db" "update node set data = '{\"format\":9}' where path = '/calendar'"
run w list
expect_status 69
run w plan "$pattern" --start $start --inventory "$fleet" --apply
expect_status 69

if command -v java >/dev/null && [ -e /usr/share/java/zookeeper.jar ]; then
    note "on ZooKeeper"
    export TAGOUT_STATE_DIR=$tmp/state-zk
    zk_start "$tmp/zk"
    at_exit zk_kill "$tmp/zk"
    TAGOUT_STORE=$(zk_url "$tmp/zk")/tagout
    export TAGOUT_STORE
    run "$TAGOUT" init
    expect_status 0
    zk_nodes() { zk_ask "$(zk_port "$tmp/zk")" mntr | sed -n 's/^zk_znode_count[[:space:]]*//p'; }
    booked
    killed_in_the_middle zk_nodes
    two_at_once
else
    note "no ZooKeeper here: only the embedded store was looked at"
fi
