#!/usr/bin/env bash
# The agent against a real ZooKeeper: what it answers and what lock makes of it while the store is stopped, emptied and back, agents are killed,
# restarted and doubled, and peers send garbage. P1: a lock is not confirmed before the agents that are there know it. P2: out of touch, no GO.
. "$(dirname "$0")/lib.sh"
. "$TAGOUT_SOURCE/tests/lib/zookeeper"
need java python3

zk=$tmp/zk
at_exit zk_kill "$zk"
zk_start "$zk"
url=$(zk_url "$zk")/tagout
printf 'hosts:\n  web1: {}\n  web2: {}\n  web3: {}\n' >"$tmp/hosts.yaml"
config() { # NAME: a host's own configuration, state and socket
    mkdir -p "$tmp/$1"
    printf 'store: %s\nstate-dir: %s\nagent-socket: %s\nsession: 4s\ninventory: %s\n' "$url" "$tmp/$1" "$tmp/$1.sock" "$tmp/hosts.yaml" >"$tmp/$1.yaml"
}
unset TAGOUT_AGENT_SOCKET # each has its own
pid_web1="" pid_web2="" pid_twin=""
agent() { # NAME [HOST]
    config "$1"
    start "agent-$1" "$TAGOUT" --config "$tmp/$1.yaml" agent --host "${2:-$1}"
    printf -v "pid_$1" '%s' "$pid"
}
asks() { # SOCKET-NAME LINE: the answer
    python3 - "$tmp/$1.sock" "$2" <<'PYTHON'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b"\n")
print(s.makefile().readline().strip())
PYTHON
}
status_has() { grep -qF "$2" < <("$TAGOUT" --config "$tmp/$1.yaml" agent --status -o json 2>/dev/null); }
knows() { status_has "$1" '"knows": true'; }
check() { run "$TAGOUT" --config "$tmp/$1.yaml" check --timeout 8s --actor reboot -o json "host:$1"; }
lock() { run "$TAGOUT" --config "$tmp/ops.yaml" lock "$@" --reason "move" --for 1h; }
lock_id() { awk '/^Locked/ {print $2}' <<<"$out"; }

config ops
run "$TAGOUT" --config "$tmp/ops.yaml" init
expect_status 0
agent web1
agent web2
await 60 knows web1
await 60 knows web2

note "check goes by the agent, and says the same"
check web1
expect_status 0
expect_out '"via": "agent"'
lock host:web1 host:web2 host:web3
expect_status 0
expect_out "2 of 2 hosts have acknowledged"
expect_out "1 host has no agent: web3"
id=$(lock_id)
check web1
expect_status 75
expect_out '"via": "agent"'
by_agent=$err
run env TAGOUT_AGENT_SOCKET="$tmp/none.sock" "$TAGOUT" --config "$tmp/web1.yaml" check --timeout 8s --actor reboot -o json host:web1
expect_status 75
expect_out '"via": "store"'
expect_equal "$err" "$by_agent" "the line"

note "a hold in a state folder that is not the agent's counts all the same" # P2
sed "s|^state-dir:.*|state-dir: $tmp/own|" "$tmp/web1.yaml" >"$tmp/own.yaml"
run "$TAGOUT" --config "$tmp/own.yaml" check --timeout 8s --actor reboot -o json host:web1
expect_out '"via": "agent"'
run "$TAGOUT" --config "$tmp/own.yaml" hold --reason "the array is degraded" --wait 100ms
run "$TAGOUT" --config "$tmp/own.yaml" check --timeout 8s --actor reboot fleet
expect_status 75
expect_err "lock=LOCAL"
run "$TAGOUT" --config "$tmp/own.yaml" unhold
expect_status 0
asks web1 '{"v":1,"op":"check","actor":"reboot","state-dir":"/elsewhere"}' >"$tmp/.asked"
expect_file_has "$tmp/.asked" '"code":"configuration"'

note "an agent that hangs does not hold a check up"
kill -STOP "$pid_web2"
check web2
expect_status 75
expect_out '"via": "store"'
kill -CONT "$pid_web2"

note "a permit is its connection's"
answer=$(asks web1 '{"v":1,"op":"permit","actor":"reboot","scopes":["service:x"]}')
expect_true "the permit is given: $answer" grep -q '"good-for-ms":' <<<"$answer"
lock service:x --wait 10s # its connection is over: it was given back
expect_status 0
run "$TAGOUT" --config "$tmp/ops.yaml" unlock "$(lock_id)"
run "$TAGOUT" --config "$tmp/ops.yaml" unlock "$id"
expect_status 0

note "peers that send garbage, too much, half a line, or never read: each ends alone"
python3 - "$tmp/web1.sock" >"$tmp/peers" <<'PYTHON'
import os, socket, sys, time
path = sys.argv[1]
def peer():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(path)
    return s
check = b'{"v":1,"op":"check","actor":"reboot"}\n'
def works():
    s = peer()
    s.sendall(check)
    line = s.makefile().readline()
    s.close()
    return '"answer":"go"' in line
s = peer(); s.sendall(os.urandom(2000).replace(b"\n", b" ") + b"\n"); assert '"ok":false' in s.makefile().readline(); assert works(); print("garbage")
s = peer()
try:
    s.sendall(b"x" * 1000000)
    end = s.recv(1)
except OSError:
    end = b""
assert end == b""; assert works(); print("too long")
half = peer(); half.sendall(b'{"v":1,')
deaf = peer(); deaf.setblocking(False)
try:
    for _ in range(2000000): deaf.send(check)
except BlockingIOError:
    pass
assert works(); print("deaf")
many = []
for i in range(1000):
    try:
        s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect(path); many.append(s)
    except OSError:
        break
for s in many: s.close()
end = time.monotonic() + 30
while time.monotonic() < end:
    try:
        if works(): break
    except OSError:
        pass
    time.sleep(0.05)
assert works(); print("a thousand")
half.settimeout(40)
assert half.recv(1) == b""; print("half a line")
PYTHON
for what in garbage "too long" deaf "a thousand" "half a line"; do expect_file_has "$tmp/peers" "$what"; done
expect_true "they are logged" grep -q "socket: " "$tmp/agent-web1.log"
expect_true "but not each" test "$(grep -c 'socket: ' "$tmp/agent-web1.log")" -lt 12

note "P1: an agent is killed in the middle of a lock: what was in flight there is not known, so the lock waits until it is back"
kill -STOP "$pid_web2" # it can't acknowledge
"$TAGOUT" --config "$tmp/ops.yaml" lock host:web1 host:web2 --reason move --for 1h >"$tmp/lock.out" 2>"$tmp/lock.err" &
locker=$!
await 30 grep -q "1 of 2 hosts have acknowledged" "$tmp/lock.err"
expect_true "it has not returned" kill -0 "$locker"
kill -9 "$pid_web2"
gone() { "$TAGOUT" --config "$tmp/ops.yaml" lock host:web2 --reason test --for 1h --wait 0s >"$tmp/second" 2>&1 && "$TAGOUT" --config "$tmp/ops.yaml" unlock "$(awk '/^Locked/ {print $2}' "$tmp/second")"; }
expect_true "a lock that is taken anew finds a host without an agent" await 60 gone
expect_file_has "$tmp/second" "1 host has no agent: web2"
expect_true "the one that had met it still waits" kill -0 "$locker"
agent web2
wait "$locker" || fail "the lock failed" "$(cat "$tmp/lock.out" "$tmp/lock.err")"
expect_file_has "$tmp/lock.out" "2 of 2 hosts have acknowledged"
id=$(awk '/^Locked/ {print $2}' "$tmp/lock.out")

note "it takes over what the dead one left, and knows the lock"
await 60 knows web2
check web2
expect_status 75
expect_out '"via": "agent"'

note "a second agent of one name does not answer for it"
agent twin web1
await 60 status_has twin '"claimed_by_another": true'
answer=$(asks twin '{"v":1,"op":"check","actor":"reboot"}')
expect_true "it does not know: $answer" grep -q '"cause":"host-claimed"' <<<"$answer"
stop "$pid_twin"

note "the store is stopped: nobody says GO, and what was known last is there for who asks for it"
zk_stop "$zk"
await 30 status_has web1 '"knows": false'
answer=$(asks web1 '{"v":1,"op":"check","actor":"reboot"}')
expect_true "UNKNOWN: $answer" grep -q '"answer":"unknown"' <<<"$answer"
run "$TAGOUT" --config "$tmp/web1.yaml" check --timeout 2s --actor reboot host:web1
expect_status 69
run_check "$TAGOUT" --config "$tmp/web1.yaml" check --timeout 2s --on-unknown last-known --actor reboot host:web1
expect_status 75
kill -9 "$pid_web1"
agent web1
run_check "$TAGOUT" --config "$tmp/web1.yaml" check --timeout 2s --on-unknown last-known --actor reboot host:web1
expect_status 75
cp "$tmp/web1/agent/snapshot.json" "$tmp/snapshot"
sed -i 's/web1/web9/' "$tmp/web1/agent/snapshot.json"
run_check "$TAGOUT" --config "$tmp/web1.yaml" check --timeout 2s --on-unknown last-known --actor reboot host:web1
expect_status 69
expect_err "changed by hand"
cp "$tmp/snapshot" "$tmp/web1/agent/snapshot.json"

note "it is back"
cp -a "$zk/data" "$tmp/zk-whole"
zk_start "$zk"
await 90 knows web1
await 90 knows web2
check web1
expect_status 75
run "$TAGOUT" --config "$tmp/ops.yaml" unlock "$id"
expect_status 0
free() { check web1 && [ "$status" = 0 ]; }
await 30 free

note "an empty one is in its place: UNKNOWN, whoever is asked"
zk_stop "$zk"
rm -rf "$zk/data"
zk_start "$zk"
await 60 status_has web1 '"knows": false'
answer=$(asks web1 '{"v":1,"op":"check","actor":"reboot"}')
expect_true "UNKNOWN: $answer" grep -q '"answer":"unknown"' <<<"$answer"
check web1
expect_status 69
