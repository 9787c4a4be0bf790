#!/usr/bin/env bash
# What takes servers out of a load balancer, under tagout exec, on a real HAProxy: not begun while a lock lies there, waited for when it has (P1).
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
need ip unshare haproxy python3

fleet_up --hosts 'ops1 lb1' --tagout "$TAGOUT" --mount "$TAGOUT_SOURCE/contrib/examples/haproxy:/srv/haproxy"
on() { fleet exec "$@"; }
run on ops1 tagout init
expect_status 0
# Servers that hold a connection until they are told, and one that answers at once.
on lb1 tee /root/server.py >/dev/null <<'PY'
import http.server, os, sys, time
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        while self.path == "/slow" and not os.path.exists("/run/answer"):
            time.sleep(0.05)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[1].encode())
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), H).serve_forever()
PY
on lb1 tee /root/haproxy.cfg >/dev/null <<'CFG'
global
    stats socket /run/admin.sock level admin
defaults
    mode http
    timeout connect 50s
    timeout client 600s
    timeout server 600s
frontend front
    bind 127.0.0.1:80
    default_backend web
backend web
    balance roundrobin
    server web1 127.0.0.1:8001
    server web2 127.0.0.1:8002
    server web3 127.0.0.1:8003
CFG
for n in 1 2 3; do start "web$n" fleet exec lb1 python3 /root/server.py "web$n" "800$n"; done
start haproxy fleet exec lb1 haproxy -db -f /root/haproxy.cfg
fetch() { fleet exec lb1 curl -s --max-time 500 "http://127.0.0.1/$1"; }
expect_true "HAProxy answers" await 20 fetch ''
state() { # SERVER
    fleet exec lb1 python3 -B -c 'import sys; sys.argv = ["x"]; from importlib.machinery import SourceFileLoader as L
d = L("drain", "/srv/haproxy/drain").load_module(); print(d.servers("/run/admin.sock", "web")["'"$1"'"])' 2>/dev/null
}
is() { [[ "$(state "$1")" == *"'$2'"* ]]; } # SERVER STATUS
drain() { run on lb1 tagout exec --actor autoscaler service:lb -- /srv/haproxy/drain /run/admin.sock "$@"; }

note "held: nothing is taken out"
run on ops1 tagout lock service:lb --for 1h --ticket OPS-7 --reason 'new certificates' --hold autoscaler
expect_status 0
lock=$(sed -n 's/^Locked  \([A-Z0-9]*\) .*/\1/p' <<<"$out")
drain web/web1
expect_status 75
expect_match 'TAGOUT-HELD .*ticket=OPS-7'
expect_true "web1 serves" is web1 "no check"
run on ops1 tagout unlock "$lock"

note "free: it is taken out; never below the floor; and it says what HAProxy says"
drain web/web1
expect_status 0
expect_out "web/web1 is out; 2 left"
expect_true "web1 is out" is web1 MAINT
drain web/web2 --floor 2
expect_status 75
expect_match 'fewer than 2'
drain web/nosuch
expect_status 1
expect_match 'there is no web/nosuch; web has: web1 web2 web3'

note "unknown: nothing is taken out"
run on lb1 mv /srv/tagout/store.db /srv/tagout/gone.db
drain web/web2
expect_status 69
expect_true "web2 serves" is web2 "no check"
run on lb1 mv /srv/tagout/gone.db /srv/tagout/store.db

note "P1: in flight, a lock waits for its end, and the next one is not begun"
start slow2 fetch slow
start slow3 fetch slow # one of them is on web2
busy() { [[ "$(state web2)" == "(1,"* ]]; }
expect_true "web2 has a session" await 20 busy
start drain fleet exec lb1 tagout exec --actor autoscaler service:lb -- /srv/haproxy/drain /run/admin.sock web/web2
drain=$pid
expect_true "it drains" await 20 is web2 DRAIN
start lock fleet exec ops1 tagout lock service:lb --for 1h --reason 'new certificates' --hold autoscaler
locker=$pid
waits() { grep -q 'waiting for 1 in flight' "$tmp/lock.log"; }
expect_true "the lock waits" await 20 waits
drain web/web3 --floor 0
expect_status 75
expect_true "web3 serves" is web3 "no check"
expect_true "the lock is not granted yet" kill -0 "$locker"
run on lb1 touch /run/answer
wait "$drain" || fail "the drain in flight did not end well" "$(cat "$tmp/drain.log")"
wait "$locker" || fail "the lock was not granted" "$(cat "$tmp/lock.log")"
expect_file_has "$tmp/lock.log" "Locked "
expect_true "web2 is out" is web2 MAINT
