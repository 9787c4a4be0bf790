#!/usr/bin/env bash
# tagout permit: held by a pipe, of the store for root and of the agent for everybody else. P1: a lock waits for it. P4: what has a permit is ended
# when the permit can't be proven alive: its holder is killed, the agent is killed, hangs, or is out of touch. P2: no permit without a proof.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
. "$TAGOUT_SOURCE/tests/lib/zookeeper"
need_root
need java python3 setpriv

zk=$tmp/zk
at_exit zk_kill "$zk"
zk_start "$zk"
mkdir "$tmp/state" "$tmp/run"
chmod 755 "$tmp" "$tmp/run"
TAGOUT_AGENT_SOCKET=$tmp/run/agent.sock
printf 'hosts:\n  web1: {}\n' >"$tmp/hosts.yaml"
printf 'store: %s/tagout\nstate-dir: %s\nsession: 4s\ninventory: %s\n' "$(zk_url "$zk")" "$tmp/state" "$tmp/hosts.yaml" >"$tmp/site.yaml"
tagout=("$TAGOUT" --config "$tmp/site.yaml")
nobody=(setpriv --reuid nobody --regid nogroup --clear-groups --)
run "${tagout[@]}" init
expect_status 0

n=0
# Starts something that acts for ever as USER (a prefix), with a permit of its own. $actor, $holder; descriptor 8 is the pipe.
acts() { # PREFIX…
    n=$((n + 1))
    start "actor$n" "$@" sh -c 'sleep 54321 & sleep 54321; echo went on'
    actor=$pid
    mkfifo "$tmp/pipe$n"
    "$@" "${tagout[@]}" permit --actor config-management --what 'salt: state.apply' --stop "$actor" host:web1 <"$tmp/pipe$n" >"$tmp/permit$n.log" 2>&1 &
    holder=$!
    at_exit stop "$holder"
    exec 8>"$tmp/pipe$n"
    await 30 grep -q '^TAGOUT-GO fence=[0-9]*:[0-9]' "$tmp/permit$n.log" || { cat "$tmp/permit$n.log"; exit 1; }
}
is_over() { # the actor was ended, and what it had started
    local how=0
    await 30 gone "$actor" || fail "the actor goes on"
    wait "$actor" || how=$?
    expect_equal "$how" 137 "status of the actor"
    expect_true "something of it is left" await 10 no_sleepers
    wait "$holder" || true
    exec 8>&-
}
gone() { ! [ -e "/proc/$1/exe" ] || grep -q '^State:.Z' "/proc/$1/status"; }
no_sleepers() { ! pgrep -P 1 -f '^sleep 54321' && ! pgrep -P "$actor"; }
lock() { run "${tagout[@]}" lock host:web1 --reason move --for 1h "$@"; }
unlock() { run "${tagout[@]}" unlock "$(awk '/^Locked/ { print $2 }' <<<"$out")"; }
waits_for_it() { # a lock does, and shows it
    lock --wait 200ms
    expect_status 75
    expect_match 'config-management  host:web1  salt: state.apply'
}
is_given_back() {
    lock --wait 20s
    expect_status 0
    unlock
    pkill -KILL -P "$actor" || true
    kill -KILL "$actor" 2>/dev/null || true
}

note "of the store: a lock waits until the pipe ends, or has something to read"
acts env
waits_for_it
exec 8>&-
wait "$holder" || fail "status $?" "$(<"$tmp/permit$n.log")"
is_given_back
expect_true "who acts was ended" sh -c "! grep -q TAGOUT-LOST '$tmp/permit$n.log'"
acts env
sleep 60 8>&8 & # a child has the pipe as well
child=$!
at_exit stop "$child"
echo >&8
wait "$holder" || fail "status $?" "$(<"$tmp/permit$n.log")"
exec 8>&-
is_given_back

note "P4: its holder is killed, or the store hangs"
acts env
kill -KILL "$holder"
is_over
acts env
zk_pause "$zk"
is_over
zk_resume "$zk"
zk_await "$zk"

note "of the agent, for who has no access to the store: a lock waits"
agent() {
    start agent "$TAGOUT" --config "$tmp/site.yaml" agent --host web1
    agent=$pid
    await 60 knows
}
knows() { grep -q '"knows": true' < <("${tagout[@]}" agent --status -o json 2>/dev/null); }
agent
chmod 700 "$tmp/state"
acts "${nobody[@]}"
waits_for_it
exec 8>&-
wait "$holder" || fail "status $?" "$(<"$tmp/permit$n.log")"
is_given_back

note "and it runs a command under it, with its status and its fence"
run "${nobody[@]}" "${tagout[@]}" permit --actor config-management host:web1 -- sh -c 'echo "$TAGOUT_FENCE"; exit 7'
expect_status 7
expect_match '^[0-9]+:[0-9]+'
lock
run "${nobody[@]}" "${tagout[@]}" permit --actor config-management host:web1 -- touch "$tmp/run/acted"
expect_status 75
expect_err 'TAGOUT-HELD'
run "${nobody[@]}" "${tagout[@]}" permit --actor config-management host:web1
expect_status 75
expect_equal "$out" "" "what is said to who must not act"
expect_true "it was run" test ! -e "$tmp/run/acted"
run "${tagout[@]}" unlock "$("${tagout[@]}" locks | awk 'NR == 2 { print $1 }')"

note "P4: the agent hangs, is killed, or ends"
acts "${nobody[@]}"
kill -STOP "$agent"
is_over
kill -CONT "$agent"
await 60 knows # again: its session may have ended meanwhile
acts "${nobody[@]}"
kill -KILL "$agent"
is_over
agent
acts "${nobody[@]}"
kill "$agent"
is_over
wait "$agent" || true # it takes its socket along

note "P2: an agent that says what it likes, and then none: no permit"
cat >"$tmp/liar.py" <<'PY'
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
s.listen()
for answer in (b"", b"{}\n", b'{"v":1,"ok":true,"answer":"go"}\n', b'{"v":1,"ok":true,"answer":"go","permit":"x","fence":"1:2","good-for-ms":-5}\n',
               b'{"v":1,"ok":true,"answer":"go","permit":"x","fence":"1:2","good-for-ms":99999999999999}\n', b"x" * 300000 + b"\n", b"[" * 100000 + b"\n"):
    c = s.accept()[0]
    c.recv(65536)
    try:
        c.sendall(answer)
    except OSError:
        pass
    c.close()
PY
rm -f "$TAGOUT_AGENT_SOCKET"
start liar python3 "$tmp/liar.py" "$TAGOUT_AGENT_SOCKET"
await 10 test -S "$TAGOUT_AGENT_SOCKET"
for _ in 1 2 3 4 5 6 7; do
    run "${nobody[@]}" "${tagout[@]}" permit --actor config-management host:web1 -- touch "$tmp/run/acted"
    expect_true "status $status" test "$status" -ne 0
done
expect_true "it was run" test ! -e "$tmp/run/acted"
rm -f "$TAGOUT_AGENT_SOCKET"
run "${nobody[@]}" "${tagout[@]}" permit --actor config-management host:web1 -- touch "$tmp/run/acted"
expect_true "status $status" test "$status" -ne 0
expect_true "it was run" test ! -e "$tmp/run/acted"

note "for root on another's behalf, the environment chooses no store"
unset TAGOUT_AGENT_SOCKET
run env TAGOUT_STORE="local:$tmp/other.db" TAGOUT_STATE_DIR="$tmp/other" "${tagout[@]}" permit --no-environment --actor config-management host:web1 </dev/null
expect_status 0
expect_out TAGOUT-GO
expect_true "it looked elsewhere" test ! -e "$tmp/other.db"

note "mistakes are told"
for mistake in '' '--actor x --stop 1' '--actor x --stop 4194999' '--actor x --stop 2 -- true' '--actor x --no-environment -- true'; do
    # shellcheck disable=SC2086 # words on purpose
    run "${tagout[@]}" permit $mistake
    expect_status 64
done
