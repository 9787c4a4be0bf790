#!/usr/bin/env bash
# tagout serve: checks over HTTP, and FleetLock as its clients speak it. P1: no slot under a lock, and a lock waits for who has one, also after the
# server was killed and started anew. P2: a store that is away is 503. Requests that are none are 4xx, and hurt nobody else.
. "$(dirname "$0")/lib.sh"
need curl python3

mkdir -p "$tmp/state"
export TAGOUT_STATE_DIR=$tmp/state TAGOUT_STORE=local:$tmp/store.db
printf 'groups:\n  web: {hosts: "web[1-4].example.com"}\n  db: {hosts: db1.example.com}\n' >"$tmp/hosts.yaml"
run "$TAGOUT" init
expect_status 0

serve_start() {
    start serve "$TAGOUT" serve -i "$tmp/hosts.yaml" --listen 127.0.0.1:0 --slots web=2
    server=$pid
    await 20 grep -q Listening "$tmp/serve.log"
    port=$(grep -o 'port [0-9]*' "$tmp/serve.log" | cut -d' ' -f2)
    url=http://127.0.0.1:$port
    await 20 curl -sf "$url/healthz"
}

ask() { # WANTED-STATUS CURL-ARGUMENT…
    local want=$1
    shift
    out=$(curl -s --max-time 20 -w '\n%{http_code}' "$@") || true
    status=${out##*$'\n'}
    out=${out%$'\n'*}
    err=''
    expect_status "$want"
}

fleetlock() { # WANTED-STATUS DEED ID [GROUP]
    ask "$1" -H 'fleet-lock-protocol: true' -d "{\"client_params\":{\"id\":\"$3\",\"group\":\"${4:-web}\"}}" "$url/v1/$2"
}

lock_it() {
    run "$TAGOUT" lock "$1" -i "$tmp/hosts.yaml" --for 1h --reason "disk replacement" "${@:2}"
    expect_status 0
    lock=$(grep -o 'Locked  [A-Z0-9]*' <<<"$out" | cut -c9-)
}

serve_start

note "checks"
ask 200 "$url/v1/check?actor=autoscaler&scope=group:web"
expect_out '"answer":"go"'
lock_it host:web1.example.com
ask 423 "$url/v1/check?actor=autoscaler&scope=service:x&scope=group:web"
expect_out "TAGOUT-HELD lock=$lock"
ask 400 "$url/v1/check?scope=group:web"
ask 400 "$url/v1/check?actor=autoscaler"
ask 400 "$url/v1/check?actor=autoscaler&scope=group:web&scpoe=host:web1.example.com" # asked without it, it might be another answer
expect_out 'not known: \"scpoe\"'
ask 400 "$url/healthz?verbose"
ask 400 "$url/v1/check?actor=autoscaler&scope=group:wbe"
ask 400 "$url/v1/check?actor=auto%0ascaler&scope=group:web"
ask 400 "$url/v1/check?actor=autoscaler&scope=service:x%00y" # never the question that is left of it
ask 404 "$url/"
ask 405 -X DELETE "$url/v1/check?actor=autoscaler&scope=group:web"

note "FleetLock: no slot under a lock; two of web at once, one of others; again is the same"
fleetlock 423 pre-reboot web1.example.com
expect_out '"kind":"held"'
expect_out "TAGOUT-HELD lock=$lock"
fleetlock 200 pre-reboot web2.example.com
fleetlock 200 pre-reboot web2.example.com
fleetlock 423 pre-reboot web1.example.com
run "$TAGOUT" unlock "$lock"
expect_status 0
fleetlock 200 pre-reboot web1.example.com
fleetlock 409 pre-reboot web3.example.com
expect_out '"kind":"all_slots_taken"'
expect_out 'web2.example.com'
fleetlock 200 pre-reboot 0123456789abcdef0123456789abcdef db
fleetlock 409 pre-reboot db1.example.com db
fleetlock 200 steady-state 0123456789abcdef0123456789abcdef db
fleetlock 200 steady-state web1.example.com
fleetlock 200 steady-state web1.example.com
fleetlock 200 pre-reboot web3.example.com
fleetlock 400 pre-reboot 0123456789abcdef nogroup
expect_out unknown_group

note "P1: a lock waits for who has a slot, and the next reboot for the lock"
"$TAGOUT" lock group:web -i "$tmp/hosts.yaml" --for 1h --reason "patient" --wait 100s >"$tmp/locked" 2>&1 &
locker=$!
await 20 grep -q "FleetLock: web2.example.com of web may reboot" "$tmp/locked"
fleetlock 423 pre-reboot web4.example.com
fleetlock 200 pre-reboot web3.example.com # it has its slot already
kill -9 "$server"
wait "$server" 2>/dev/null || true
serve_start # while it was away nobody told the locker: see tagout-serve(1)
fleetlock 200 steady-state web2.example.com
fleetlock 200 steady-state web3.example.com
wait "$locker" && status=0 || status=$?
expect_equal "$status" 0 "the locker's status"
run "$TAGOUT" unlock "$(grep -o 'Locked  [A-Z0-9]*' "$tmp/locked" | cut -c9-)"
expect_status 0

note "slots outlive the server: killed and started anew it tells lockers of them"
fleetlock 200 pre-reboot web2.example.com
kill -9 "$server"
wait "$server" 2>/dev/null || true
serve_start
run "$TAGOUT" lock group:web -i "$tmp/hosts.yaml" --for 1h --reason "too early" --wait 1s
expect_status 75
expect_err "FleetLock: web2.example.com of web may reboot"
fleetlock 200 pre-reboot web1.example.com
fleetlock 409 pre-reboot web3.example.com
fleetlock 200 steady-state web1.example.com
fleetlock 200 steady-state web2.example.com

note "what is no request of the protocol"
ask 400 -d '{"client_params":{"id":"web1.example.com","group":"web"}}' "$url/v1/pre-reboot"
expect_out fleet-lock-protocol
for body in '' 'x' '[]' '{"client_params":{}}' '{"client_params":{"id":"","group":"web"}}' '{"client_params":{"id":"a b","group":"web"}}' \
    '{"client_params":{"id":"a","group":"../locks"}}' '{"client_params":{"id":"a","group":""}}' '{"client_params":{"id":7,"group":"web"}}'; do
    ask 400 -H 'fleet-lock-protocol: true' -d "$body" "$url/v1/pre-reboot"
done
head -c 200000 /dev/zero | tr '\0' x >"$tmp/long"
ask 413 -H 'fleet-lock-protocol: true' -d "@$tmp/long" "$url/v1/pre-reboot"

note "a hundred who connect and say nothing, or nonsense, keep nobody else waiting"
python3 - "$port" <<'PY' &
import socket, sys, time
all = []
for i in range(100):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.sendall([b"", b"GET /v1/check?actor=", b"\0\1\2\3 nonsense\r\n\r\n", b"POST /v1/pre-reboot HTTP/1.1\r\nContent-Length: 50000\r\n\r\nx"][i % 4])
    all.append(s)
time.sleep(30)
PY
mob=$!
at_exit stop "$mob"
await 20 sh -c "test \$(ss -tn state established '( sport = :$port )' | wc -l) -gt 60"
ask 200 "$url/v1/check?actor=autoscaler&scope=group:web"
fleetlock 200 pre-reboot web2.example.com
fleetlock 200 steady-state web2.example.com

note "six hundred of one address leave room for another"
python3 - "$port" "$tmp/crowd" <<'PY' &
import socket, sys, time
all = []
for i in range(600):
    s = socket.socket()
    s.bind(("127.0.0.2", 0))
    s.setblocking(False)
    s.connect_ex(("127.0.0.1", int(sys.argv[1])))
    all.append(s)
open(sys.argv[2], "w").close()
time.sleep(60)
PY
crowd=$!
at_exit stop "$crowd"
await 20 test -e "$tmp/crowd"
await 20 sh -c "test \$(ss -tn state established '( sport = :$port )' | grep -c 127.0.0.2) -gt 200"
ask 200 "$url/v1/check?actor=autoscaler&scope=group:web"
stop "$crowd"

note "P2: the store is away"
mv "$tmp/store.db" "$tmp/gone.db"
ask 503 "$url/v1/check?actor=autoscaler&scope=group:web"
expect_out '"answer":"unknown"'
fleetlock 503 pre-reboot web1.example.com
mv "$tmp/gone.db" "$tmp/store.db"
kill "$server"
wait "$server" && status=0 || status=$?
expect_equal "$status" 0 "its status when it is asked to end"
