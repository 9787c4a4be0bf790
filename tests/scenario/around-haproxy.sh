#!/usr/bin/env bash
# The module haproxy on two real HAProxys: drained, waited for, put back; killed in the middle, restarted, one away (P5, P8, P12).
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
need haproxy python3 socat

mapfile -t ports < <(free_ports 6)
front=${ports[0]} admin=${ports[1]} held=${ports[2]}
server=("${ports[@]:3:3}")
# Servers that hold a connection until they are told.
cat >"$tmp/server.py" <<'PY'
import http.server, os, sys, time
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        while self.path == "/slow" and not os.path.exists(sys.argv[2]):
            time.sleep(0.02)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
PY
# Hands orders on, and keeps the answers to itself.
cat >"$tmp/holder.py" <<'PY'
import socket, sys, time
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    c = s.accept()[0]
    command = c.recv(4096)
    if not command: # somebody only looked whether it listens
        continue
    with socket.create_connection(("127.0.0.1", int(sys.argv[2]))) as o:
        o.sendall(command)
        answer = b""
        while part := o.recv(65536):
            answer += part
    if command.startswith(b"set "):
        open(sys.argv[3], "w").close()
        time.sleep(600)
    c.sendall(answer)
    c.close()
PY
config() { # NAME SOCKET FRONT
    cat >"$tmp/$1.cfg" <<CFG
global
    stats socket $2 level admin
    stats socket $tmp/$1.user.sock level user
defaults
    mode http
    timeout connect 50s
    timeout client 600s
    timeout server 600s
$([ -z "$3" ] || printf 'frontend front\n    bind 127.0.0.1:%s\n    default_backend web\n' "$3")
backend web
    balance roundrobin
    server web1 127.0.0.1:${server[0]} check inter 100 fastinter 100
    server web2 127.0.0.1:${server[1]} check inter 100 fastinter 100
    server web3 127.0.0.1:${server[2]} check inter 100 fastinter 100
CFG
}
config lb1 "$tmp/lb1.sock" "$front"
config lb2 "ipv4@127.0.0.1:$admin" ''
for n in 0 1 2; do
    start "web$n" python3 "$tmp/server.py" "${server[n]}" "$tmp/answer"
    web[n]=$pid
done
lb() { # NAME: starts it
    start "$1" haproxy -db -f "$tmp/$1.cfg"
    eval "$1=$pid"
}
lb lb1
lb lb2
both="[\"$tmp/lb1.sock\", \"localhost:$admin\"]"
params() { printf '{"socket": %s, "backend": "web", "server": "{short}"%s}' "${1:-$both}" "${2:+, $2}"; }
try() { # VERB HOST [RECORD]: $end, $record, $text
    run "$TAGOUT_BUILD/tests/around_try" drain haproxy "${with:-$(params)}" "$1" "$2.example.com" ${3:+"$3"}
    IFS='|' read -r end record text <<<"$out"
}
expect_end() { if [ "$end" = "$1" ] && [[ $text == *"${2:-}"* ]]; then ok; else fail "ended with $end, not $1 \"${2:-}\"" "$(got)"; fi; }
ask() { if [ "$1" = lb1 ]; then socat - "UNIX-CONNECT:$tmp/lb1.sock" <<<"$2"; else socat - "TCP:127.0.0.1:$admin" <<<"$2"; fi; } # LB COMMAND
admin_of() { ask "$1" 'show servers state web' | awk -v s="$2" '$4 == s { print $7 }'; } # LB SERVER
is() { [ "$(admin_of "$1" "$2")" = "$3" ]; }
expect_is() { expect_equal "$(admin_of "$1" "$2")" "$3" "$2 on $1"; }
up() { [ "$(ask "$1" 'show stat web 4 -1' | awk -F, '$18 == "UP" { n++ } END { print n + 0 }')" = "$2" ]; } # LB HOW-MANY
for name in lb1 lb2; do expect_true "$name is up" await 20 up $name 3; done

note "out and back, on both; nothing twice"
try look web1
expect_end absent "web/web1 is ready"
try act web1 "$record"
expect_end ours "web/web1 is out"
expect_is lb1 web1 8
expect_is lb2 web1 8
drained=$record
try keep web1 "$drained"
expect_end ours
try act web1 "$drained"
expect_end ours
try undo web1 "$drained"
expect_end absent
expect_is lb1 web1 0
expect_is lb2 web1 0
try undo web1 "$drained"
expect_end absent

note "others' drain and maint are left alone"
ask lb1 'set server web/web2 state drain' >/dev/null
ask lb2 'set server web/web2 state maint' >/dev/null
try act web2
expect_end others
try undo web2 "$record"
expect_end absent "left so"
expect_is lb1 web2 8
expect_is lb2 web2 1
for name in lb1 lb2; do ask $name 'set server web/web2 state ready' >/dev/null; done
try act web1
ask lb2 'set server web/web1 state maint' >/dev/null
try undo web1 "$record"
expect_end absent "on localhost:$admin: it was taken out by somebody else"
expect_is lb1 web1 0
expect_is lb2 web1 1
ask lb2 'set server web/web1 state ready' >/dev/null

note "P5: too few others are ready and up"
expect_true "all are up again" await 20 up lb2 3
with=$(params "" '"ready-at-least": "100%"') try act web1
expect_end refused "2 of 2 other servers are ready and up, and 3 must be"
kill -STOP "${web[1]}" "${web[2]}"
kill "${web[1]}" "${web[2]}"
kill -CONT "${web[1]}" "${web[2]}"
expect_true "two are down" await 20 up lb1 1
expect_true "two are down" await 20 up lb2 1
try act web1
expect_end refused "0 of 2 other servers"
expect_is lb1 web1 0
for n in 1 2; do start "web$n" python3 "$tmp/server.py" "${server[n]}" "$tmp/answer"; done
for name in lb1 lb2; do expect_true "all are up again" await 20 up $name 3; done

note "it waits for sessions, and puts back what does not end"
for n in 1 2 3; do start "slow$n" curl -s "http://127.0.0.1:$front/slow"; done # one on each
busy() { [ "$(ask lb1 'show stat web 4 -1' | awk -F, '$5 == 1 { n++ } END { print n + 0 }')" = 3 ]; }
expect_true "each has a session" await 20 busy
with=$(params "" '"wait": "1s"') try act web2
expect_end refused "web/web2 still has 1 session on $tmp/lb1.sock after 1s: it is put back"
expect_is lb1 web2 0
expect_is lb2 web2 0
with=$(params "" '"wait": "1s", "on-timeout": "go", "mode": "maint"') try act web3
expect_end ours "still had 1 session"
expect_is lb2 web3 1
with=$(params "" '"mode": "maint"') try undo web3 "$record"
expect_end absent
start act "$TAGOUT_BUILD/tests/around_try" drain haproxy "$(params)" act web2.example.com
act=$pid
expect_true "it drains" await 20 is lb2 web2 8
expect_true "and waits" kill -0 "$act"
touch "$tmp/answer"
wait "$act" || fail "the act did not end well" "$(cat "$tmp/act.log")"
expect_file_has "$tmp/act.log" "ours|"
try undo web2 "$(cut -d'|' -f2 "$tmp/act.log")"
expect_end absent

note "P8: killed between the order and its answer, with what look found journalled"
for name in lb1 lb2; do expect_true "all are up" await 20 up $name 3; done
start holder python3 "$tmp/holder.py" "$held" "$admin" "$tmp/ordered"
holder=$pid
expect_true "it listens" await 10 listens "$held"
try look web1
journalled=$record
start act "$TAGOUT_BUILD/tests/around_try" drain haproxy "$(params "[\"$tmp/lb1.sock\", \"127.0.0.1:$held\"]")" act web1.example.com "$journalled"
act=$pid
expect_true "the order is out" await 20 test -e "$tmp/ordered"
kill -9 "$act"
wait "$act" 2>/dev/null || true
stop "$holder"
expect_is lb2 web1 8
try look web1 "$journalled"
expect_end ours "on 2 of 2"
try undo web1 "$journalled"
expect_end absent
expect_is lb1 web1 0
expect_is lb2 web1 0

note "restarted while drained: done again; set ready by a person: left"
try act web1
drained=$record
stop "$lb1"
try keep web1 "$drained"
expect_end not-sent "lb1.sock"
lb lb1
expect_true "it is back" await 20 up lb1 3
ask lb2 'set server web/web1 state ready' >/dev/null
try keep web1 "$drained"
expect_end ours
expect_is lb1 web1 8
expect_is lb2 web1 0
try keep web1 "$record"
expect_end ours
expect_is lb2 web1 0
try undo web1 "$record"
expect_end absent
expect_is lb1 web1 0

note "one of two away: nothing is ordered; away at the undo: not called done; the mend does it"
try act web1
drained=$record
stop "$lb1"
try act web2
expect_end not-sent
expect_is lb2 web2 0
try undo web1 "$drained"
expect_end lost
expect_is lb2 web1 0
lb lb1
expect_true "it is back" await 20 up lb1 3
try act web1
try mend web1 "$record"
expect_out "set server web/web1 state ready"
run sh -c "$out"
expect_status 0
expect_is lb1 web1 0
expect_is lb2 web1 0

note "no admin, no such server, no such backend"
with=$(params "\"$tmp/lb1.user.sock\"") try act web1
expect_end refused
expect_is lb1 web1 0
try act web9
expect_end refused "there is no server web9 in the backend web"
with='{"socket": "'$tmp/lb1.sock'", "backend": "db"}' try look web1
expect_end refused "there is no backend db"
