#!/usr/bin/env bash
# The calendar from the outside: show, next, fits, why, check, export; the exit statuses that scripts rely on; the way through .ics and back.
# P5: what can't be read opens nothing.
source "$(dirname "$0")/lib.sh"
cd "$tmp" || exit 1
export TAGOUT_STATE_DIR=$tmp COLUMNS=80

cat >inventory.yaml <<'YAML'
groups:
  web: {hosts: "web[1-3].example.com"}
  db: {hosts: "db[1-2].example.com"}
customers:
  acme: {contacts: [ops@acme.example], hosts: db1.example.com, windows: ["Mon-Thu 22:00-04:00 Europe/Berlin"], lead: 3d}
  zeta: {hosts: web3.example.com}
YAML
cat >calendar.yaml <<'YAML'
zone: Europe/Berlin
cut-off: 10m
windows:
  office: {hours: "Mon-Fri 09:00-17:00"}
  web:    {for: group:web, start: 2026-01-05 22:00, rule: "FREQ=WEEKLY;BYDAY=MO,WE", duration: 6h, cut-off: 30m}
  past:   {for: host:web1.example.com, start: 2025-01-05 22:00, duration: 1h}
blackouts:
  friday:  {hours: "Fri 14:00-24:00"}
  holiday: {ics: holidays.ics}
YAML
printf 'BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Thanks\\, giving\r\nDTSTART;VALUE=DATE:20261126\r\nRRULE:FREQ=YEARLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n' >holidays.ics
printf 'calendar: calendar.yaml\ninventory: inventory.yaml\n' >site.yaml
cal() { run "$TAGOUT" calendar "$@" -c site.yaml; }

note "inventory check says what each customer has"
run "$TAGOUT" inventory check -c site.yaml
expect_status 0
expect_out 'inventory.yaml: 5 hosts, 2 groups, 2 customers, 0 attributes'
expect_out 'acme          1         1        1  3d'
expect_out 'zeta          1         0        0  -'
run "$TAGOUT" inventory check -c site.yaml -o json
expect_out '"lead-s": 259200'

note "next and fits say now, later, never by their exit status"
cal next db2.example.com --at '2026-11-23 10:00'
expect_status 0
expect_out 'now'
cal next db2.example.com web2.example.com --at '2026-11-23 10:00'
expect_status 65 # two words are no selector
cal next 'db2.example.com or web2.example.com' --at '2026-11-23 10:00'
expect_status 75
expect_out 'Mon 2026-11-23 22:00  12h'
cal next fleet --at '2026-11-23 10:00'
expect_status 1
expect_out 'never'
cal fits 20m db2.example.com --at '2026-11-23 16:35'
expect_status 0
cal fits 20m db2.example.com --at '2026-11-23 16:45'
expect_status 75
cal fits 20m db2.example.com --at '2026-11-27 13:45' # the blackout comes before the end of the office hours
expect_status 75
expect_out '2026-11-30 09:00'
cal fits 20m db2.example.com --at '2026-11-23T15:35:00Z' -o json
expect_status 0
expect_out '"now": true'
expect_out '"over-by": "2026-11-23T16:00:00Z"'
cal fits 9h 'db2.example.com or web2.example.com' --at '2026-11-23 10:00'
expect_status 1
expect_match '     1  never .* db2.example.com'
expect_out '        the most there is within ten years are 8h from Tue 2026-11-24 09:00 on, in window "office" for fleet'
expect_out '        the most there is within ten years are 6h from Mon 2026-11-23 22:00 on, in window "web" for group:web'
cal fits 9h db2.example.com --at '2026-11-23 10:00' -o json
expect_status 1
expect_out '"ms": 28800000'
expect_out '"window": "office"'
cal fits 9h web1.example.com --at '2026-11-23 10:00' # its only window is past
expect_status 1
expect_no_out 'the most there is'
cal fits 20 db2.example.com
expect_status 64
cal fits 20m "" # of a $(hostname -f) that failed
expect_status 64
printf '{}\n' >none.yaml
printf 'default: open\n' >open.yaml
cal fits 20m -i none.yaml --calendar open.yaml
expect_status 65
expect_err 'the inventory has no hosts'
cal next customer:acme --at '2026-11-23 22:00' --announced
expect_status 75
expect_out '2026-11-27 00:00' # three days ahead is Thursday the 26th, a holiday: what its night leaves on Friday

note "why names the place"
cal why web2.example.com --at '2026-11-26 10:00'
expect_status 0
expect_out 'must not be disturbed'
expect_out 'blackout "holiday" for fleet (Thanks, giving): holds'
expect_out '[holidays.ics:2]'
expect_out 'window "office" for fleet: does not count'
cal why web1.example.com --at '2026-11-26 10:00'
expect_match 'Next: not within( |\n)ten years'
expect_match 'window "past" for host:web1.example.com: does not come within ten years'
cal why 'web*'
expect_status 64

note "show fits 80 columns, and has no colours on a pipe"
cal show --from 2026-11-23
expect_status 0
expect_out 'db2.example.com'
expect_no_out $'\e'
widest=$(LC_ALL=C.UTF-8 wc -L <<<"$out")
expect_true "the widest line has $widest columns" [ "$widest" -le 80 ]
cal show --days 60
expect_status 64
cal show -o json --from 2026-11-23 --days 1 web2.example.com
expect_out '"from": "2026-11-23T21:00:00Z"'

note "a picture and a page are whole, and are written also when the terminal is too narrow"
cal show --from 2026-11-23 --svg show.svg --html show.html --at '2026-11-24 10:00'
expect_status 0
expect_out 'acme'
expect_true "the picture is XML" python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' show.svg
expect_file_has show.svg 'Mon 23 Nov 09:00 to 17:00'
expect_file_has show.svg '>now</text>'
expect_file_has show.html '</html>'
run "$TAGOUT" calendar --help # all of them, each with what it does
expect_status 0
expect_match 'calendar fits +show when what takes so long fits'
expect_no_out budget
run "$TAGOUT" -h request
expect_status 0
expect_out "request run-due"
run "$TAGOUT" calendar fitz --help
expect_status 64
cal show --days 60 --svg wide.svg
expect_status 0
expect_equal "$out" "" "text that has no room"
expect_file_has wide.svg '</svg>'
cal show --html no/such/folder.html
expect_status 1
expect_err "no/such/folder.html can't be written"

note "check warns, and fails only when asked to"
cal check --at 2026-11-23
expect_status 0
expect_out 'Warning: calendar.yaml:6:3: window "past" never comes again'
expect_out 'customer "zeta" has no contacts'
cal check --at 2026-11-23 --strict
expect_status 1

note "what is exported is read back as the same"
cal export web2.example.com --from 2026-11-01 --days 60
expect_status 0
printf '%s\n' "$out" >web2.ics
expect_true "lines end with CRLF and have at most 75 bytes" awk '!/\r$/ || length($0) > 76 { exit 1 }' RS='\n' web2.ics
printf 'default: closed\nwindows: {back: {for: host:web2.example.com, ics: web2.ics}}\n' >back.yaml
for at in 2026-11-23T20:59:59Z 2026-11-23T21:00:00Z 2026-11-24T02:59:59Z 2026-11-24T03:00:00Z 2026-11-25T22:59:59Z 2026-11-25T23:00:00Z; do
    run "$TAGOUT" calendar why web2.example.com -i inventory.yaml --calendar calendar.yaml --at $at -o json
    there=$(grep '"open"' <<<"$out")
    run "$TAGOUT" calendar why web2.example.com -i inventory.yaml --calendar back.yaml --at $at -o json
    expect_equal "$(grep '"open"' <<<"$out")" "$there" "open at $at"
done
first=$(grep UID web2.ics)
cal export web2.example.com --from 2026-11-01 --days 60
expect_equal "$(grep UID <<<"$out")" "$first" "UIDs of the next export"
printf 'default: closed\n' >shut.yaml
run "$TAGOUT" calendar export web2.example.com -i inventory.yaml --calendar shut.yaml
expect_status 0
expect_no_out BEGIN:VEVENT
expect_out $'BEGIN:VTIMEZONE\r\nTZID:UTC\r\n' # without any component it would be no calendar (RFC 5545, 3.6)
printf '%s\n' "$out" >shut.ics
printf 'windows: {back: {ics: shut.ics}}\n' >back.yaml
run "$TAGOUT" calendar next web2.example.com -i inventory.yaml --calendar back.yaml
expect_status 1
expect_out never

note "what can't be read opens nothing"
mv holidays.ics away.ics
cal fits 1m db2.example.com --at '2026-11-23 10:00'
expect_status 65
expect_err 'calendar.yaml:9:18: holidays.ics: No such file or directory'
head -c 100 away.ics >holidays.ics
cal fits 1m db2.example.com --at '2026-11-23 10:00'
expect_status 65
expect_err 'was it cut off?'
rm holidays.ics
mkfifo holidays.ics
cal fits 1m db2.example.com --at '2026-11-23 10:00'
expect_status 65
rm holidays.ics
mv away.ics holidays.ics
sed -i 's/Europe\/Berlin/Europe\/Berlim/' calendar.yaml
cal next db2.example.com --at '2026-11-23 10:00'
expect_status 65
expect_err 'there is no time zone "Europe/Berlim"'
: >calendar.yaml
cal next db2.example.com
expect_status 65
rm calendar.yaml
cal next db2.example.com
expect_status 78
run "$TAGOUT" calendar next -i inventory.yaml
expect_status 78
expect_err 'there is no calendar'

note "on a narrow terminal nothing is wider than it"
narrow=(--calendar "$tmp/narrow.yaml" --inventory "$TAGOUT_SOURCE/tests/data/flying-circus.yaml" --at 2026-12-02T10:00:00Z)
printf 'default: open\nwindows:\n  a-rather-long-name-of-a-window: {for: "@kvm", hours: "Mon-Fri 09:00-17:00"}\n  night: {for: host:router1.whq.example, hours: "Mon 22:00-04:00"}\nblackouts:\n  freeze: {first: 2026-12-20, last: 2027-01-02}\n' >"$tmp/narrow.yaml"
for verb in next "next router1.whq.example" "fits 45m router1.whq.example" "why router1.whq.example" "why kvm01.whq.example" show check; do
    # shellcheck disable=SC2086 # words
    on_terminal 40 "$TAGOUT" calendar $verb "${narrow[@]}"
    if [ "$widest" -le 40 ]; then ok; else fail "calendar $verb is $widest wide" "$(<"$tmp/screen")"; fi
done
on_terminal 40 "$TAGOUT" calendar week plan "$TAGOUT_SOURCE/tests/data/flying-circus.week.yaml" --start 2126-12-02 --inventory "$TAGOUT_SOURCE/tests/data/flying-circus.yaml"
if [ "$widest" -le 40 ]; then ok; else fail "week plan is $widest wide" "$(<"$tmp/screen")"; fi
