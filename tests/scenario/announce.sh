#!/usr/bin/env bash
# Announcements through a real mail server (Debian's exim4, on a host of its own): TLS, passwords, one mail a customer and change, refusals, a server that is
# away, senders that are killed or meet (P7, P12).
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/host
. "$TAGOUT_SOURCE/tests/lib/host"
# shellcheck source=../lib/announce
. "$TAGOUT_SOURCE/tests/lib/announce"
need ip unshare openssl python3
fetch_debs exim4-daemon-light python3-icalendar

fleet_up --hosts 'ops1 mail1' --tagout "$TAGOUT" --mount "$debs:/srv/debs" --mount "$TAGOUT_SOURCE/tests/lib:/srv/lib"
on() { fleet exec "$@"; }
put() { fleet exec "$1" tee "$2" >/dev/null; }
t() { run "$bounded" $patience_of_one "$TAGOUT_SOURCE/contrib/fleet" exec ops1 tagout "$@"; }
install_debs mail1 exim4-daemon-light python3-icalendar

# ---- the mail server: a CA of its own, a password, and mailboxes that refuse in different ways
(
    cd "$tmp"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj "/CN=test CA" -addext basicConstraints=critical,CA:TRUE
    openssl req -newkey rsa:2048 -nodes -keyout mail.key -out mail.csr -subj "/CN=mail1.example.com"
    openssl x509 -req -in mail.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out mail.pem -days 2 -extfile <(printf 'subjectAltName=DNS:mail1.example.com')
) >"$tmp/openssl.log" 2>&1
put mail1 /root/mail.pem <"$tmp/mail.pem"
put mail1 /root/mail.key <"$tmp/mail.key"
put ops1 /root/ca.pem <"$tmp/ca.pem"
put mail1 /etc/exim4/exim4.conf <<'EXIM'
primary_hostname = mail1.example.com
daemon_smtp_ports = 587
log_file_path = /srv/mail/%slog
spool_directory = /srv/mail/spool
acl_smtp_mail = acl_mail
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data
tls_advertise_hosts = *
tls_certificate = /root/mail.pem
tls_privatekey = /root/mail.key
auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}
never_users =
smtp_accept_queue_per_connection = 0
host_lookup =
keep_environment =
pid_file_path = /srv/mail/exim.pid
rfc1413_query_timeout = 0s
begin acl
acl_mail:
  deny message = 5.7.0 a password first
       !authenticated = *
  accept
acl_rcpt:
  deny local_parts = unknown
       message = 5.1.1 no such user here
  deny local_parts = full
       message = 5.2.2 mailbox is full
  defer local_parts = grey
        condition = ${if exists{/srv/mail/grey}{no}{yes}}
        message = 4.7.1 greylisted, come back later
  accept
acl_data:
  defer condition = ${if exists{/srv/mail/busy}{yes}{no}}
        message = 4.3.2 busy
  accept
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{tagout}}{eq{$auth3}{s3cret pass}}}{yes}{no}}
  server_set_id = $auth2
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
  delivery_date_add
  envelope_to_add
EXIM
on mail1 sh -c 'mkdir -p /srv/mail/box /srv/mail/spool; chmod 600 /root/mail.key; chown Debian-exim: /srv/mail /srv/mail/spool; chown mail: /srv/mail/box; chown Debian-exim: /root/mail.*; chmod 755 /root; chmod 644 /etc/exim4/exim4.conf'
mail_answers() { on mail1 bash -c 'exec 3<>/dev/tcp/127.0.0.1/587' 2>/dev/null; }
mail_down() { on mail1 sh -c 'kill "$(cat /srv/mail/exim.pid)"; while kill -0 "$(cat /srv/mail/exim.pid)"; do sleep 0.05; done' 2>/dev/null || true; }
mail_up() {
    start exim fleet exec mail1 exim4 -bdf -q1m
    await 10 mail_answers
}
mail_up
at_exit mail_down
# What lies in a box: "KIND SEQUENCE MESSAGE-ID" a line; an independent reader of mail and calendars.
put mail1 /root/read.py <<'PY'
import email, email.policy, glob, sys
from icalendar import Calendar
for name in sorted(glob.glob("/srv/mail/box/new/*")):
    with open(name, "rb") as f:
        m = email.message_from_binary_file(f, policy=email.policy.default)
    if not m["Envelope-to"].startswith(sys.argv[1] + "@"):
        continue
    assert not m.defects, m.defects
    out = []
    for part in m.walk():
        assert not part.defects, part.defects
        if part.get_content_type() == "text/calendar":
            c = Calendar.from_ical(part.get_content())
            assert c["METHOD"] == part.get_param("method"), "method"
            lines = part.get_payload(decode=True).split(b"\r\n")
            assert max(map(len, lines)) <= 75 and not any(b"\n" in line for line in lines), "folded lines"
            events = c.walk("VEVENT")
            assert len(events) == 1 and not events[0].errors, "one UID in each"
            v = events[0]
            people = v["ATTENDEE"] if isinstance(v["ATTENDEE"], list) else [v["ATTENDEE"]]
            assert [str(p) for p in people] == ["mailto:" + a.addr_spec for a in m["To"].addresses], people
            assert v["ORGANIZER"] == "mailto:" + m["From"].addresses[0].addr_spec and v["ORGANIZER"].params["CN"] == m["From"].addresses[0].display_name
            assert v["DTSTART"].dt < v["DTEND"].dt and v["DTSTART"].dt.utcoffset().total_seconds() == 0 and v["DTSTAMP"].dt == m["Date"].datetime
            assert v["STATUS"] == ("CANCELLED" if c["METHOD"] == "CANCEL" else "CONFIRMED")
            if part.get_filename():
                out.append("%s/%d/%s/%s" % (c["METHOD"], v["SEQUENCE"], v["UID"][:8], v["DTSTART"].to_ical().decode()))
    first = next(m.iter_parts()) # Outlook takes an invitation from the first part of the mail alone
    kinds = [p.get_content_type() for p in first.iter_parts()] if first.is_multipart() else []
    assert kinds == (["text/plain", "text/calendar"] if len(out) == 1 else []), kinds
    print(m["Subject"], "|", " ".join(out), "|", m["Message-ID"], "|", m["To"])
PY
box() { on mail1 python3 /root/read.py "$1"; }
count() { box "$1" | wc -l; }
has_mails() { [ "$(count "$1")" = "$2" ]; } # BOX N
mail_settled() { [ "$(on mail1 exim4 -bpc)" = 0 ]; }

# ---- the site
put ops1 /root/smtp.password <<<'s3cret pass'
put ops1 /root/hook.secret <<<'0123456789abcdef0123456789abcdef'
on ops1 chmod 600 /root/smtp.password /root/hook.secret
put ops1 /root/fleet.yaml <<'YAML'
groups:
  web: {hosts: "web[001-040].example.com", attrs: {rack: a}}
  db: {hosts: "db[01-10].example.com", attrs: {rack: b}}
customers:
  acme: {contacts: [ops@acme.example, boss@acme.example], hosts: "@web"}
  bolt: {contacts: [unknown@bolt.example, bob@bolt.example], hosts: "@db and shard:0-49"}
  corp: {contacts: [grey@corp.example], hosts: "@db and not shard:0-49"}
YAML
put ops1 /root/week.yaml <<'YAML'
week: w
location: "*"
length: 4h
spread: [customer]
slots:
  - {name: early, day: mon, time: "09:00", who: {hosts: "*", take: 20%}}
  - {name: late, day: fri, time: "09:00", zone: Europe/Berlin, who: {hosts: "*", take: the rest}}
YAML
put ops1 /etc/tagout/tagout.yaml <<YAML
store: local:/srv/tagout/store.db
inventory: /root/fleet.yaml
announce:
  from: "Björn's Ops <ops@example.com>"
  smtp: {url: "smtp://mail1.example.com:587", user: tagout, password-file: /root/smtp.password, ca: /root/ca.pem}
  zone: Europe/Berlin
  settle: 0s
  retry: {first: 1s, longest: 2s}
YAML
book() { t calendar week plan /root/week.yaml --start "$1" --apply; }

note "a fresh store"
t init
expect_status 0

note "a test mail, with TLS and a password"
t announce test alice@example.com
expect_status 0
await 10 has_mails alice 1
put ops1 /root/smtp.password <<<'wrong'
t announce test alice@example.com
expect_status 78
expect_err 535
expect_no_err wrong
put ops1 /root/smtp.password <<<'s3cret pass'
on ops1 chmod 644 /root/smtp.password
t announce test alice@example.com
expect_status 78
expect_err 'can be read or written by others'
on ops1 chmod 600 /root/smtp.password

note "a week is booked: one mail a customer and contact; what is refused is told"
book "$monday"
expect_status 0
t announce list
expect_out '1 changes wait for tagout announce send'
t announce send
expect_status 1
expect_match 'REFUSED +scheduled +bolt +unknown@bolt.example: 550 5.1.1 no such user here'
expect_match 'later +scheduled +corp +grey@corp.example: 451 4.7.1 greylisted'
await 10 mail_settled
for who in ops boss bob; do expect_equal "$(count $who)" 1 "mails of $who"; done
expect_true "one mail, a calendar entry a slot" grep -qE '^Maintenance scheduled: .* \\| REQUEST/0/[^ ]* REQUEST/0/[^ ]* \\| .* \\| ops@acme.example, boss@acme.example$' < <(box ops)
expect_equal "$(box ops | cut -d'|' -f2,3)" "$(box boss | cut -d'|' -f2,3)" "the same message for both"
uids=$(box ops | grep -oE 'REQUEST/0/[0-9a-f]*' | cut -d/ -f3 | sort)
t announce list
expect_match 'bolt .*refused .*1 of 2 sent: 550 5.1.1'
expect_match 'corp .*waiting .*0 of 1 sent: 451 4.7.1'
t announce send --now
expect_status 75
on mail1 touch /srv/mail/grey
t announce send --now
expect_status 0
await 10 has_mails grey 1
t announce list
expect_match 'bolt .*refused'
expect_no_out corp
name=$(on ops1 tagout announce list -o json | python3 -c 'import json, sys; print(json.load(sys.stdin)["announcements"][0]["name"])')

note "who was refused: retry, drop; what is dropped stays dropped"
t announce retry "$name"
expect_status 0
t announce send
expect_status 1
t announce drop "$name"
expect_status 64
t announce drop "${name%????}" --reason "wrong address, they were called"
expect_status 0
expect_out 'Dropped: 1'
t announce send
expect_status 0
t announce show "$name"
expect_match 'dropped +unknown@bolt.example: .*they were called'
expect_equal "$(count bob)" 1 "mails of bob"

note "the same week again, or taken back and booked again just so, is no change"
t calendar week cancel "w-$monday" --reason "wrong week"
expect_status 0
book "$monday"
expect_status 0
t announce send
expect_status 0
for who in ops boss bob grey; do expect_equal "$(count $who)" 1 "mails of $who"; done

note "another start is a change: the same UIDs, the next SEQUENCE"
t calendar week cancel "w-$monday" --reason "an hour later"
on ops1 sed -i 's/"09:00"}/"10:00"}/; s/"09:00", who/"10:00", who/' /root/week.yaml
book "$monday"
expect_status 0
put ops1 /root/smtp.password <<<'wrong'
# shellcheck disable=SC2016 # for the shell over there
on ops1 sh -c 'tagout announce send --watch >/root/watch.log 2>&1 </dev/null & echo $! >/root/watch.pid'
watch_says() { on ops1 grep -qE -- "$1" /root/watch.log; }
await 20 watch_says 535
put ops1 /root/smtp.password <<<'s3cret pass'
await 30 watch_says 'sent +changed +acme +ops@acme.example' # it reads the password anew
await 10 has_mails ops 2
# shellcheck disable=SC2016
on ops1 sh -c 'kill -TERM $(cat /root/watch.pid); /srv/lib/bounded 15 -p $(cat /root/watch.pid)'
expect_true "the entry that moved, and no other" grep -qxF "$(box ops | grep -oE 'REQUEST/1/[0-9a-f]*' | cut -d/ -f3)" <(printf '%s\n' "$uids")

note "a mail server that is away loses nothing: what is true is told when it is back, once"
on ops1 tagout announce drop "$name" --reason "known" >/dev/null
mail_down
t calendar week cancel "w-$monday" --reason "the network moves"
expect_status 0
t announce send
expect_status 75
expect_match 'the mail server is away'
t announce send --now
expect_status 75
mail_up
t announce send --now
expect_match 'sent +cancelled +acme +boss@acme.example'
await 10 mail_settled
expect_equal "$(count ops)" 3 "mails of ops"
expect_true "taken out of the calendar, in the same entries" test "$(box ops | grep -oE 'CANCEL/2/[0-9a-f]*' | cut -d/ -f3 | sort)" = "$uids"
on ops1 tagout announce list -o json | python3 -c 'import json, sys
for a in json.load(sys.stdin)["announcements"]: print(a["name"])' | while read -r name; do on ops1 tagout announce drop "$name" --reason "known" >/dev/null; done
t announce list
expect_out 'Nothing waits'

note "never told, so nothing to take back"
book "$monday"
t calendar week cancel "w-$monday" --reason "no"
t announce send
expect_status 0
expect_equal "$(count ops)" 3 "mails of ops"

note "senders that are killed, and two at once: each mail arrives, and twice only what is said to be unsure"
python3 - >"$tmp/many.yaml" <<'PY'
print('groups:\n  web: {hosts: "c[01-24].example.com"}\ncustomers:')
for i in range(1, 25):
    print('  c%02d: {contacts: [c%02d@many.example], hosts: "c%02d.example.com"}' % (i, i, i))
PY
put ops1 /root/fleet.yaml <"$tmp/many.yaml"
book "$monday"
expect_status 0
# shellcheck disable=SC2016 # for the shell over there
put ops1 /root/kill.sh <<'SH'
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 # as in lib.sh: mortal
for n in $(seq 1 40); do
    tagout announce send --now >>/root/send.log 2>&1 &
    a=$!
    tagout announce send --now >>/root/send.log 2>&1 &
    b=$!
    sleep "0.$((RANDOM % 9))$((RANDOM % 9))"
    signals=(KILL TERM INT HUP)
    kill -"${signals[RANDOM % 4]}" $a $b 2>/dev/null
    [ $((n % 3)) -ne 0 ] || kill -TERM $a $b 2>/dev/null # twice, in quick succession
    /srv/lib/bounded 15 -p $a $b || exit 1
    wait $a $b
    [ "$(tagout announce list 2>&1)" != "Nothing waits to be told." ] || break
done
SH
run on ops1 env TAGOUT_TEST_PATIENCE="$patience" bash /root/kill.sh
expect_status 0
t announce send --now
t announce send --now
t announce list
expect_out 'Nothing waits'
await 10 mail_settled
on ops1 tagout announce list --all -o json >"$tmp/all.json"
box c >"$tmp/many" || true
on mail1 sh -c 'cat /srv/mail/box/new/*' | grep -a '^Envelope-to: c[0-9]' | sort | uniq -c >"$tmp/many"
python3 - "$tmp/all.json" "$tmp/many" <<'PY' || fail "mails were lost, or doubled in silence"
import json, sys
unsure = {}
for a in json.load(open(sys.argv[1]))["announcements"]:
    for r in (a.get("message") or {"recipients": []})["recipients"]:
        unsure[r["to"]] = r["unsure"]
got = {line.split()[2]: int(line.split()[0]) for line in open(sys.argv[2])}
twice = 0
for i in range(1, 25):
    to = "c%02d@many.example" % i
    assert 1 <= got.get(to, 0) <= 1 + unsure[to], (to, got.get(to, 0), unsure[to])
    twice += got[to] - 1
print("24 mails, %d of them twice, %d unsure" % (twice, sum(unsure.get("c%02d@many.example" % i, 0) for i in range(1, 25))))
PY
ok
