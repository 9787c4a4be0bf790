#!/usr/bin/env bash
# P5: a run over a booked maintenance week on real hosts with real Puppet: it waits for its hosts' slots, works in them, stands still between them, and obeys what people cancel
# and book anew at once; a host without a slot is told of. On the embedded store and on ZooKeeper at the same time.
# shellcheck disable=SC2154 # status, out, err, pid, tmp, fleet come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/zookeeper
. "$TAGOUT_SOURCE/tests/lib/zookeeper"
need puppet python3 zic unshare
need_root

stores=(local)
hosts='m1 m2 m3' # names whose moments are early in a window
if command -v java >/dev/null && [ -e /usr/share/java/zookeeper.jar ]; then
    stores+=(zk)
    hosts+=' s1 s2 s3'
fi
# shellcheck disable=SC2086
fleet_up "$(wc -w <<<"$hosts")" --hosts "$hosts"

# Slots begin with a minute: in sixty zones, each a second further from UTC, one of them begins soon.
mkdir "$tmp/zones"
for ((i = 0; i < 60; i++)); do printf 'Zone Second/%02d 0:00:%02d - S%02d\n' $i $i $i; done >"$tmp/zones.txt"
zic -d "$tmp/zones" "$tmp/zones.txt"
cat >"$tmp/tagout" <<TEXT
#!/usr/bin/env bash
exec unshare --mount --propagation private bash -c 'mount --bind "$tmp/zones" /usr/share/zoneinfo && exec "$TAGOUT" "\$@"' tagout "\$@"
TEXT
chmod +x "$tmp/tagout"
t() { "$tmp/tagout" --config "$tmp/$1.yaml" "${@:2}"; } # STORE COMMAND…

for host in $hosts; do
    fleet exec "$host" sh -c 'mkdir -p /srv/p; cat >/srv/p/site.pp' <<'TEXT'
exec { 'change': command => 'date +%s >>/srv/p/log', provider => shell }
TEXT
done
printf 'default: closed\n' >"$tmp/calendar.yaml"
cat >"$tmp/rollout.yaml" <<TEXT
rollout: patch
change: {puppet: {manifest: /srv/p/site.pp}}
targets: "HOSTS"
stages: maintenance-week
limits: {running: 2}
estimate: 35s
TEXT
site() { # STORE URL PREFIX
    cp "$fleet/ssh/known_hosts" "$tmp/$1.known"
    cat >"$tmp/$1.yaml" <<TEXT
store: $2
inventory: $fleet/inventory.yaml
calendar: $tmp/calendar.yaml
state-dir: $tmp/state-$1
owner: alice@ops1
ssh: {identity: $fleet/ssh/id_ed25519, known-hosts: $tmp/$1.known, config: none}
TEXT
    sed "s/HOSTS/$3?.example.com/" "$tmp/rollout.yaml" >"$tmp/rollout-$1.yaml"
    t "$1" init >/dev/null
}
site local "local:$tmp/store.db" m
if [ "${#stores[@]}" = 2 ]; then
    zk_start "$tmp/zk"
    at_exit zk_kill "$tmp/zk"
    site zk "$(zk_url "$tmp/zk")/tagout" s
fi
declare -A prefix=([local]=m [zk]=s) id driver
each() { # COMMAND STORE: for every store
    local s
    for s in "${stores[@]}"; do "$@" "$s"; done
}

slot() { # NAME SECONDS HOSTS: begins then
    local odd=$(((60 - $2 % 60) % 60))
    date -u -d "@$(($2 + odd))" "+  - {name: $1, zone: Second/$(printf %02d $odd), day: %a, time: \"%H:%M\", who: \"$3\"}" | sed 's/day: \(...\)/day: \L\1/'
}
# Books SLOT… of NAME AFTER SUFFIX each, the first AFTER seconds from now; later when this machine was too slow for that. $began is when.
book() { # STORE LOCATION SLOTS-FUNCTION
    local after
    for after in 10 20 40; do
        began=$(($(date +%s) + after))
        {
            printf 'week: patch\nlength: 3m\nlocation: "%s"\nbegins: %s\nslots:\n' "$2" "$(date -u -d "@$began" +%a | tr '[:upper:]' '[:lower:]')"
            "$3" "${prefix[$1]}"
        } >"$tmp/week-$1.yaml"
        run t "$1" calendar week plan "$tmp/week-$1.yaml" --start "$(date -u -d "@$began" +%F)" --apply
        [ "$status" = 64 ] || break
    done
    expect_status 0
    week[$1]=patch-$(date -u -d "@$began" +%F)
}
declare -A week
changes() { fleet exec "$1" sh -c 'cat /srv/p/log 2>/dev/null' | wc -l; } # HOST
changed_at() { fleet exec "$1" cat /srv/p/log; }
shown() { t "$1" status "${id[$1]}" | tr -s ' \n' ' '; }
shows() { grep -Eq "$2" < <(shown "$1"); } # STORE PATTERN
has_changed() { [ "$(changes "$1")" = 1 ]; }
untouched() { # STORE HOST…
    local host
    for host in "${@:2}"; do expect_equal "$(changes "${prefix[$1]}$host")" 0 "changes of ${prefix[$1]}$host"; done
}

declare -A first
two_slots() { # PREFIX
    slot first "$began" "${1}1.example.com"
    slot second $((began + 3600)) "${1}2.example.com"
}
note "a week is booked, and a run waits for its slots; who has none is told of"
begin() { # STORE
    book "$1" "${prefix[$1]}1.example.com or ${prefix[$1]}2.example.com" two_slots
    first[$1]=$began
    run t "$1" plan "$tmp/rollout-$1.yaml"
    expect_status 0
    expect_match 'week patch-[-0-9]*, slot first: 1 host, '
    expect_match 'week patch-[-0-9]*, slot second: 1 host, from'
    expect_match "Warning: 1 host \\(${prefix[$1]}3.example.com\\) has no window that is ever"
    start "run-$1" "$tmp/tagout" --config "$tmp/$1.yaml" run --yes "$tmp/rollout-$1.yaml"
    driver[$1]=$pid
}
each begin
named() { grep -q patch < <(sed -n 1p "$tmp/run-$1.log"); }
for s in "${stores[@]}"; do
    await 20 named "$s"
    id[$s]=$(head -1 "$tmp/run-$s.log")
done

note "it works in the first slot, and stands still between the slots"
between() { # STORE
    await 60 has_changed "${prefix[$1]}1"
    if [ "$(changed_at "${prefix[$1]}1")" -ge "${first[$1]}" ]; then ok; else fail "${prefix[$1]}1 was changed before its slot"; fi
    untouched "$1" 2 3
    await 20 shows "$1" 'waits for window week patch-[-0-9]*, slot second, opens'
    t "$1" pause "${id[$1]}" --reason "is it still wanted" >/dev/null
}
each between

note "a week that is cancelled while its slot is open is obeyed at once"
second_slot() { slot second "$began" "${1}2.example.com"; } # PREFIX
cancel() { # STORE
    t "$1" calendar week cancel "${week[$1]}" --reason "sooner" >/dev/null
    book "$1" "${prefix[$1]}2.example.com" second_slot
    # shellcheck disable=SC2317 # await calls it
    opened() { [ "$(date +%s)" -ge "$began" ]; }
    await 40 opened
    untouched "$1" 2 3
    run t "$1" calendar week cancel "${week[$1]}" --reason "the customer called"
    expect_status 0
    t "$1" resume "${id[$1]}" >/dev/null
    await 20 shows "$1" 'they have no window: neither the calendar nor a booked week has one for them'
    untouched "$1" 2 3
}
each cancel

note "and a week that is booked anew as well: the rest has its slot there, and the run ends"
last_slot() { slot last "$began" "${1}2.example.com or ${1}3.example.com"; } # PREFIX
declare -A again
rebook() { # STORE
    book "$1" "${prefix[$1]}2.example.com or ${prefix[$1]}3.example.com" last_slot
    again[$1]=$began
}
each rebook
gone() { ! kill -0 "$1"; }
ended() { # STORE
    local host status=0
    await 60 gone "${driver[$1]}" || cat "$tmp/run-$1.log"
    kill "${driver[$1]}" 2>/dev/null || true
    wait "${driver[$1]}" || status=$?
    expect_equal "$status" 0 "status of the run"
    for host in 2 3; do
        expect_equal "$(changes "${prefix[$1]}$host")" 1 "changes of ${prefix[$1]}$host"
        if [ "$(changed_at "${prefix[$1]}$host")" -ge "${again[$1]}" ]; then ok; else fail "${prefix[$1]}$host was changed before its slot"; fi
    done
    expect_file_has "$tmp/run-$1.log" 'nothing left locked'
}
each ended
