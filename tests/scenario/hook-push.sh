#!/usr/bin/env bash
# The ForceCommand of the automation's user, on a host with an agent: each command that comes over a real sshd has a permit of the agent for as long as it
# runs (P1), though its user has no access to the store; and it is ended when the permit is lost (P4).
# shellcheck disable=SC2154,SC2016 # status, out, err, tmp come from lib.sh; quoted for the shell over there
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ip unshare sshd

mkdir "$tmp/push"
chmod 777 "$tmp/push"
fleet_up --hosts 'ops1 app1' --seat ops1 --tagout "$TAGOUT" --mount "$tmp/push:/srv/push" --mount "$TAGOUT_SOURCE/plugins/ansible/tool:/srv/ansible"
on() { fleet exec "$@"; }
run on ops1 tagout init
expect_status 0
on app1 sh -c 'sed "s|@PROGRAM@|/usr/local/bin/tagout|" /srv/ansible/sshd/tagout-push >/usr/local/sbin/tagout-push && chmod 755 /usr/local/sbin/tagout-push
    chmod 600 /srv/tagout/store.db
    printf "Match User tagout\n    ForceCommand /usr/local/sbin/tagout-push\n" >>/etc/ssh/sshd_config && kill -HUP "$(cat /run/sshd.pid)"'
start agent fleet exec app1 tagout agent
agent=$pid
knows() { grep -q '"knows": true' < <(on app1 tagout agent --status -o json); }
await 60 knows || cat "$tmp/agent.log"
push() { on ops1 ssh -o BatchMode=yes -o ControlPath=none -o LogLevel=INFO tagout@app1.example.com "$@"; }
forced() { grep -q . < <(push 'echo "${SSH_ORIGINAL_COMMAND:-}"'); }
await 20 forced

note "free: a command runs, with its own status, and its input"
run push 'cat >/dev/null; id -un; exit 7'
expect_status 7
expect_out tagout
expect_equal "$(echo through | push cat)" through "what came back"

note "P1: a lock waits for the command in flight, and shows it"
mkfifo -m 666 "$tmp/push/go"
start command "$TAGOUT_SOURCE/contrib/fleet" exec ops1 ssh -o BatchMode=yes -o ControlPath=none tagout@app1.example.com 'touch /srv/push/waits; read -r x </srv/push/go; touch /srv/push/over'
await 30 test -e "$tmp/push/waits" || cat "$tmp/command.log"
start lock fleet exec ops1 tagout lock host:app1.example.com --for 1h --reason 'new disk'
locking=$pid
await 30 grep -q 'in flight' "$tmp/lock.log" || cat "$tmp/lock.log"
expect_file_has "$tmp/lock.log" 'ssh: tagout, from '
expect_true "it is granted while the command runs" sh -c "! grep -q '^Locked' '$tmp/lock.log'"
echo go >"$tmp/push/go"
wait "$locking" || fail "the lock was not granted" "$(<"$tmp/lock.log")"
expect_true "the command had not ended when it was granted" test -e "$tmp/push/over"

note "held: no command, whatever environment it brings"
run push 'touch /srv/push/held'
expect_status 75
expect_out TAGOUT-HELD
expect_true "it was run" test ! -e "$tmp/push/held"
run on ops1 sh -c 'tagout unlock $(tagout locks | awk "NR == 2 { print \$1 }")'
expect_status 0

note "P4: the agent is killed: what it gave a permit for is ended"
rm -f "$tmp/push/waits"
start command2 "$TAGOUT_SOURCE/contrib/fleet" exec ops1 ssh -o BatchMode=yes -o ControlPath=none tagout@app1.example.com 'touch /srv/push/waits; sleep 4321; touch /srv/push/late'
command=$pid
await 30 test -e "$tmp/push/waits" || cat "$tmp/command2.log"
on app1 pkill -KILL -f '^tagout agent'
wait "$agent" || true
status=0
wait "$command" || status=$?
expect_true "it ended well" test "$status" -ne 0
expect_file_has "$tmp/command2.log" TAGOUT-LOST
quiet() { ! fleet exec app1 pgrep -f '^sleep 4321'; }
expect_true "it goes on" await 20 quiet
