#!/usr/bin/env bash
# The module alertmanager on a real Alertmanager, which runs out of its package without being installed: silenced, renewed, ended; killed between the
# order and its answer, a silence that a person ended, one that is away, slow, or says something else (P8, P12).
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/host
. "$TAGOUT_SOURCE/tests/lib/host"
need unshare dpkg-deb curl python3 openssl
need_root
fetch_debs prometheus-alertmanager

mapfile -t files < <(find "$debs" -maxdepth 1 -name 'prometheus-alertmanager_*.deb' | sort -V)
[ ${#files[@]} -gt 0 ] || skip "prometheus-alertmanager is installed here, and was not fetched"
dpkg-deb -x "${files[-1]}" "$tmp/deb"
mapfile -t ports < <(free_ports 3)
port=${ports[0]} odd=${ports[1]} none=${ports[2]}
printf 'route: {receiver: none}\nreceivers: [{name: none}]\n' >"$tmp/am.yml"
am() { # its templates have to be where its package puts them: in a /usr/share of its own
    # shellcheck disable=SC2016 # for the inner shell
    start am unshare -m sh -c 'mount -t tmpfs none /usr/share && cp -r "$1" /usr/share/ && shift && exec "$@"' sh "$tmp/deb/usr/share/prometheus" \
        "$tmp/deb/usr/bin/prometheus-alertmanager" --config.file="$tmp/am.yml" --storage.path="$tmp/$1" --web.listen-address="127.0.0.1:$port" --cluster.listen-address=
    am=$pid
    await 30 curl -sf "http://127.0.0.1:$port/-/ready"
}
expect_true "Alertmanager is ready" am data
params() { printf '{"url": "http://127.0.0.1:%s", "matchers": ["instance=~\\"{host}(:.*)?\\"", "job=node"], "for": "3m"%s}' "${1:-$port}" "${2:+, $2}"; }
try() { # VERB HOST [RECORD]: $end, $record, $text
    run "$TAGOUT_BUILD/tests/around_try" silence alertmanager "${with:-$(params)}" "$1" "$2.example.com" ${3:+"$3"}
    IFS='|' read -r end record text <<<"$out"
}
expect_end() { if [ "$end" = "$1" ] && [[ $text == *"${2:-}"* ]]; then ok; else fail "ended with $end, not $1 \"${2:-}\"" "$(got)"; fi; }
api() { curl -sS "http://127.0.0.1:$port/api/v2/$1" "${@:2}"; }
in_force() { api silences | python3 -c 'import json, sys; print(sum(s["status"]["state"] != "expired" for s in json.load(sys.stdin)))'; }
expect_in_force() { expect_equal "$(in_force)" "$1" "silences in force"; }
alert() { # INSTANCE
    api alerts -H 'Content-Type: application/json' -d '[{"labels": {"alertname": "down", "instance": "'"$1"'", "job": "node"}}]' >/dev/null
}
state_of() { # INSTANCE
    api alerts | python3 -c 'import json, sys; print(*[a["status"]["state"] for a in json.load(sys.stdin) if a["labels"]["instance"] == sys.argv[1]])' "$1"
}
is_state() { [ "$(state_of "$1")" = "$2" ]; }

note "silenced, once, and only this host; ended"
try look web1
expect_end absent
try act web1
expect_end ours "silence "
first=$record
for name in web1.example.com:9100 web1xexample.com:9100 web10.example.com:9100; do alert $name; done
expect_true "its alarm is suppressed" await 20 is_state web1.example.com:9100 suppressed
expect_true "a name that only looks like it is not" await 20 is_state web1xexample.com:9100 active
expect_true "nor one that begins like it" await 20 is_state web10.example.com:9100 active
try act web1 "$first"
expect_end ours
try keep web1 "$first"
expect_end ours
expect_equal "$record" "$first" record
expect_in_force 1
try undo web1 "$first"
expect_end absent
expect_in_force 0
expect_true "its alarm is back" await 20 is_state web1.example.com:9100 active
try undo web1 "$first"
expect_end absent

note "renewed: it lasts as long as it is kept, under the same name"
UNTIL=60 try act web1
ends=${record##* }
with=$(params "" '"comment": "new \"data\" disk"') try keep web1 "$record"
expect_end ours
expect_true "it lasts longer" [ "${record##* }" -gt "$ends" ]
expect_in_force 1
try undo web1 "$record"

note "a person ended it: left so; and their own silences are theirs"
api silences -H 'Content-Type: application/json' -d '{"matchers": [{"name": "instance", "value": "web1.example.com:9100", "isRegex": false}], "startsAt": "2020-01-01T00:00:00Z",
    "endsAt": "2099-01-01T00:00:00Z", "createdBy": "bob", "comment": "mine"}' >/dev/null
try act web1
expect_end ours
expect_in_force 2
theirs=$record
id=${theirs#1 }
api "silence/${id% *}" -X DELETE
try keep web1 "$theirs"
expect_end absent "somebody ended silence"
try undo web1 "$theirs"
expect_end absent
expect_in_force 1

note "it has forgotten all: made again; the mend ends it"
try act web1
stop "$am"
try keep web1 "$record"
expect_end not-sent
try act web2
expect_end not-sent
expect_true "Alertmanager is back" am other
expect_in_force 0
try keep web1 "$record"
expect_end ours
try mend web1 "$record"
expect_out "curl "
run sh -c "$out"
expect_status 0
expect_in_force 0

note "P8: killed between the order and its answer; doubles are ended"
cat >"$tmp/odd.py" <<'PY'
import http.server, os, sys, time, urllib.request
port, to, folder = sys.argv[1:]
class H(http.server.BaseHTTPRequestHandler):
    def do(self):
        how = open(folder + "/how").read().strip()
        if how == "held" or how == "pass":
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
            r = urllib.request.Request(f"http://127.0.0.1:{to}{self.path}", data=body, method=self.command, headers={"Content-Type": "application/json"})
            with urllib.request.urlopen(r) as f:
                answer = f.read()
            if how == "held" and self.command == "POST":
                open(folder + "/ordered", "w").close()
                time.sleep(600)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)
        elif how == "slow":
            time.sleep(600)
        elif how == "endless":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b"[" * 65536)
        elif how == "garbage":
            self.wfile.write(b"\x01\x02 garbage\r\n\r\n")
        elif how == "auth":
            fine = self.headers.get("Authorization") == "Bearer s3cret"
            self.send_response(200 if fine else 401)
            self.end_headers()
            self.wfile.write(b"[]")
        else:
            self.send_response(int(how))
            self.end_headers()
            self.wfile.write(b"broken")
    do_GET = do_POST = do_DELETE = do
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), H).serve_forever()
PY
echo held >"$tmp/how"
start odd python3 "$tmp/odd.py" "$odd" "$port" "$tmp"
expect_true "it listens" await 10 listens "$odd"
start act "$TAGOUT_BUILD/tests/around_try" silence alertmanager "$(params "$odd")" act web1.example.com
act=$pid
expect_true "the order is out" await 20 test -e "$tmp/ordered"
kill -9 "$act"
wait "$act" 2>/dev/null || true
try look web1
expect_end ours
body=$(api silences | python3 -c 'import json, sys
s = [s for s in json.load(sys.stdin) if s["status"]["state"] == "active"][0]
print(json.dumps({k: s[k] for k in ("matchers", "startsAt", "endsAt", "createdBy", "comment")}))')
api silences -H 'Content-Type: application/json' -d "$body" >/dev/null
expect_in_force 2
try act web1
expect_end ours
expect_in_force 1
try undo web1
expect_end absent
expect_in_force 0

note "P12: what is no answer is none"
says() { # HOW VERB END TEXT
    echo "$1" >"$tmp/how"
    with=${auth:-$(params "$odd")} try "$2" web1
    expect_end "$3" "${4:-}"
}
says 500 look lost "status 500"
says 500 act not-sent "status 500: broken"
says 503 undo lost "status 503"
says 404 look refused "status 404"
says 302 act refused "status 302"
says garbage act not-sent
says garbage look lost
says endless look lost "an endless answer"
says slow undo lost "timed out"
with=$(params "$none") try act web1
expect_end not-sent "http://127.0.0.1:$none: Failed to connect"

note "TLS: whom this machine does not trust, who is another one, or has run out, is told what is wrong; and nothing is sent"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tmp/key" -out "$tmp/other.pem" -days 2 -subj /CN=other.example.com >/dev/null 2>&1
openssl req -new -key "$tmp/key" -subj /CN=localhost 2>/dev/null | openssl x509 -req -signkey "$tmp/key" -days -1 -out "$tmp/old.pem" 2>/dev/null
cat >"$tmp/tls.py" <<'PYTHON'
import http.server, ssl, sys

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        open(sys.argv[3] + "/asked", "a").close()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"[]")
    do_POST = do_GET

server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3] + "/key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
PYTHON
tls() { # CERTIFICATE: who shows it is at $none
    [ -z "${server:-}" ] || stop "$server"
    start tls python3 "$tmp/tls.py" "$none" "$1" "$tmp"
    server=$pid
    await 20 listens "$none"
}
secure=$(params "$none" | sed 's/http:..127.0.0.1/https:\/\/localhost/')
try_trusting() { # CERTIFICATE VERB: a machine that trusts that one
    # shellcheck disable=SC2016 # for the inner shell
    run unshare -m sh -c 'mount --bind "$1" /etc/ssl/certs/ca-certificates.crt && shift && exec "$@"' sh "$1" "$TAGOUT_BUILD/tests/around_try" silence alertmanager "$secure" "$2" web1.example.com
    IFS='|' read -r end record text <<<"$out"
}
tls "$tmp/other.pem"
with=$secure try act web1
expect_end not-sent "https://localhost:$none: SSL certificate problem: self-signed certificate (its authority has to be among those that this machine trusts"
try_trusting "$tmp/other.pem" act
expect_end not-sent "https://localhost:$none: SSL: certificate subject name 'other.example.com' does not match target host name 'localhost'"
with=$(params "$none") try look web1
expect_end lost "http://127.0.0.1:$none: the connection ended without an answer (is it https there?)"
tls "$tmp/old.pem"
try_trusting "$tmp/old.pem" act
expect_end not-sent "certificate has expired"
expect_true "nobody was asked for anything" test ! -e "$tmp/asked"

note "what lets us in comes from a file that only its owner reads, and is in no line"
echo 'Authorization: Bearer s3cret' >"$tmp/auth"
auth=$(params "$odd" "\"auth-file\": \"$tmp/auth\"")
chmod 644 "$tmp/auth"
with=$auth try look web1
expect_err "others may read or write it"
chmod 600 "$tmp/auth"
says auth look absent ""
echo 'Authorization: Bearer other' >"$tmp/auth"
says auth look refused "status 401"
with=$auth try mend web1 "1 a-1 5"
expect_no_out other
