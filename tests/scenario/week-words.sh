#!/usr/bin/env bash
# What people say of a week's slots by hand: a word about a slot does not turn a host that failed into one that is done, nothing is said of what can't be known, and
# what is refused says why and what to type. P5, P7.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
need python3 sqlite3 zic unshare
need_root

# Slots begin with a minute: in sixty zones, each a second further from UTC, one of them begins soon. In all of them it is noon, so that no slot reaches past midnight,
# whenever this is run.
noon=$(((12 - 10#$(date -u +%H)) * 3600))
mkdir "$tmp/zones"
zone() { # SECONDS: [-]H:MM:SS
    local s=${1#-}
    printf '%s%d:%02d:%02d' "$([ "$1" -ge 0 ] || echo -)" $((s / 3600)) $((s / 60 % 60)) $((s % 60))
}
for ((i = 0; i < 60; i++)); do printf 'Zone Second/%02d %s - S%02d\n' $i "$(zone $((noon + i)))" $i; done >"$tmp/zones.txt"
zic -d "$tmp/zones" "$tmp/zones.txt"
tagout() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --propagation private bash -c 'mount --bind "$1" /usr/share/zoneinfo && shift && exec "$@"' _ "$tmp/zones" "$TAGOUT" --config "$tmp/site.yaml" "$@"
}
cat >"$tmp/inventory.yaml" <<'YAML'
hosts:
  web[1-3].example.com: {}
  db1.example.com: {}
customers:
  acme: {contacts: [acme@acme.example], hosts: "web[1-3].example.com"}
YAML
cat >"$tmp/site.yaml" <<YAML
store: local:$tmp/store.db
inventory: $tmp/inventory.yaml
state-dir: $tmp/state
owner: alice@ops1
announce: {from: ops@ops.example, smtp: {url: "smtp://127.0.0.1:$(free_port)", tls: none}, settle: 0s}
YAML
tagout init >/dev/null
there() { date -u -d "@$(($1 + noon))" "+$2"; } # SECONDS FORMAT: what clocks show in these zones
slot() {                                        # NAME BEGIN LENGTH WHO
    local odd=$(((60 - $2 % 60) % 60)) day
    day=$(there $(($2 + odd)) %a)
    printf '  - {name: %s, zone: Second/%02d, day: %s, time: "%s", length: %s, who: "%s"}\n' "$1" $odd "${day,,}" "$(there $(($2 + odd)) %H:%M)" "$3" "$4"
}
book() { # BEGIN: of its first slot
    local day
    day=$(there "$1" %a)
    {
        printf 'week: w\nbegins: %s\nslots:\n' "${day,,}"
        slot now "$1" 30m 'web[1-3].example.com'
        slot later $(($1 + 7200)) 30m db1.example.com
    } >"$tmp/week.yaml"
    week=w-$(there "$1" %F)
    run tagout calendar week plan "$tmp/week.yaml" --start "${week#w-}" --apply
}
for after in 5 15 40; do # later when this machine is too slow for that
    book $(($(date +%s) + after))
    [ "$status" = 64 ] || break
done
expect_status 0
week() { run tagout calendar week "$1" "$week" "${@:2}"; }
js() { python3 -c "import json,sys; d=json.load(sys.stdin); print($1)"; }

note "not yet: what the slot's time is, and what clocks show"
week begin later
expect_status 64
expect_match "db1.example.com has slot later, from [-0-9]+ [0-9:]+ UTC to [-0-9]+ [0-9:]+ UTC, and now it is [-0-9]+ [0-9:]+ UTC: it can't have begun in it now"
week "done" later
expect_status 64
expect_err "it can't have ended yet"
week begin 'web*'
expect_status 64
expect_err "hosts by their names, such as web[1-3].example.com, or one slot: tagout calendar week show $week has both"

note "a host that failed stays failed when its slot is said to be done"
has_begun() { tagout calendar week begin "$week" >"$tmp/begun" 2>&1; }
await 60 has_begun
expect_file_has "$tmp/begun" "When they are through: tagout calendar week done $week"
run tagout doctor
expect_out '1 booked, and can be read'

note "status has the week on a narrow terminal, and for programs"
# shellcheck disable=SC2016 # for the inner shell
on_terminal 40 unshare --mount --propagation private bash -c 'mount --bind "$1" /usr/share/zoneinfo && shift && exec "$@"' _ "$tmp/zones" "$TAGOUT" --config "$tmp/site.yaml" status
sed -E "s/$week/w-2026-11-30/; s/[0-9]{2}:[0-9]{2}/09:00/g" "$tmp/screen" >"$tmp/shown"
expect_true "the screen" diff -u "$TAGOUT_SOURCE/tests/data/screens/status-week-40.txt" "$tmp/shown"
if [ "$widest" -le 40 ]; then ok; else fail "$widest columns"; fi
# shellcheck disable=SC2016 # for the inner shell
on_terminal 40 unshare --mount --propagation private bash -c 'mount --bind "$1" /usr/share/zoneinfo && shift && exec "$@"' _ "$tmp/zones" "$TAGOUT" --config "$tmp/site.yaml" calendar week show "$week"
if [ "$widest" -le 40 ]; then ok; else fail "$widest columns" "$(<"$tmp/screen")"; fi
expect_file_has "$tmp/screen" '  of 3 hosts 0 done, 0 failed, 3 begun,'
run tagout status -o json
expect_status 0
expect_equal "$(js '[(w["week"], w["state"], w["begun"], w["done"], [s["state"] for s in w["progress"]]) for w in d if "week" in w]' <<<"$out")" \
    "[('$week', 'now', 3, 0, ['begun', 'to come'])]" "the week"

week failed web2.example.com
expect_status 0
week "done" now
expect_status 0
expect_out 'Noted: 2 hosts'
expect_out '1 host was through before, and stays as it was: to say otherwise, name it.'
week show -o json
expect_equal "$(js '[(s["done"], s["failed"], s["hosts-failed"]) for s in d["progress"]][0]' <<<"$out")" "(2, 1, 'web2.example.com')" "the slot"
run tagout announce send
run tagout announce list -o json
name=$(js 'd["announcements"][0]["name"]' <<<"$out")
run tagout announce show "$name"
expect_out 'failed: web2.example.com'

note "the same again moves nothing, and a slot that is through is not begun anew"
week show -o json
ended=$(js 'd["progress"][0]["ended"]' <<<"$out")
week "done" now -o json
expect_equal "$(js '(d["count"], d["kept"], d["changed"])' <<<"$out")" '(2, 1, False)' "what it says"
week show -o json
expect_equal "$(js 'd["progress"][0]["ended"]' <<<"$out")" "$ended" "its end"
week begin now
expect_status 0
expect_out '3 hosts were through before'
week show -o json
expect_equal "$(js 'd["progress"][0]["begun"]' <<<"$out")" 0 "begun"

note "who is named is meant, also by a word that puts another one right"
week "done" web2.example.com
expect_out 'Noted: 1 host'
week show -o json
expect_equal "$(js '(d["progress"][0]["done"], d["progress"][0]["failed"])' <<<"$out")" '(3, 0)' "put right"

note "P2: an old copy of the store takes back nothing that was said"
keep() { sqlite3 "$tmp/store.db" ".backup $tmp/$1.db"; } # NAME
put_back() {                                             # NAME
    rm -f "$tmp"/store.db "$tmp"/store.db-*
    cp "$tmp/$1.db" "$tmp/store.db"
}
keep old
week failed web3.example.com
expect_out 'Noted: 1 host'
keep new
put_back old
for verb in show "done"; do
    week $verb
    expect_status 69
    expect_err 'it is an old copy'
done
put_back new
week "done" web3.example.com
expect_out 'Noted: 1 host'

note "booked anew by the same name: what had begun before is said by the name of that one, and whoever does not know it is told the command"
week begin 'web[1-2].example.com'
expect_status 0
run tagout calendar week cancel "$week" --reason "the customer called"
expect_status 0
book $(($(date +%s) + 3600))
expect_status 0
week "done" web1.example.com
expect_status 64
expect_err 'web1.example.com has slot now, from '
before='1 host had begun in the week of that name that was cancelled by alice@ops1, and is begun there still'
expect_err "$before: "
command=$(sed -n "s/.*begun there still: tagout //p" <<<"$err")
if [[ $command =~ ^calendar\ week\ done\ $week\.[0-9a-f]+\ web1\.example\.com$ ]]; then ok; else fail "no command" "$(got)"; fi
week failed web3.example.com # was through then, and is of the other one
expect_status 64
expect_no_err 'of that name'
week "done" db9.example.com
expect_status 64
expect_err 'name hosts as tagout calendar week show'
week failed
expect_err "2 hosts had begun in the week of that name that was cancelled by alice@ops1, and are begun there still: tagout calendar week failed $week."
expect_err " 'web[1-2].example.com'"
# shellcheck disable=SC2086 # words
run tagout $command
expect_out 'Noted: 1 host'
week "done" web1.example.com
expect_status 64
expect_no_err 'of that name'
run tagout calendar week cancel "$week" --reason "once more"
expect_status 0
week "done" web2.example.com
expect_status 0
expect_out 'Noted: 1 host'
week show
expect_status 0
expect_match 'now +done +3 +3 +0 +0 +0'
expect_out 'Cancelled by alice@ops1, '

note "P2, P12: what can't be understood is no \"nothing is known\", for doctor as well"
sqlite3 "$tmp/store.db" "update node set data = cast(replace(cast(data as text), 'done', 'dune') as blob) where path glob '/calendar/*/marks-*'"
run tagout doctor
expect_status 69
expect_out "1 booked, and 1 can't be understood"
expect_out "$week: calendar/"
run tagout announce send
expect_status 69
expect_err "week $week: calendar/"
