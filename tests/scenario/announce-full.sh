#!/usr/bin/env bash
# A disk that is full before, or while, a mail is sent: nothing is sent that could not be noted, and what was sent and could not be noted is sent again and
# said to be unsure (P4, P7, P12). Templates of any kind.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
need_root
need python3 mount

read -r smtp_port < <(free_ports 1)
mkdir -p "$tmp/box" "$tmp/small" "$tmp/templates"
mount -t tmpfs -o size=2m none "$tmp/small"
at_exit umount -l "$tmp/small"
export TAGOUT_STATE_DIR=$tmp/state
# Waits before it takes a mail's end, or before it asks for the mail, while the file of that name is there.
cat >"$tmp/smtp.py" <<'PY'
import os, socketserver, sys, time
tmp, port = sys.argv[1], int(sys.argv[2])
class One(socketserver.StreamRequestHandler):
    def hold(self, name):
        if os.path.exists(tmp + "/hold-" + name):
            open(tmp + "/held-" + name, "w").close()
        while os.path.exists(tmp + "/hold-" + name):
            time.sleep(0.05)
    def handle(self):
        say = lambda text: self.wfile.write(text.encode() + b"\r\n")
        say("220 hello")
        while line := self.rfile.readline(100000):
            if line[:4].upper() == b"QUIT":
                return
            if line[:4].upper() == b"DATA":
                self.hold("data")
                say("354 go on")
                mail = b""
                while not mail.endswith(b"\r\n.\r\n"):
                    more = self.rfile.readline(100000)
                    if not more:
                        return
                    mail += more
                name = "%s/box/%d" % (tmp, time.time_ns())
                open(name + ".part", "wb").write(mail)
                os.rename(name + ".part", name)
                self.hold("end")
            say("250 fine")
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
Server(("127.0.0.1", port), One).serve_forever()
PY
start smtp python3 "$tmp/smtp.py" "$tmp" "$smtp_port"
await 10 listens "$smtp_port"
printf 'groups: {web: {hosts: "web[1-4]"}}\ncustomers:\n  acme: {contacts: [ops@acme.example], hosts: "@web"}\n' >"$tmp/fleet.yaml"
cat >"$tmp/tagout.yaml" <<YAML
store: local:$tmp/small/store.db
inventory: $tmp/fleet.yaml
announce:
  from: ops@example.com
  smtp: {url: "smtp://127.0.0.1:$smtp_port", tls: none, helo: ops1.example.com}
  templates: $tmp/templates
  settle: 0s
  timeout: 30s
  retry: {first: 1s, longest: 1s}
YAML
t() { run "$TAGOUT" --config "$tmp/tagout.yaml" "$@"; }
mails() { find "$tmp/box" -type f ! -name '*.part' | wc -l; }
monday=$(date -u -d "$(date -u +%F) + $((14 + (8 - $(date -u +%u)) % 7)) days" +%F)
book() { # HH
    printf 'week: w\nlocation: "*"\nlength: 2h\nslots:\n  - {name: early, day: mon, time: "%s:00", who: {hosts: "*", take: the rest}}\n' "$1" >"$tmp/week.yaml"
    t calendar week plan "$tmp/week.yaml" --start "$monday" --apply
    expect_status 0
}
fill() { dd if=/dev/zero of="$tmp/small/filler" bs=1k status=none 2>/dev/null || true; }
t init
expect_status 0
book 09

note "P4: full before: nothing is sent, as it could not be noted"
fill
t announce send --now
expect_status 69
expect_err 'make room'
expect_equal "$(mails)" 0 "mails"
rm "$tmp/small/filler"

note "full in the middle of a mail: it has no end, and nobody gets it"
touch "$tmp/hold-data"
start sender "$TAGOUT" --config "$tmp/tagout.yaml" announce send --now
await 10 test -e "$tmp/held-data"
fill
rm "$tmp/hold-data"
status=0
wait "$pid" || status=$?
expect_equal "$status" 69 "status"
expect_true "with its mend" grep -q 'make room' "$tmp/sender.log"
expect_equal "$(mails)" 0 "mails"
rm "$tmp/small/filler"

note "P7: full when the answer comes: sent, and not noted; so it is sent again, and said to be unsure"
touch "$tmp/hold-end"
start sender "$TAGOUT" --config "$tmp/tagout.yaml" announce send --now
await 10 test -e "$tmp/held-end"
fill
rm "$tmp/hold-end"
status=0
wait "$pid" || status=$?
expect_equal "$status" 69 "status"
rm "$tmp/small/filler"
t announce list
expect_match 'acme .*sending'
t announce send --now
expect_status 0
expect_equal "$(mails)" 2 "copies"
expect_equal "$(cat "$tmp"/box/* | grep -ac '^Message-ID:')$(cat "$tmp"/box/* | grep -a '^Message-ID:' | sort -u | wc -l)" 21 "of one id"
t announce list --all -o json
expect_match '"unsure": ?1'
t announce send --now
expect_status 0
expect_equal "$(mails)" 2 "mails"

note "P12: templates that can't be are refused with the place, and nothing is sent"
t calendar week cancel "w-$monday" --reason "another week"
try() { # SAYS: of the file that was written
    t announce send --now
    expect_status "$1"
    expect_err "$2"
    t announce preview cancelled
    expect_status "$1"
}
head -c 10000000 /dev/zero | tr '\0' x >"$tmp/templates/cancelled.txt"
try 78 'cancelled.txt'
printf 'Subject: x\n\n\xff\xfe\n' >"$tmp/templates/cancelled.txt"
try 65 'no UTF-8'
printf 'Subject: x\n\n\0\n' >"$tmp/templates/cancelled.txt"
try 65 'NUL'
printf 'Subject: {customer\n\nx\n' >"$tmp/templates/cancelled.txt"
try 65 'begins no placeholder'
printf 'Subject: {{ of {customer}\n\n{{\n' >"$tmp/templates/cancelled.txt"
t announce preview cancelled
expect_status 0
expect_out 'Subject: { of example'
rm "$tmp/templates/cancelled.txt"
mkfifo "$tmp/templates/cancelled.txt"
try 78 'cancelled.txt'
rm "$tmp/templates/cancelled.txt"
expect_equal "$(mails)" 2 "mails"
t announce send --now
expect_status 0
expect_equal "$(mails)" 3 "mails"
