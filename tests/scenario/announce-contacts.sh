#!/usr/bin/env bash
# Contacts that come and go, hosts that change their customer, many contacts, many events, addresses that are not ASCII; the inventory of a sender that stays
# (P7, P9, P12).
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/announce
. "$TAGOUT_SOURCE/tests/lib/announce"
need python3 sqlite3

mail_server
# What somebody's calendar holds when each mail is taken in: "HOSTS BEGIN" a line. And one line for each mail.
cat >"$tmp/read.py" <<'PY'
import email, email.policy, glob, re, sys
tmp, who, what = sys.argv[1:]
calendar = {}
for name in sorted(glob.glob(tmp + "/box/*")):
    envelope, _, mail = open(name, "rb").read().partition(b"\r\n\r\n")
    if not re.search(r"RCPT TO:<%s>" % re.escape(who), envelope.decode()):
        continue
    m = email.message_from_bytes(mail, policy=email.policy.default.clone(utf8=True))
    if what == "mails":
        print(m["Subject"])
    if what == "envelope":
        print(envelope.decode().replace("\r\n", " "), "|", m["To"])
    for part in m.walk():
        if part.get_content_type() != "text/calendar" or not part.get_filename():
            continue
        text = re.sub("\r\n ", "", part.get_content())
        field = lambda f: re.search(r"^%s[^:\r]*:(.*?)\r?$" % f, text, re.M).group(1)
        uid, sequence = field("UID"), int(field("SEQUENCE"))
        if calendar.get(uid, (-1,))[0] < sequence:
            calendar[uid] = (sequence, field("METHOD"), field("SUMMARY").replace("Maintenance: ", ""), field("DTSTART"))
if what == "calendar":
    for sequence, method, summary, begin in sorted(calendar.values(), key=lambda v: v[2:]):
        if method == "REQUEST":
            print(summary.split(" (")[0].replace("\\,", ","), begin[9:13])
PY
box() { python3 "$tmp/read.py" "$tmp" "$1" "${2:-mails}"; }
count() { box "$1" | wc -l; }
fleet() { # ACME BOLT [HOSTS of acme]: contacts
    cat >"$tmp/fleet.new" <<YAML
groups: {web: {hosts: "web[1-4]"}, db: {hosts: "db[1-2]"}}
customers:
  acme: {contacts: [$1], hosts: "${3:-@web}"}
  bolt: {contacts: [$2], hosts: "@db${4:-}"}
YAML
    mv "$tmp/fleet.new" "$tmp/fleet.yaml"
}
announce_site "local:$tmp/store.db" "  templates: $tmp/templates" "  timeout: 20s"
mkdir "$tmp/templates"
t init
fleet "ann@acme.example, bob@acme.example" "eve@bolt.example"
book 09
t announce send
expect_status 0
expect_equal "$(box bob@acme.example calendar)" "web[1-4] 0900" "bob's calendar"

note "who is no contact any more has it taken out of his calendar, and who is new has it put there, once"
fleet "ann@acme.example, cid@acme.example" "eve@bolt.example"
t announce send
expect_status 0
expect_match 'sent +scheduled +acme +cid@acme.example'
expect_match 'sent +former +acme +bob@acme.example'
expect_no_out ann@
expect_equal "$(box bob@acme.example calendar)" "" "bob's calendar"
expect_true "it says why" grep -q 'No longer yours' < <(box bob@acme.example)
expect_equal "$(box cid@acme.example calendar)" "web[1-4] 0900" "cid's calendar"
expect_true "he is named alone, and the entry is not called off for the others" grep -qx 'MAIL FROM:<ops@example.com>.* RCPT TO:<bob@acme.example> | bob@acme.example' < <(box bob@acme.example envelope)
before=$(mails)
t announce send --now
expect_status 0
expect_out 'Nothing is to be told'
expect_equal "$(mails)" "$before" "mails"

note "P7: killed while it takes leave: again, with the same id, and never a third time"
fleet "ann@acme.example" "eve@bolt.example"
touch "$tmp/hold-end"
send_behind
await 10 test -e "$tmp/held-end"
kill -9 "$sender"
send_ended
rm "$tmp/hold-end"
t announce send --now
expect_status 0
t announce send --now
expect_status 0
expect_equal "$(count cid@acme.example)" 3 "one that told, two that took leave"
expect_equal "$(grep -ah '^Message-ID: <[0-9]*f' "$tmp"/box/* | sort | uniq -c | awk '{ print $1 }' | xargs)" "1 2" "ids of those who left"
expect_equal "$(box cid@acme.example calendar)" "" "cid's calendar"
expect_equal "$(count ann@acme.example)" 1 "ann heard once"

note "taken away and put back while the server is away: nothing"
mode 451-rcpt
fleet "" "eve@bolt.example"
t announce send --now
expect_status 75
mode ok
fleet "ann@acme.example" "eve@bolt.example"
t announce send --now
expect_status 0
expect_equal "$(count ann@acme.example)" 1 "mails of ann"

note "a host that changed its customer: taken out here, put there"
fleet "ann@acme.example" "eve@bolt.example" "web[1-3]" " or web4"
t announce send --now
expect_status 0
expect_equal "$(box ann@acme.example calendar)" "web[1-3] 0900" "ann's calendar"
expect_equal "$(box eve@bolt.example calendar)" "db[1-2],web4 0900" "eve's calendar"
printf 'groups: {db: {hosts: "db[1-2]"}}\n' >"$tmp/fleet.yaml"
before=$(mails)
t announce send --now
expect_equal "$(mails)" "$before" "a list that has lost its customers takes nothing from anybody"
fleet "ann@acme.example" "eve@bolt.example" "web[1-3]" " or web4"
t announce send --now
expect_status 0
expect_equal "$(mails)" "$before" "nor when it has them again"

note "P9: a receipt that somebody put into the store sends nothing to anybody"
python3 - "$tmp/store.db" <<'PY'
import hashlib, json, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
rows = db.execute("select path, data from node where path like '/announcements/told/%/%'").fetchall()
for path, data in rows:
    o = json.loads(data)
    assert all(len(r["mac"]) == 16 for r in o["receipts"]), o["receipts"]
    del o["sum"]
    o["receipts"].append({"to": "mallory@evil.example", "mac": "0123456789abcdef"})
    text = json.dumps(o, separators=(",", ":"))[:-1]
    db.execute("update node set data = ? where path = ?", ((text + ',"sum":"' + hashlib.sha256(text.encode()).hexdigest()[:16] + '"}').encode(), path))
db.execute("delete from node where path = '/announcements/audience'")
db.execute("update node set children = children - 1 where path = '/announcements'")
db.commit()
assert rows
PY
t announce send --now
expect_status 1
expect_match 'REFUSED +former +acme +mallory@evil.example: .*nothing here proves'
expect_equal "$(count mallory@evil.example)" 0 "mails of mallory"
for name in $(names); do t announce drop "$name" --reason "forged"; done
t announce send --now
expect_status 0

note "--watch takes changed templates and a changed inventory, and keeps those before when the new ones are wrong"
start watch "$TAGOUT" --config "$tmp/tagout.yaml" announce send --watch
watcher=$pid
sitting() { [ "$(sqlite3 "$tmp/store.db" "select count(*) from node where path = '/announcements/sender'")" = 1 ]; }
await 10 sitting
printf 'groups: [\n' >"$tmp/fleet.yaml"
printf 'Subject: {custmer}\n\nx\n' >"$tmp/templates/scheduled.txt"
await 30 grep -q 'the inventory .* the one before is kept' "$tmp/watch.log"
await 30 grep -q 'a template, .* the one before is kept' "$tmp/watch.log"
expect_file_gets "$tmp/watch.log" 'scheduled.txt:1:10: unknown placeholder {custmer}'
printf 'Subject: For {customer} by another template\n\nx\n' >"$tmp/templates/scheduled.txt"
fleet "ann@acme.example, dan@acme.example" "eve@bolt.example" "web[1-3]" " or web4"
await 30 grep -qE 'sent +scheduled +acme +dan@acme.example' "$tmp/watch.log"
kill -TERM "$watcher"
sender=$watcher
send_ended
expect_equal "$(box dan@acme.example calendar)" "web[1-3] 0900" "dan's calendar"
expect_equal "$(box dan@acme.example)" "For acme by another template" "dan's mail"
rm "$tmp/templates/scheduled.txt"

note "addresses that are not ASCII: domains by their other name, what is before the @ where the server takes it"
fleet "\"Jürgen Müller <juergen@müller.example>\", jürgen@acme.example, ann@acme.example" "eve@bolt.example" "web[1-3]" " or web4"
t announce send --now
expect_status 1
expect_match 'sent +scheduled +acme +juergen@müller.example'
expect_match 'REFUSED +scheduled +acme +jürgen@acme.example: .*offers no SMTPUTF8'
expect_equal "$(box juergen@xn--mller-kva.example calendar)" "web[1-3] 0900" "Jürgen's calendar"
expect_equal "$(box juergen@xn--mller-kva.example envelope)" "MAIL FROM:<ops@example.com> RCPT TO:<juergen@xn--mller-kva.example> | juergen@xn--mller-kva.example" "envelope"
mode utf8
t announce retry --all
t announce send --now
expect_status 0
expect_match 'sent +scheduled +acme +jürgen@acme.example'
expect_true "as the protocol wants it" grep -qE '^MAIL FROM:<ops@example.com>.* SMTPUTF8.* RCPT TO:<jürgen@acme.example> . jürgen@acme.example$' < <(box jürgen@acme.example envelope)
mode ok

note "more contacts than can be told: said by each command that knows"
fleet "$(seq -f 'c%04.0f@acme.example' 1 1005 | paste -sd,)" "eve@bolt.example" "web[1-3]" " or web4"
t inventory check
expect_out 'customer acme has 1005 contacts, and the first 1000 are told'
mode busy
t announce send --now
expect_status 65
expect_err 'acme has 5 contacts more than the 1000'
t announce list
expect_match '5 LEFT OUT'
t announce show "$(names)"
expect_out 'LEFT OUT: 5 contacts; 1000 of a customer can be told'
