#!/usr/bin/env bash
# Slots of a booked week begin and end, and customers hear of it, once each: a run on a real host by real Puppet, whose driver is killed in the middle; a slot that does
# not begin; people who work by hand. Mails go through a real mail server (Debian's exim4). P7, P12.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/host
. "$TAGOUT_SOURCE/tests/lib/host"
need puppet python3
fetch_debs exim4-daemon-light

fleet_up 2 --hosts 'web1 mail1' --mount "$debs:/srv/debs"
install_debs mail1 exim4-daemon-light
fleet exec mail1 tee /etc/exim4/exim4.conf >/dev/null <<'EXIM'
primary_hostname = mail1.example.com
daemon_smtp_ports = 587
log_file_path = /srv/mail/%slog
spool_directory = /srv/mail/spool
acl_smtp_rcpt = accept
tls_advertise_hosts =
never_users =
host_lookup =
keep_environment =
pid_file_path = /srv/mail/exim.pid
rfc1413_query_timeout = 0s
begin routers
all:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  directory = /srv/mail/box
  maildir_format
  user = mail
  group = mail
  mode = 0644
  envelope_to_add
EXIM
fleet exec mail1 sh -c 'mkdir -p /srv/mail/box /srv/mail/spool; chown Debian-exim: /srv/mail /srv/mail/spool; chown mail: /srv/mail/box; chmod 644 /etc/exim4/exim4.conf'
mail_down() { fleet exec mail1 sh -c 'kill "$(cat /srv/mail/exim.pid)"' 2>/dev/null || true; }
start exim fleet exec mail1 exim4 -bdf -q1m
at_exit mail_down
await 20 fleet exec mail1 bash -c 'exec 3<>/dev/tcp/127.0.0.1/587'
# Subjects and what stands in the text, of all mails to NAME@…
box() { fleet exec mail1 sh -c "grep -l '^Envelope-to: $1@' /srv/mail/box/new/* 2>/dev/null | sort | xargs -r grep -hiE '^Subject:|not begun|failed:|not known'" || true; }
count() { fleet exec mail1 sh -c "grep -l '^Envelope-to: $1@' /srv/mail/box/new/* 2>/dev/null" | wc -l; }

echo 'default: closed' >"$tmp/calendar.yaml" # a host may be disturbed in its slot, and never else
address=$(python3 -c '
import sys, yaml
print(yaml.safe_load(open(sys.argv[1]))["hosts"]["mail1.example.com"]["address"])' "$fleet/inventory.yaml" 2>/dev/null || awk '/mail1.example.com/ { sub(/.*address: */, ""); sub(/[,}].*/, ""); print }' "$fleet/inventory.yaml")
sed '/mail1/d' "$fleet/inventory.yaml" | awk '{ print } /^hosts:/ { print "  hand1.example.com: {address: 127.0.0.1}"; print "  never1.example.com: {address: 127.0.0.1}"; print "  later1.example.com: {address: 127.0.0.1}" }' >"$tmp/inventory.yaml"
cat >>"$tmp/inventory.yaml" <<'YAML'
customers:
  acme: {contacts: [acme@acme.example], hosts: web1.example.com}
  bolt: {contacts: [bolt@bolt.example], hosts: never1.example.com}
  corp: {contacts: [corp@corp.example], hosts: hand1.example.com}
YAML
inventory=$tmp/inventory.yaml fleet_site "local:$tmp/store.db" "calendar: $tmp/calendar.yaml" "announce: {from: ops@ops.example, smtp: {url: \"smtp://$address:587\", tls: none}, settle: 0s, retry: {first: 1s}}"
fleet_change web1
fleet exec web1 rm /srv/p/go
cat >"$tmp/patch.yaml" <<'TEXT'
rollout: patch
change: {puppet: {manifest: /srv/p/site.pp}}
targets: "web1.example.com,never1.example.com"
stages: [{name: all}]
limits: {running: 4}
failure: {failed: 3}
estimate: 1m
TEXT
send() { tagout announce send >"$tmp/send.log" 2>&1; }
js() { python3 -c "import json,sys; d=json.load(sys.stdin); print(json.dumps($1))"; }
progress() { tagout calendar week show "$week" -o json | js "{s['slot']: s['state'] for s in d['progress']}['$1']"; } # SLOT
is() { [ "$(progress "$1")" = "\"$2\"" ]; }                                                                             # SLOT STATE
mails() { # NAME N: when all that is due was sent
    send
    [ "$(count "$1")" = "$2" ]
}

note "a week whose slots are at the next minute"
at=$((($(date +%s) + 15) / 60 * 60 + 60))
day=$(LC_ALL=C date -u -d "@$at" +%a) later=$(LC_ALL=C date -u -d "@$((at + 7200))" +%a) time=$(date -u -d "@$at" +%H:%M)
cat >"$tmp/week.yaml" <<YAML
week: w
location: "*"
begins: ${day,,}
slots:
  - {name: run, day: ${day,,}, time: "$time", length: 30m, who: web1.example.com}
  - {name: short, day: ${day,,}, time: "$time", length: 1m, who: never1.example.com}
  - {name: hand, day: ${day,,}, time: "$time", length: 30m, who: hand1.example.com}
  - {name: later, day: ${later,,}, time: "$(date -u -d "@$((at + 7200))" +%H:%M)", length: 30m, who: later1.example.com}
YAML
run tagout calendar week plan "$tmp/week.yaml" --start "$(date -u -d "@$at" +%F)" --apply
expect_status 0
week=w-$(date -u -d "@$at" +%F)
run tagout calendar week show "$week"
expect_out 'Nothing is known of how it goes'
run tagout calendar week begin "$week" later
expect_status 64
expect_err 'later1.example.com has slot later'
run tagout calendar week "done" "$week" web9.example.com
expect_status 64
expect_err 'web9.example.com has no slot in week'
expect_true "scheduled" await 10 mails acme 1
expect_equal "$(count bolt) $(count corp)" '1 1' "scheduled"

note "a run waits for them, and begins when they do"
start patch "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/patch.yaml"
driver=$pid
log_has() { fleet exec web1 grep -qs "$1" /srv/p/log; }
await 120 log_has begun
await 30 is run begun
run tagout status
expect_match 'WEEK +w-.*: of 4 hosts 0 done, 0 failed, 1 begun'
expect_match 'run, .*: begun; of 1 hosts 0 done, 0 failed, 1 begun, 0 not begun'

note "people who work by hand say so"
run tagout calendar week begin "$week" hand
expect_status 0
expect_out 'Noted: 1 host'
run tagout calendar week begin "$week" hand
expect_out 'That is known already'
run tagout calendar week failed "$week" hand1.example.com -o json
expect_equal "$(js 'd["changed"]' <<<"$out")" true
expect_true "told how it ended" await 10 mails corp 2
expect_match_text() { if grep -Eq "$2" <<<"$1"; then ok; else fail "no $2" "$1"; fi; }
expect_match_text "$(box corp)" 'failed: hand1.example.com'

note "its driver is killed: nobody is told that it is done, until it is"
kill -9 "$driver"
wait "$driver" 2>/dev/null || true
send
expect_equal "$(count acme)" 1 "not done"
fleet exec web1 touch /srv/p/go
id=$(head -1 "$tmp/patch.log")
start patch "$TAGOUT" --config "$tmp/site.yaml" run --resume "$id"
await 120 is run "done"
expect_true "done is told" await 10 mails acme 2
expect_match_text "$(box acme)" 'Subject: Maintenance done'

note "what should have begun and has not is told as late, once"
expect_true "late is told" await 60 mails bolt 2
expect_match_text "$(box bolt)" 'Subject: Maintenance begins late'
send
send
expect_equal "$(count acme) $(count bolt) $(count corp)" '2 2 2' "each was told once"
run tagout calendar week show "$week"
expect_match 'run +done +1 +1 +0 +0 +0'
expect_match 'hand +failed +1 +0 +1 +0 +0'
expect_match 'Failed in hand: hand1.example.com'
is_missed() { is short missed; }
expect_true "over, and never begun" await 90 is_missed
