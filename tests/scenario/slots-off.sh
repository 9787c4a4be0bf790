#!/usr/bin/env bash
# A booked week that is cancelled in the middle of a slot, on real hosts with real Puppet: what had begun keeps its mark, is seen, and is said to have ended, by the run,
# by one that goes on behind kill -9, and by hand. On the embedded store and on ZooKeeper at the same time. P7, P12.
# shellcheck disable=SC2154 # status, out, err, pid, tmp, fleet come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/zookeeper
. "$TAGOUT_SOURCE/tests/lib/zookeeper"
need puppet python3

stores=(local)
hosts='m1 m2 m3'
if command -v java >/dev/null && [ -e /usr/share/java/zookeeper.jar ]; then
    stores+=(zk)
    hosts+=' s1 s2 s3'
fi
declare -A prefix=([local]=m [zk]=s) id driver
# shellcheck disable=SC2086
fleet_up "$(wc -w <<<"$hosts")" --hosts "$hosts"
# shellcheck disable=SC2086
fleet_change $hosts
echo 'default: closed' >"$tmp/calendar.yaml"
site() { # STORE URL
    local known_hosts=$tmp/$1.known
    cp "$fleet/ssh/known_hosts" "$known_hosts"
    fleet_site "$2" "calendar: $tmp/calendar.yaml"
    sed "s!state-dir: .*!state-dir: $tmp/state-$1!" "$tmp/site.yaml" >"$tmp/$1.yaml"
    cat >"$tmp/rollout-$1.yaml" <<TEXT
rollout: patch
change: {puppet: {manifest: /srv/p/site.pp}}
targets: "${prefix[$1]}[1-2].example.com"
stages: [{name: all}]
limits: {running: 1}
estimate: 1m
TEXT
}
site local "local:$tmp/store.db"
if [ "${#stores[@]}" = 2 ]; then
    zk_start "$tmp/zk"
    at_exit zk_kill "$tmp/zk"
    site zk "$(zk_url "$tmp/zk")/tagout"
fi
t() { "$TAGOUT" --config "$tmp/$1.yaml" "${@:2}"; } # STORE COMMAND…
each() { # COMMAND: for every store
    local s
    for s in "${stores[@]}"; do "$1" "$s"; done
}
js() { python3 -c "import json,sys; d=json.load(sys.stdin); print(json.dumps($1))"; }
state() { t "$1" calendar week show "$week" -o json | js "{s['slot']: s['state'] for s in d['progress']}['$2']"; } # STORE SLOT
is() { [ "$(state "$1" "$2")" = "\"$3\"" ]; }                                                                       # STORE SLOT STATE
log_has() { fleet exec "$1" grep -qs "$2" /srv/p/log; }
for h in $hosts; do fleet exec "$h" rm /srv/p/go; done

note "a run waits for the slot of the next minute, and begins with the first of two hosts"
at=$((($(date +%s) + 20) / 60 * 60 + 60)) # so long two weeks may take to be booked
day=$(LC_ALL=C date -u -d "@$at" +%a) time=$(date -u -d "@$at" +%H:%M)
week=w-$(date -u -d "@$at" +%F)
begin() { # STORE
    cat >"$tmp/week-$1.yaml" <<YAML
week: w
location: "${prefix[$1]}?.example.com"
begins: ${day,,}
slots:
  - {name: run, day: ${day,,}, time: "$time", length: 30m, who: "${prefix[$1]}[1-2].example.com"}
  - {name: hand, day: ${day,,}, time: "$time", length: 30m, who: "${prefix[$1]}3.example.com"}
YAML
    run t "$1" calendar week plan "$tmp/week-$1.yaml" --start "$(date -u -d "@$at" +%F)" --apply
    expect_status 0
    start "run-$1" "$TAGOUT" --config "$tmp/$1.yaml" run --yes "$tmp/rollout-$1.yaml"
    driver[$1]=$pid
}
each begin

note "the week is cancelled in the middle of it: what has begun is seen still"
marks() { # what the embedded store has of the first shard
    python3 - "$tmp/store.db" "$@" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20)
if len(sys.argv) > 2:
    db.execute("UPDATE node SET data = ?, version = version + 1 WHERE path LIKE '/calendar/%/marks-000'", (open(sys.argv[2], "rb").read(),))
    db.commit()
else:
    sys.stdout.buffer.write(db.execute("SELECT data FROM node WHERE path LIKE '/calendar/%/marks-000'").fetchone()[0])
PY
}
cancel() { # STORE
    await 120 log_has "${prefix[$1]}1" begun
    await 30 is "$1" run begun
    id[$1]=$(head -1 "$tmp/run-$1.log")
    run t "$1" calendar week begin "$week" hand
    expect_status 0
    run t "$1" calendar week cancel "$week" --reason "the customer called"
    expect_status 0
    expect_out "What has begun is not stopped by that, and its customers hear how it ends: tagout calendar week show $week"
    run t "$1" status
    expect_match "WEEK +$week, cancelled: of 3 hosts 0 done, 0 failed, 2 begun"
    expect_match 'run, .*: begun; of 2 hosts 0 done, 0 failed, 1 begun, 1 not begun'
    run t "$1" status -o json
    expect_equal "$(js '[(w["state"], w["begun"], w["unsaid"]) for w in d if "week" in w]' <<<"$out")" '[["cancelled", 2, []]]'
    run t "$1" calendar week show "$week"
    expect_match 'run +begun +2 +0 +0 +1 +1'
    expect_out "Begun, and not known to be through, in run: ${prefix[$1]}1.example.com"
    expect_match 'Cancelled by alice@ops1, .*: the customer called'
    run t "$1" calendar week begin "$week" "${prefix[$1]}2.example.com"
    expect_status 1
    expect_err 'was cancelled by alice@ops1: the customer called'
}
each cancel
marks >"$tmp/begun"

note "people say how it ended of what they had begun, and of nothing else"
by_hand() { # STORE
    run t "$1" calendar week "done" "$week" hand
    expect_status 0
    expect_out 'Noted: 1 host'
    expect_true "hand is done" is "$1" hand "done"
    run t "$1" calendar week "done" "$week" hand
    expect_status 0
}
each by_hand

note "its driver is killed; the one that goes on says how it ended"
resume() { # STORE
    kill -9 "${driver[$1]}"
    wait "${driver[$1]}" 2>/dev/null || true
    fleet exec "${prefix[$1]}1" touch /srv/p/go
    start "run-$1" "$TAGOUT" --config "$tmp/$1.yaml" run --resume "${id[$1]}" --wait 1m
    driver[$1]=$pid
    await 120 is "$1" run "done"
    run t "$1" calendar week show "$week"
    expect_match 'run +done +2 +1 +0 +0 +1'
    run t "$1" status
    expect_no_out WEEK
    run t "$1" abort "${id[$1]}" --reason "it is off"
    expect_status 0
    wait "${driver[$1]}" || true
    expect_equal "$(fleet exec "${prefix[$1]}2" sh -c 'cat /srv/p/log 2>/dev/null' | wc -l)" 0 "what had not begun"
}
each resume

note "a driver that was killed behind the last of its journal: status and doctor tell, and --resume says it"
marks "$tmp/begun"
run t local status
expect_match "$week: run ${id[local]} has ended, and how 1 host of it ended in its slot was not noted. To do so: tagout run --resume ${id[local]}"
expect_match "of whom it does not know it either: tagout calendar week done\|failed $week\.[0-9a-f]+ HOST"
run t local status -o json
expect_equal "$(js '[w["unsaid"] for w in d if "week" in w]' <<<"$out")" "[[{\"run\": \"${id[local]}\", \"count\": 1}]]"
run t local doctor
expect_match '2 booked|1 booked; 1 runs? ha(s|ve) ended'
expect_out "To do so: tagout run --resume ${id[local]}"
run t local run --resume "${id[local]}"
expect_status 0
expect_out 'how its hosts ended in the slots of booked weeks is noted now'
run t local calendar week show "$week"
expect_match 'run +done +2 +1 +0 +0 +1'
run t local run --resume "${id[local]}"
expect_status 1
expect_err 'has ended'
