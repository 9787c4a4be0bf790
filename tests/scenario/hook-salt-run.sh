#!/usr/bin/env bash
# P1 for whole runs of Salt, without an agent: a lock that is taken while a state run is in progress waits for its end, by salt-call, by a job of the
# master, in a thread of the minion, and by the state tagout.free. P4: a run whose permit is lost is ended before a lock can be granted.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ip unshare python3 java
salt=$("$TAGOUT_SOURCE/contrib/test-tools/salt" 2>"$tmp/.err") || skip "$(<"$tmp/.err")"

mkdir -p "$tmp/salt/states" "$tmp/salt/plugin"
cp -r "$TAGOUT_SOURCE/plugins/salt/module" "$tmp/salt/plugin/"
sed 's|@CMAKE_INSTALL_FULL_DATADIR@/tagout/salt|/srv/salt/plugin|' "$TAGOUT_SOURCE/plugins/salt/minion.d/tagout.conf.in" >"$tmp/salt/tagout.conf"
fleet_up --hosts 'ops1 app1' --tagout "$TAGOUT" --store zk://ops1.example.com:2181/tagout --mount "$tmp/salt:/srv/salt"
on() { fleet exec "$@"; }
zk() { on ops1 env ZK_OWNER=1 ZK_ADDRESS=0.0.0.0 bash "$TAGOUT_SOURCE/tests/lib/zookeeper" "$@"; }
# A run of three states: the second one says that it is there, and waits for a word.
{
    printf 'first:\n  cmd.run:\n    - name: touch /root/first\n'
    printf 'waits:\n  cmd.run:\n    - name: "touch /srv/salt/waits; read -r x </srv/salt/go"\n'
    printf 'last:\n  cmd.run:\n    - name: date +%%s%%N >/srv/salt/last\n'
} >"$tmp/salt/states/slow.sls"
# What a state starts asks for itself.
sed 's|^    - name: date \(.*\)|    - name: tagout check --no-environment --actor reboot \&\& tagout exec --actor package-manager -- sh -c "date \1"|' "$tmp/salt/states/slow.sls" >"$tmp/salt/states/nested.sls"
{ printf 'nobody works here:\n  tagout.free:\n    - order: 1\n    - failhard: True\n' && cat "$tmp/salt/states/slow.sls"; } >"$tmp/salt/states/guarded.sls"
mkfifo "$tmp/salt/go"
on ops1 sh -c 'mkdir -p /etc/salt && printf "auto_accept: True\nfile_roots: {base: [/srv/salt/states]}\ntimeout: 15\n" >/etc/salt/master
    mkdir -p /root/zk && echo 2181 >/root/zk/port'
on app1 sh -c 'mkdir -p /etc/salt/minion.d && printf "master: ops1\nid: app1\nacceptance_wait_time: 1\nloop_interval: 1\n" >/etc/salt/minion && cp /srv/salt/tagout.conf /etc/salt/minion.d/'
start master fleet exec ops1 "$salt/bin/salt-master" -l warning
zk start /root/zk
run on ops1 tagout init
expect_status 0
minion_up() { start "minion$1" fleet exec app1 "$salt/bin/salt-minion" -l warning; }
minion_is_down() { ! fleet exec app1 pgrep -f bin/salt-minion; }
minion_up 1
answers() { grep -q true < <(on ops1 "$salt/bin/salt" --out=json -t 3 app1 test.ping); }
await 90 answers || { cat "$tmp"/m*.log; exit 1; }

n=0
runs() { # COMMAND…: starts a run, in $running, and waits until it is in its second state
    n=$((n + 1))
    rm -f "$tmp/salt/waits" "$tmp/salt/last"
    start "run$n" "$@"
    running=$pid
    await 60 test -e "$tmp/salt/waits" || { cat "$tmp/run$n.log"; return 1; }
}
locks() { # starts a lock on app1, in $locking, and waits until it waits
    start "lock$n" fleet exec ops1 tagout lock host:app1.example.com --for 1h --reason 'new disk'
    locking=$pid
    await 20 grep -q 'in flight' "$tmp/lock$n.log" || { cat "$tmp/lock$n.log"; return 1; }
}
ends() { # the lock is granted, when the run has ended and not before; and let go of
    expect_true "it is granted while the run goes on" sh -c "! grep -q '^Locked' '$tmp/lock$n.log'"
    run on ops1 tagout check --actor config-management host:app1.example.com
    expect_status 75 # who comes now is not let in
    echo go >"$tmp/salt/go"
    wait "$locking" || fail "the lock was not granted" "$(<"$tmp/lock$n.log")"
    expect_true "the run did not end when the lock was granted" test -s "$tmp/salt/last"
    unlock
}
unlock() {
    run on ops1 sh -c 'tagout unlock $(tagout locks | awk "NR == 2 { print \$1 }")'
    expect_status 0
}
# shellcheck disable=SC2016 # for the shell over there, whose stderr is written to at its end
salt_call=(fleet exec app1 sh -c 'exec "$0" --retcode-passthrough -l critical "$@" 2>>/srv/salt/err' "$salt/bin/salt-call")

note "salt-call: a lock waits for the whole run, and shows it"
runs "${salt_call[@]}" state.apply slow
locks
expect_file_has "$tmp/lock$n.log" 'config-management  host:app1.example.com  salt: state.apply slow on app1'
ends
wait "$running" || fail "the run did not end well" "$(<"$tmp/run$n.log")"

note "a job of the master"
runs fleet exec ops1 "$salt/bin/salt" --out=json -t 60 app1 state.apply slow
locks
expect_true "the lock does not tell the job" grep -qE 'salt: state.apply slow, job [0-9]{20}' "$tmp/lock$n.log"
ends
wait "$running" || fail "the run did not end well" "$(<"$tmp/run$n.log")"

note "the state tagout.free, where no executor asks"
runs "${salt_call[@]}" '--module-executors=[direct_call]' state.apply guarded
locks
ends

note "what a state starts goes on while the lock waits: a part of the run, by salt-call and by a job of the master"
runs "${salt_call[@]}" state.apply nested
locks
ends
wait "$running" || fail "the run did not end well" "$(<"$tmp/run$n.log")"
runs fleet exec ops1 "$salt/bin/salt" --out=json -t 60 app1 state.apply nested
locks
ends
wait "$running" || fail "the run did not end well" "$(<"$tmp/run$n.log")"

note "what only looks holds no permit"
run on ops1 "$salt/bin/salt" --out=json app1 state.apply slow test=True
expect_status 0
run on ops1 tagout lock host:app1.example.com --for 1h --reason 'new disk' --wait 1ms
expect_status 0
unlock

note "a run that is killed keeps nobody waiting"
runs "${salt_call[@]}" state.apply slow
locks
on app1 pkill -KILL -f '^[^ ]*python[^ ]* [^ ]*salt-call.*state.apply slow'
wait "$locking" || fail "the lock was not granted" "$(<"$tmp/lock$n.log")"
expect_true "the run went on" test ! -e "$tmp/salt/last"
on app1 pkill -f 'read -r x' || true
unlock

note "P4: who proves the permit is killed: the run is ended, with what it has started"
runs "${salt_call[@]}" state.apply slow
on app1 pkill -KILL -f '^tagout exec .*salt: state.apply slow'
status=0
wait "$running" || status=$?
expect_equal "$status" 137 "status of the run"
expect_file_has "$tmp/salt/err" TAGOUT-LOST
nothing_left() { ! fleet exec app1 pgrep -f 'read -r x|salt-call|tagout exec|_keep'; }
expect_true "something of it is left" await 20 nothing_left
expect_true "the run went on" test ! -e "$tmp/salt/last"

note "P4: the store hangs: the run is ended before its session can be over, and a job of the master too"
runs "${salt_call[@]}" state.apply slow
by_hand=$running
rm "$tmp/salt/waits"
runs fleet exec ops1 "$salt/bin/salt" --out=json -t 5 app1 cmd.run 'touch /srv/salt/waits; read -r x </srv/salt/go; touch /srv/salt/last' python_shell=True
zk pause /root/zk
status=0
wait "$by_hand" || status=$?
expect_equal "$status" 137 "status of the run"
expect_true "something of it is left" await 20 nothing_left
zk resume /root/zk
status=0
wait "$running" || status=$?
expect_true "the master takes it for done" test "$status" -ne 0
expect_true "it went on" test ! -e "$tmp/salt/last"

note "multiprocessing: False: a thread of the minion, which lives on, gives it back at its end"
run on app1 sh -c 'kill "$(cat /var/run/salt-minion.pid)"'
await 20 minion_is_down
on app1 sh -c 'printf "multiprocessing: False\n" >/etc/salt/minion.d/threads.conf'
minion_up 2
await 60 answers
runs fleet exec ops1 "$salt/bin/salt" --out=json -t 60 app1 cmd.run 'touch /srv/salt/waits; read -r x </srv/salt/go; date >/srv/salt/last' python_shell=True
locks
expect_file_has "$tmp/lock$n.log" 'salt: cmd.run, job'
ends
