#!/usr/bin/env bash
# Announcements on a real ZooKeeper: a mail server that takes longer than a session lives, and a store that goes away in the middle of a mail (P4, P7).
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/zookeeper
. "$TAGOUT_SOURCE/tests/lib/zookeeper"
need java python3

read -r smtp_port < <(free_ports 1)
export TAGOUT_STATE_DIR=$tmp/state
mkdir -p "$tmp/box"
# Waits before it answers a mail's end, or before it asks for the mail, for as long as the file of that name is there.
cat >"$tmp/smtp.py" <<'PY'
import os, socketserver, sys, time
tmp, port = sys.argv[1], int(sys.argv[2])
class One(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")
    def hold(self, name):
        if os.path.exists(tmp + "/hold-" + name):
            open(tmp + "/held-" + name, "w").close()
        while os.path.exists(tmp + "/hold-" + name):
            time.sleep(0.05)
    def handle(self):
        self.say("220 hello")
        while True:
            line = self.rfile.readline(100000)
            if not line or line[:4].upper() == b"QUIT":
                return
            if line[:4].upper() == b"DATA":
                self.hold("data")
                self.say("354 go on")
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
            self.say("250 fine")
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
Server(("127.0.0.1", port), One).serve_forever()
PY
start smtp python3 "$tmp/smtp.py" "$tmp" "$smtp_port"
await 10 listens "$smtp_port"
zk_start "$tmp/zk"

printf 'groups: {web: {hosts: "web[1-4]"}}\ncustomers:\n  acme: {contacts: [ops@acme.example], hosts: "@web"}\n' >"$tmp/fleet.yaml"
cat >"$tmp/tagout.yaml" <<YAML
store: zk://127.0.0.1:$(zk_port "$tmp/zk")/tagout
session: 2s
inventory: $tmp/fleet.yaml
announce:
  from: ops@example.com
  smtp: {url: "smtp://127.0.0.1:$smtp_port", tls: none}
  settle: 0s
  timeout: 2m
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
send() { "$TAGOUT" --config "$tmp/tagout.yaml" announce send --now >"$tmp/send.log" 2>&1; }
t init
expect_status 0

note "a mail server that takes longer to answer than a session lives: the place is kept, the outcome noted"
book 09
touch "$tmp/hold-end"
send &
sender=$!
await 20 test -e "$tmp/held-end"
for _ in 1 2 3; do
    t announce send --now
    expect_status 75
    expect_err 'sends announcements already'
done
rm "$tmp/hold-end"
status=0
wait $sender || status=$?
expect_equal "$status" 0 "status of the sender"
expect_equal "$(mails)" 1 "mails"
t announce send --now
expect_equal "$(mails)" 1 "mails"

note "the store is gone before the mail's end: nothing is sent, as it could not be noted"
t calendar week cancel "w-$monday" --reason "moved"
touch "$tmp/hold-data"
send &
sender=$!
await 20 test -e "$tmp/held-data"
zk_kill "$tmp/zk"
rm "$tmp/hold-data"
status=0
wait $sender || status=$?
expect_equal "$status" 69 "status of the sender"
expect_equal "$(mails)" 1 "mails"
zk_start "$tmp/zk"
gone() { t announce send --now && [ "$status" != 75 ]; } # the dead session's place
await 20 gone
expect_equal "$(mails)" 2 "mails"

note "a sender that slept through its session notes nothing, and ends nobody's mail"
book 10
rm -f "$tmp/held-data"
touch "$tmp/hold-data"
"$TAGOUT" --config "$tmp/tagout.yaml" announce send --now >"$tmp/send.log" 2>&1 &
sender=$!
await 20 test -e "$tmp/held-data"
kill -STOP $sender
rm "$tmp/hold-data"
await 30 gone
expect_equal "$(mails)" 3 "mails"
kill -CONT $sender
status=0
wait $sender || status=$?
expect_equal "$status" 69 "status of who slept"
expect_equal "$(mails)" 3 "mails"
t announce list
expect_out 'Nothing waits'
