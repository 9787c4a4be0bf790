#!/usr/bin/env bash
# Requests for maintenance with real commands, on the embedded store and on ZooKeeper: asked again and again, due, held up by locks, windows, calendars and clocks that are
# wrong, killed, doubled, rebooted (another boot id, in a namespace of its own), and the store gone in the middle. P1, P2, P5, P7, P8, P9.
# shellcheck disable=SC2154 # status, out, err, pid, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/zookeeper
. "$TAGOUT_SOURCE/tests/lib/zookeeper"
need_root
need java puppet python3 unshare

js() { python3 -c "import json, sys; d = json.load(sys.stdin); x = $1; print(x if isinstance(x, str) else json.dumps(x))"; } # EXPRESSION of d, what it reads
boot=$tmp/boot
cat /proc/sys/kernel/random/boot_id >"$boot"
# A host of this script's own: its name, its boot id, its configuration.
on() { # HOST COMMAND…
    local host=$1
    shift
    # shellcheck disable=SC2016 # for the inner shell
    unshare --uts --mount sh -c 'hostname "$1"; mount --bind "$2" /proc/sys/kernel/random/boot_id; shift 2; exec "$@"' _ "$host" "$boot" "$@"
}
t() { on web1 "$TAGOUT" --config "$tmp/tagout.yaml" "$@"; }
req() { t request "$@"; }
ops() { "$TAGOUT" --config "$tmp/tagout.yaml" "$@"; }
reboot_now() { cat /proc/sys/kernel/random/uuid >"$boot"; }

# Open, with less than a minute in which something that takes a quarter of an hour may begin: it is due at once.
open_now() {
    python3 - >"$tmp/calendar.yaml" <<'PYTHON'
import datetime as d
now = d.datetime.now(d.timezone.utc).replace(tzinfo=None)
print("default: closed\nzone: UTC\nwindows:\n  now: {start: \"%s\", duration: %ds}\n  later: {start: \"%s\", duration: 4h}" % (
    (now - d.timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S"), 3600 + 900 + 50, (now + d.timedelta(days=9)).strftime("%Y-%m-%d %H:%M:%S")))
PYTHON
}
close_now() { sed -i '/^  now:/d' "$tmp/calendar.yaml"; }

write_files() {
    mkdir -p "$tmp/bin"
    # What an activity does is what this file says: it ends with a status, or waits.
    cat >"$tmp/bin/act" <<END
#!/bin/sh
echo "\$1 \$TAGOUT_REQUEST_TRY" >>$tmp/acted
"$TAGOUT" --config $tmp/tagout.yaml check --actor config-management host:web1.example.com >>$tmp/checked 2>&1; echo "passes \$?" >>$tmp/checked
env -u TAGOUT_TOKEN -u TAGOUT_PERMIT "$TAGOUT" --config $tmp/tagout.yaml check --actor config-management host:web1.example.com >>$tmp/checked 2>&1; echo "others \$?" >>$tmp/checked
echo \$\$ >$tmp/pid
while [ -e $tmp/wait ]; do sleep 0.05; done
exit \$(cat $tmp/status 2>/dev/null || echo 0)
END
    chmod 755 "$tmp/bin/act"
    cat >"$tmp/hosts.yaml" <<'END'
groups:
  web: {hosts: "web[1-3].example.com"}
customers:
  acme: {contacts: [ops@acme.example], hosts: "web2.example.com", windows: ["Mon-Sun 22:00-04:00 Europe/Berlin"], lead: 3d}
END
    cat >"$tmp/tagout.yaml" <<END
store: $1
session: 4s
state-dir: $tmp/state
inventory: $tmp/hosts.yaml
calendar: $tmp/calendar.yaml
requests:
  activities:
    update: {run: [$tmp/bin/act, update], repeat: true, estimate: 5m}
    firmware: {run: [$tmp/bin/act, firmware], estimate: 5m}
    reboot: {run: [$tmp/bin/act, reboot], reboots: true, estimate: 5m}
    open: {run: [$tmp/bin/open], estimate: 5m}
    database: {run: [$tmp/bin/act, database], estimate: 5m}
END
}
acted() { cat "$tmp/acted" 2>/dev/null; }
fresh() { rm -f "$tmp/acted" "$tmp/checked" "$tmp/status" "$tmp/wait" "$tmp/pid"; }
state_of() { js '"; ".join("%s %s" % (q["activity"], q["state"]) for q in d["open"])' < <(req show -o json); }
past_of() { js '"%s %s" % (d["past"][0]["activity"], d["past"][0]["end"])' < <(req show -o json); }
expect_nothing_locked() {
    run ops locks
    expect_out "Nothing is locked"
    if [ -e "$tmp/state/requests.json" ]; then fail "a note is left"; else ok; fi
}

asked_for() {
    note "asked for again and again it is one; names that the host does not know are refused; ids and names find it"
    open_now
    run req submit --activity update --disruptive --reason "openssl"
    expect_status 0
    expect_out "Requested  "
    run req submit --activity update --disruptive --reason "openssl"
    expect_out "Requested already"
    run req list -o json
    expect_equal "$(js 'len(d)' <<<"$out")" 1 "requests"
    id=$(js 'd[0]["id"]' <<<"$out")
    run req submit --activity 'rm -rf /'
    expect_status 64
    run req submit --activity "\$(id)" --estimate 5m --host web2.example.com
    expect_status 64
    run req submit --activity nonsense --estimate 5m
    expect_status 78
    run req submit --activity update --host nobody.example.com
    expect_status 64
    run ops request show "${id,,}"
    expect_out "web1.example.com"
    run ops request cancel 00222222
    expect_status 1
    run req cancel reboot
    expect_status 0
    run req cancel database
    expect_status 0
    note "of a customer's host: his window, and three days ahead; a note of it lies in the store"
    run ops request submit --activity reboot --disruptive --estimate 10m --host web2.example.com -o json
    expect_status 0
    python3 - "$out" <<'PYTHON' || fail "the visit" "$out"
import datetime as d, json, sys
q = json.loads(sys.argv[1])
start = d.datetime.fromisoformat(q["visit"]["start"].replace("Z", "+00:00"))
assert start - d.datetime.now(d.timezone.utc) > d.timedelta(days=3, seconds=-60), start
assert q["customer"] == "acme" and q["visit"]["told"], q
PYTHON
    run ops request cancel "$(js 'd["id"]' <<<"$out")" --reason "not needed"
    expect_status 0
}

carried_out() {
    note "due: run under a lock that its own children pass and others do not; nothing is left"
    run req run-due
    expect_status 0
    expect_out "update ($id): done"
    expect_equal "$(acted)" "update 1" "what ran"
    expect_equal "$(grep -c 'passes 0' "$tmp/checked"),$(grep -c 'others 75' "$tmp/checked")" "1,1" "checks while it ran"
    expect_nothing_locked
    run req run-due
    expect_out "Nothing is due"
    expect_equal "$(past_of)" "update done" "the past"
}

not_now() {
    note "a lock of somebody's, a closed window, a calendar that can't be read: nothing is begun"
    fresh
    open_now
    req submit --activity update --disruptive >/dev/null
    lock=$(ops lock group:web --reason "move the rack" --for 1h -o json | js 'd["id"]')
    run req run-due
    expect_status 75
    expect_err "TAGOUT-HELD lock=$lock"
    ops unlock "$lock" >/dev/null
    mv "$tmp/calendar.yaml" "$tmp/calendar.good"
    echo 'windows: [' >"$tmp/calendar.yaml"
    run req run-due
    expect_status 69
    expect_err "nothing is begun"
    mv "$tmp/calendar.good" "$tmp/calendar.yaml"
    close_now
    run req run-due
    expect_status 0
    expect_out "its window has closed"
    expect_equal "$(acted)" "" "what ran"
    expect_nothing_locked
    run req cancel update
    expect_status 0
    note "what others may change is not run: P9"
    open_now
    cp "$tmp/bin/act" "$tmp/bin/open"
    chmod 777 "$tmp/bin/open"
    req submit --activity open --disruptive >/dev/null
    run req run-due
    expect_status 1
    expect_equal "$(past_of)" "open failed" "what became of it"
    expect_equal "$(acted)" "" "what ran"
    expect_nothing_locked
}

in_the_background() { # starts run-due, and waits until its command runs
    fresh
    : >"$tmp/wait"
    start due on web1 "$TAGOUT" --config "$tmp/tagout.yaml" request run-due
    await 20 test -s "$tmp/pid"
    due=$(pgrep -P "$pid") # the shell's child has become tagout
}
is_gone() { ! kill -0 "$1" 2>/dev/null; }

killed() {
    note "two at once: one waits for nobody; kill -9: its command ends with it, and only then may another begin"
    open_now
    req submit --activity update --disruptive >/dev/null
    req submit --activity firmware --disruptive >/dev/null
    in_the_background
    first=$(acted | cut -d' ' -f1)
    run req run-due
    expect_status 75
    expect_err "another run-due is at work"
    run req cancel "$first"
    expect_status 75
    kill -9 "$due"
    await 20 is_gone "$(<"$tmp/pid")"
    rm -f "$tmp/wait"
    await 20 req_lock_is_free
    run req run-due
    if [ "$first" = update ]; then
        expect_status 0
        expect_equal "$(state_of)" "" "what is open"
    else
        expect_status 80
        expect_out "held for a person"
        run req cancel firmware
        expect_out "still out of service"
    fi
    run req run-due
    expect_status 0
    expect_nothing_locked
    note "killed in the middle of what may not be repeated: held, out of service, until a person has looked"
    req cancel update >/dev/null
    open_now
    req submit --activity firmware --disruptive >/dev/null
    in_the_background
    kill -9 "$due"
    await 20 is_gone "$(<"$tmp/pid")"
    rm -f "$tmp/wait"
    await 20 req_lock_is_free
    run req run-due
    expect_status 80
    expect_equal "$(state_of)" "firmware held" "what is open"
    run req run-due
    expect_status 80
    expect_equal "$(acted)" "firmware 1" "what ran"
    run ops check --actor reboot host:web1.example.com
    expect_status 75
    run req show
    expect_out "look at the host; then: tagout request postpone"
    held_on_terminals
    run req cancel firmware --reason "looked: it is fine"
    expect_status 0
    run req run-due
    expect_status 0
    expect_nothing_locked
}
held_on_terminals() {
    local columns verb id
    id=$(req list -o json | js 'd[0]["id"]')
    why=$(req list -o json | js 'd[0]["why"]')
    for columns in 40 80; do
        for verb in status "request list" "request show web1.example.com"; do
            # shellcheck disable=SC2086 # words
            on_terminal $columns "$TAGOUT" --config "$tmp/tagout.yaml" $verb
            expect_true "$verb is $widest wide: $(<"$tmp/screen")" test "$widest" -le $columns
            tr -d ' \n' <"$tmp/screen" >"$tmp/squeezed"
            expect_true "what is held, and why, in $(<"$tmp/screen")" grep -qF "${why// /}" "$tmp/squeezed"
            [ "$verb" = "request list" ] || expect_true "and what to do, in $(<"$tmp/screen")" grep -qF "tagoutrequestpostpone$id--for0s" "$tmp/squeezed"
        done
    done
    run ops status
    expect_out "HELD    firmware of web1.example.com ($id)"
}
req_lock_is_free() { flock -n "$tmp/state/requests.lock" true; }

rebooted() {
    note "a reboot: the host stays locked until it is back, and then it is done"
    fresh
    open_now
    req submit --activity reboot --disruptive >/dev/null
    run req run-due
    expect_status 0
    expect_out "is going to reboot"
    run ops check --actor autoscaler host:web1.example.com
    expect_status 75
    run req list --state rebooting -o json
    expect_equal "$(js 'len(d)' <<<"$out")" 1 "rebooting"
    run req run-due
    expect_equal "$(acted)" "reboot 1" "what ran"
    reboot_now
    run req run-due
    expect_status 0
    expect_equal "$(past_of)" "reboot done" "what became of it"
    expect_equal "$(acted)" "reboot 1" "what ran"
    expect_nothing_locked
}

tried_again() {
    note "75: out of service until it has worked; 69: another time"
    fresh
    open_now
    echo 75 >"$tmp/status"
    req submit --activity update --disruptive >/dev/null
    run req run-due
    expect_status 75
    expect_equal "$(state_of)" "update retry" "what is open"
    echo 69 >"$tmp/status"
    run req run-due
    expect_status 0
    expect_equal "$(state_of)" "update scheduled" "what is open"
    expect_nothing_locked
    req cancel update >/dev/null
}

away() {
    note "the store goes away in the middle: the command ends, nothing is begun without it, and what may be repeated is, when it is back"
    fresh
    open_now
    req submit --activity update --disruptive >/dev/null
    in_the_background
    zk_kill "$zk"
    await 30 is_gone "$(<"$tmp/pid")"
    await 30 is_gone "$due"
    rm -f "$tmp/wait"
    run req run-due
    expect_status 69
    expect_equal "$(acted)" "update 1" "what ran"
    zk_start "$zk"
    open_now
    await 20 req_lock_is_free
    run req run-due
    expect_status 0
    expect_equal "$(acted)" "update 1
update 2" "what ran"
    expect_equal "$(past_of)" "update done" "what became of it"
    expect_nothing_locked
}

wrong_clock() {
    note "a clock that is an hour ahead of the store's opens nothing"
    need_build_compiler
    cat >"$tmp/ahead.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *at)
{
    int (*real)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
    int rc = real(id, at);
    if (id == CLOCK_REALTIME)
        at->tv_sec += 3600;
    return rc;
}
END
    "$cc" -shared -fPIC -o "$tmp/ahead.so" "$tmp/ahead.c" -ldl
    fresh
    open_now
    req submit --activity update --disruptive --after 1s >/dev/null
    python3 - "$tmp/calendar.yaml" <<'PYTHON'
import sys
open(sys.argv[1], "w").write("default: open\n")
PYTHON
    before=$(req show -o json | js 'd["open"][0]["visit"]')
    local ahead=(on web1 env LD_PRELOAD="$tmp/ahead.so" ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" "$TAGOUT" --config "$tmp/tagout.yaml")
    run "${ahead[@]}" request run-due
    expect_status 69
    expect_err "ahead of the store's"
    run "${ahead[@]}" request submit --activity firmware
    expect_status 69
    expect_equal "$(req show -o json | js 'd["open"][0]["visit"]')" "$before" "the visit, by a clock that is wrong"
    expect_equal "$(acted)" "" "what ran"
    expect_nothing_locked
    req cancel update >/dev/null
    note "nor has it a host held that is about to reboot"
    fresh
    open_now
    req submit --activity reboot --disruptive >/dev/null
    run req run-due
    expect_out "is going to reboot"
    run "${ahead[@]}" request run-due
    expect_status 69
    expect_err "ahead of the store's"
    expect_equal "$(state_of)" "reboot rebooting" "what is open"
    reboot_now
    run req run-due
    expect_status 0
    expect_equal "$(past_of)" "reboot done" "what became of it"
    expect_nothing_locked
}

damaged() {
    note "a host's record that is damaged: list shows all others, says which it can't, and ends with 69; a damaged list of held ones hides nobody"
    fresh
    open_now
    echo 80 >"$tmp/status"
    req submit --activity firmware --disruptive >/dev/null
    run req run-due
    expect_status 80
    ops request submit --activity reboot --estimate 10m --host web3.example.com >/dev/null
    change() { # PATH TEXT
        python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); print(d.execute("select data from node where path like ?", (sys.argv[2],)).fetchone()[0].decode()); d.execute("update node set data = ? where path like ?", (sys.argv[3].encode(), sys.argv[2])); d.commit()' \
            "$tmp/store.db" "$@"
    }
    was=$(change '/requests/%/web3%' 'no record')
    run req list
    expect_status 69
    expect_out "firmware !"
    expect_err "web3.example.com: "
    run req list web1.example.com
    expect_status 0
    change '/requests/%/web3%' "$was" >/dev/null
    change "$(dirname "$(python3 -c 'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("select path from node where path like ?", ("/requests/%/web1%",)).fetchone()[0])' "$tmp/store.db")")" '{"held":' >/dev/null
    run ops doctor
    expect_out "1 host has requests that are held"
    expect_out "the list mends itself"
    run ops status
    expect_out "firmware of web1.example.com"
    ops request cancel reboot --host web3.example.com >/dev/null
    req cancel firmware >/dev/null
    run req run-due
    expect_nothing_locked
    run ops doctor
    expect_out "no request is held for a person"
    expect_no_out "mends itself"
}

by_puppet() {
    note "Puppet asks at each run, and says when it is not wanted any more"
    printf '#!/bin/sh\nexec "%s" --config "%s" "$@"\n' "$TAGOUT" "$tmp/tagout.yaml" >"$tmp/bin/tagout"
    chmod 755 "$tmp/bin/tagout"
    cat "$TAGOUT_SOURCE/contrib/examples/requests/reboot.pp" - >"$tmp/site.pp" <<END
class { 'reboot_request': tagout => '$tmp/bin/tagout', wanted => '$tmp/wanted' }
END
    puppet() { on web1 puppet apply --color=false --detailed-exitcodes --confdir "$tmp/puppet" --vardir "$tmp/puppet/var" "$tmp/site.pp"; }
    open_now
    : >"$tmp/wanted"
    run puppet
    expect_status 2
    run puppet
    expect_status 2
    run req list --activity reboot -o json
    expect_equal "$(js '["%s by %s" % (q["state"] in ("due", "scheduled"), q["owner"]) for q in d]' <<<"$out")" '["True by root@web1"]' "requests"
    rm "$tmp/wanted"
    run puppet
    expect_status 2
    expect_equal "$(state_of)" "" "what is open"
}

calendar_changes() {
    note "a calendar that changes, and a week that is booked: list says so, the next run-due looks anew, once, and moves what is forbidden"
    fresh
    printf 'default: open\n' >"$tmp/calendar.yaml"
    req submit --activity update --disruptive --after 2d >/dev/null
    visit() { req show -o json | js 'd["open"][0]["visit"]["start"]'; }
    outdated() { req list -o json | js '[q["outdated"] for q in d]'; }
    before=$(visit)
    expect_equal "$(outdated)" "[false]" "by other things"
    printf 'default: open\nblackouts:\n  then: {start: "%s", duration: 9d}\n' "$(date -u -d '+1 day' '+%Y-%m-%d %H:%M:%S')" >"$tmp/calendar.yaml"
    expect_equal "$(outdated)" "[true]" "by other things"
    run req list
    expect_out "have changed since"
    run req run-due
    expect_status 0
    expect_out "have changed: to be at"
    if [ "$(visit)" = "$before" ]; then fail "it lies in the blackout" "$before"; else ok; fi
    expect_equal "$(outdated)" "[false]" "by other things"
    run req run-due
    expect_status 0
    if [[ $out == *"to be at"* ]]; then fail "laid anew twice" "$out"; else ok; fi
    printf 'week: w\nlocation: "@web"\nlength: 2h\nslots:\n  - {name: a, day: wed, time: "09:00", who: {hosts: "@web", take: the rest}}\n' >"$tmp/w.week.yaml"
    before=$(visit)
    monday=$(date -u -d "${before:0:10} -$(($(date -u -d "${before:0:10}" +%u) - 1)) day" +%Y-%m-%d)
    run ops calendar week plan "$tmp/w.week.yaml" --start "$monday" --apply
    expect_status 0
    run req run-due
    expect_status 0
    expect_out "have changed: to be at"
    expect_equal "$(outdated)" "[false]" "by other things"
    req cancel update >/dev/null
    expect_nothing_locked
}

begin() { # URL
    rm -rf "$tmp/state"
    fresh
    open_now
    write_files "$1"
    ops init >/dev/null
    asked_for
    carried_out
    calendar_changes
}

note "== the embedded store"
begin "local:$tmp/store.db"
not_now
rebooted
tried_again
killed
damaged
by_puppet
note "== ZooKeeper"
zk=$tmp/zk
at_exit zk_kill "$zk"
zk_start "$zk"
begin "$(zk_url "$zk")/tagout"
away
wrong_clock
