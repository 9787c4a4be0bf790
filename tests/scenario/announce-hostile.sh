#!/usr/bin/env bash
# Mail servers that say nothing, or too much, or hang up; senders that die while they wait; webhooks, whose signatures openssl checks (P7, P12).
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/announce
. "$TAGOUT_SOURCE/tests/lib/announce"
need python3 openssl base64 sqlite3

mail_server
read -r hook_port < <(free_ports 1)
mkdir -p "$tmp/hooks"
echo 200 >"$tmp/status"

cat >"$tmp/hook.py" <<'PY'
import http.server, sys, time
tmp, port = sys.argv[1], int(sys.argv[2])
class One(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = "%s/hooks/%d" % (tmp, time.time_ns())
        open(name + ".body", "wb").write(body)
        open(name, "w").write("\n".join(self.headers[h] for h in ("webhook-id", "webhook-timestamp", "webhook-signature")) + "\n")
        status = int(open(tmp + "/status").read())
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        try:
            for _ in range(20000 if status == 201 else 1):
                self.wfile.write(b"thanks\n" * 100)
        except OSError:
            pass
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", port), One).serve_forever()
PY
start hook python3 "$tmp/hook.py" "$tmp" "$hook_port"
await 10 listens "$hook_port"

cat >"$tmp/fleet.yaml" <<'YAML'
groups: {web: {hosts: "web[1-4]"}}
customers:
  acme: {contacts: [ops@acme.example], hosts: "@web"}
YAML
site() { announce_site "local:$tmp/store.db" "  timeout: 2s" "${1:-  templates: $tmp}"; } # [LINE of announce]
site
hour=5
change() { # another start, so that there is something to tell
    t calendar week cancel "w-$monday" --reason "moved" || true
    hour=$((hour + 1))
    book "$(printf %02d $hour)"
}
first() { t announce list -o json; python3 -c 'import json, sys; print(json.loads(sys.argv[1])["announcements"][0][sys.argv[2]])' "$out" "$1"; }
t init

note "a try, to a contact as the inventory has it; what may not stand unquoted in a header and in a command is quoted"
t announce test 'Dot <a..b@acme.example>'
expect_status 0
expect_out 'Sent to a..b@acme.example'
expect_true "in the command" grep -qF 'RCPT TO:<"a..b"@acme.example>' "$tmp"/box/*
expect_true "in the header" grep -qF 'To: "a..b"@acme.example' "$tmp"/box/*
t announce test 'a@b..example'
expect_status 64
expect_err 'is no mail address'
t announce test webhook:chet
expect_status 64
expect_err 'there is no webhook "chet"'
t announce preview sheduled
expect_status 1
expect_err 'kinds are scheduled, changed'
rm -f "$tmp"/box/*

note "before its end nobody can have got it: whatever the server does, it is tried again, and nothing is there"
change
for mode in silent endless-line endless-lines garbage busy silent-rcpt drop-data; do
    mode $mode
    t announce send --now
    expect_status 75
    expect_match 'later +scheduled +acme +ops@acme.example'
    expect_equal "$(mails)" 0 "mails after $mode"
done
mode ok
t announce send --now
expect_status 0
expect_equal "$(mails)" 1 "mails"

note "each step can be refused, for now or for good: the one is tried again, the other is told, and a sender that is refused is nobody's fault"
change
for step in mail rcpt data end; do
    for code in 451 554; do
        mode $code-$step
        t announce send --now
        case $code-$step in
        451-*) expect_status 75 && expect_match 'later +changed +acme' ;;
        554-mail) expect_status 78 && expect_err '554 x.7.1 not like this' ;;
        *) expect_status 1 && expect_match 'REFUSED +changed +acme .*554 x.7.1 not like this' ;;
        esac
        t announce list
        expect_match "$code x.7.1 not like this"
        t announce retry "$(first name)"
        expect_status 0
    done
done
rm -f "$tmp"/box/* # a mail whose end was refused lies there, too
mode ok
t announce send --now
expect_status 0
expect_equal "$(mails)" 1 "mails"

note "behind its end it may have arrived: again, with the same Message-ID, and after three times people are asked"
change
for mode in drop-end odd-end; do
    mode $mode
    t announce send --now
    expect_status 75
    expect_match 'unsure +changed +acme'
done
mode drop-end
t announce send --now
t announce list
expect_match 'refused .*it may have arrived several times already'
t announce send --now
expect_status 0
expect_equal "$(mails)" 4 "one, and three times the next"
expect_equal "$(cat "$tmp"/box/* | grep -a '^Message-ID:' | sort | uniq -c | awk '{ print $1 }' | xargs)" "1 3" "the same id"
expect_equal "$(cat "$tmp"/box/* | sort -u | wc -l)" "$(cat "$(find "$tmp/box" -type f | sort | sed -n 1p)" "$(find "$tmp/box" -type f | sort | sed -n 2p)" | sort -u | wc -l)" "the same bytes"
run "$TAGOUT" --config "$tmp/tagout.yaml" doctor
expect_match 'warn +announcements +1 customers were not told all'
expect_out "tagout announce drop $(first name) --reason TEXT"
mode ok
t announce retry "$(first name)"
t announce send
expect_status 0
t announce list
expect_out 'Nothing waits'

note "killed while it waits for the answer: said to be unsure, and sent again; killed before: once"
change
before=$(mails)
touch "$tmp/hold-end"
send_behind
await 10 test -e "$tmp/held-end"
t announce send --now
expect_status 75
expect_err 'sends announcements already'
kill -9 "$sender"
send_ended
rm "$tmp/hold-end"
t announce show "$(first name)"
expect_match 'trying +ops@acme.example'
mode ok
t announce send --now
expect_status 0
expect_equal "$(($(mails) - before))" 2 "copies"
t announce list --all -o json
expect_match '"unsure": ?1'
change
before=$(mails)
touch "$tmp/hold-rcpt"
send_behind
await 10 test -e "$tmp/held-rcpt"
kill -9 "$sender"
send_ended
rm "$tmp/hold-rcpt"
t announce send --now
expect_status 0
expect_equal "$(($(mails) - before))" 1 "copies"

note "a template with a mistake sends nothing, and says where"
printf 'Subject: {custmer}\n\nx\n' >"$tmp/changed.txt"
change
t announce send
expect_status 65
expect_match 'changed.txt:1:10: unknown placeholder \{custmer\}'
expect_match 'did you mean "?\{customer\}'
printf 'Subject: Grüße an {customer}\n\n{events}\n' >"$tmp/changed.txt"
t announce send
expect_status 0
expect_true "in the mail" grep -qa '^Subject: =?UTF-8?B?R3LDvMOfZSBhbiBhY21l?=' < <(cat "$tmp"/box/*)
rm "$tmp/changed.txt"

note "P2: of an old copy of the store nothing that was sent is sent again"
change
sqlite3 "$tmp/store.db" ".backup $tmp/old.db"
t announce send --now
expect_status 0
sqlite3 "$tmp/store.db" ".backup $tmp/new.db"
before=$(mails)
put_back() { # FILE
    rm -f "$tmp"/store.db "$tmp"/store.db-*
    cp "$1" "$tmp/store.db"
}
put_back "$tmp/old.db"
t announce send --now
expect_status 69
expect_err 'it is an old copy'
expect_equal "$(mails)" "$before" "mails"
put_back "$tmp/new.db"

note "with --watch it sends what comes, and a signal ends it well: its place is free"
start watch "$TAGOUT" --config "$tmp/tagout.yaml" announce send --watch
watcher=$pid
before=$(mails)
change
await 30 has_mails $((before + 1))
t announce send
expect_status 75
kill -TERM "$watcher"
sender=$watcher
send_ended
expect_equal "$status" 0 "status of the watcher"
t announce send
expect_status 0

note "webhooks: signed, tried again, refused, and never followed elsewhere"
printf '0123456789abcdef0123456789abcdef\n' >"$tmp/hook.secret"
chmod 600 "$tmp/hook.secret"
site "  webhooks: {chat: {url: \"http://127.0.0.1:$hook_port/x\", secret-file: $tmp/hook.secret}}"
change
echo 503 >"$tmp/status"
t announce send --now
expect_status 75
expect_match 'later +changed +acme +webhook:chat: HTTP status 503'
echo 201 >"$tmp/status" # and a page without end
t announce send --now
expect_status 0
expect_match 'sent +changed +acme +webhook:chat'
expect_equal "$(find "$tmp/hooks" -name '*.body' | wc -l)" 2 "calls"
for call in "$tmp"/hooks/*.body; do
    { read -r id; read -r stamp; read -r signature; } <"${call%.body}"
    wanted=$({ printf '%s.%s.' "$id" "$stamp"; cat "$call"; } | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef -binary | base64 -w0)
    expect_equal "$signature" "v1,$wanted" "signature"
    expect_true "its time is now" test $(($(date +%s) - stamp)) -lt 600
    expect_true "its id is that of the message" python3 -c 'import json, sys
d = json.load(open(sys.argv[1])); assert d["data"]["id"] == sys.argv[2] and d["type"] == "maintenance.changed" and d["data"]["events"][0]["hosts"] == "web[1-4]"' "$call" "$id"
done
expect_equal "$(cat "$tmp"/hooks/*[0-9] | sed -n '1~3p' | sort -u | wc -l)" 1 "one id for both calls"
for status_code in 302 410; do
    change
    echo $status_code >"$tmp/status"
    t announce send --now
    expect_status 1
    expect_match "REFUSED +changed +acme +webhook:chat: HTTP status $status_code"
done
chmod 644 "$tmp/hook.secret"
change
t announce send --now
expect_status 78
expect_err 'can be read or written by others'
expect_no_err 0123456789abcdef

note "a store of an older tagout books nothing of which nobody could be told"
export TAGOUT_STATE_DIR=$tmp/older
sed -i 's/store.db/older.db/' "$tmp/tagout.yaml"
t init
expect_status 0
python3 - "$tmp/older.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("delete from node where path like '/announcements%'")
db.execute("update node set children = children - 1 where path = '/'")
db.commit()
PY
t calendar week plan "$tmp/week.yaml" --start "$monday" --apply
expect_status 69
expect_err 'nobody can be told of a change'
expect_err 'tagout init'
t announce list
expect_status 69
expect_err 'tagout init'
t calendar week list
expect_out 'No week is booked'
t init
expect_status 0
expect_match 'Added: announcements, announcements/new, announcements/open, announcements/told'
t calendar week plan "$tmp/week.yaml" --start "$monday" --apply
expect_status 0
