#!/usr/bin/env bash
# Ansible from a desk to real hosts: the callback stops it, the role stops it, and the host itself refuses a push (PAM). Whatever can't
# be told stops it as well (P2).
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ansible-playbook ip unshare sshd

mkdir "$tmp/play"
plugin=$TAGOUT_SOURCE/plugins/ansible/tool
fleet_up --hosts 'ops1 app1 app2' --seat ops1 --tagout "$TAGOUT" --mount "$tmp/play:/srv/play" --mount "$plugin:/srv/ansible"
on() { fleet exec "$@"; }
run on ops1 tagout init
expect_status 0
on ops1 sh -c 'mkdir -p /usr/share/ansible/plugins/callback && cp /srv/ansible/callback/tagout.py /usr/share/ansible/plugins/callback/'
cat >"$tmp/play/inventory" <<'INI'
[app]
app1.example.com
app2.example.com
[app:vars]
ansible_user=tagout
ansible_become=true
ansible_python_interpreter=/usr/bin/python3
INI
cat >"$tmp/play/plain.yml" <<'YAML'
- hosts: app
  gather_facts: false
  tasks:
    - copy: {content: x, dest: "/root/{{ file }}"}
      tags: [work]
YAML
cat >"$tmp/play/role.yml" <<'YAML'
- hosts: app
  gather_facts: false
  pre_tasks:
    - import_role: {name: tagout}
  tasks:
    - copy: {content: x, dest: "/root/{{ file }}"}
      tags: [work]
YAML
ansible() { # [VARIABLE=value…] OPTION…; by default in /srv/play, of what app1 and app2 are
    local env=()
    while [[ $1 == [A-Z]*=* ]]; do
        env+=("$1")
        shift
    done
    run on ops1 env ANSIBLE_NOCOLOR=1 ANSIBLE_ROLES_PATH=/srv/ansible/roles "${env[@]}" ansible-playbook -i /srv/play/inventory "$@"
}
expect_untouched() { expect_true "/root/$2 was made on $1" on "$1" test ! -e "/root/$2"; }
expect_touched() { expect_true "/root/$2 was not made on $1" on "$1" test -e "/root/$2"; }
lock() { # SCOPE REASON [OPTION…]
    run on ops1 tagout lock "$1" --for 1h --reason "$2" --ticket OPS-7 "${@:3}"
    expect_status 0
}
# shellcheck disable=SC2016 # for the inner shell
unlock() {
    run on ops1 sh -c 'tagout unlock --force --reason "the test goes on" $(tagout locks | awk "NR > 1 { print \$1 }")'
    expect_status 0
}

note "nothing is held: the play runs"
ansible /srv/play/plain.yml -e file=free
expect_status 0
expect_touched app1 free
expect_touched app2 free

note "doctor proves it"
run on ops1 tagout doctor --enforce ansible
expect_status 0
expect_out 'BLOCKED         ansible'

note "a lock that is declared is taken once, and let go of"
cat >"$tmp/play/lock.yml" <<'YAML'
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - import_role: {name: tagout}
    - tagout_lock: {scopes: ['service:pool'], reason: new rack, for: 4h, hold: [autoscaler], state: "{{ wanted }}"}
YAML
for wanted in present present absent; do
    ansible /srv/play/lock.yml -e wanted=$wanted
    expect_status 0
    expect_equal "$(on ops1 tagout locks service:pool -o json | grep -c '"id"')" "$([ $wanted = absent ] && echo 0 || echo 1)" locks
done

note "one host is held: nothing is done on any, and it says on which, by whom and why"
lock host:app2.example.com 'new disk "sdb"'
ansible /srv/play/plain.yml -e file=held
expect_status 75
expect_err 'TAGOUT-HELD'
expect_err 'ticket=OPS-7'
expect_err 'tagout: Nothing was done in this play: app2.example.com'
ansible /srv/play/plain.yml -e file=held --tags work
expect_status 75
expect_untouched app1 held
expect_untouched app2 held
ansible /srv/play/plain.yml -e file=held --limit app1.example.com
expect_status 0
expect_touched app1 held
ansible /srv/play/plain.yml -e file=held --check
expect_status 0
expect_untouched app2 held

note "or it is left out, and the end tells so"
ansible TAGOUT_ANSIBLE_ON_HELD=drop /srv/play/plain.yml -e file=dropped
expect_status 75
expect_err 'Left out of this play: app2.example.com'
expect_out 'app1.example.com'
expect_no_out 'app2.example.com'
expect_touched app1 dropped
expect_untouched app2 dropped
ansible TAGOUT_ANSIBLE_ON_HELD=drop /srv/play/plain.yml -e file=dropped --limit app2.example.com
expect_status 75
expect_untouched app2 dropped

note "P1: a lock that comes during the play waits for its end, and shows it"
unlock
cat >"$tmp/play/steps.yml" <<'YAML'
- hosts: app1.example.com
  gather_facts: false
  tasks:
    - copy: {content: x, dest: /root/first}
    - name: waits
      shell: touch /srv/play/waits; read -r x </srv/play/go
    - name: the second
      copy: {content: x, dest: /srv/play/second}
YAML
mkfifo "$tmp/play/go"
n=0
plays() { # [VARIABLE=value…]: starts it, in $playing, and waits until it is in its second task
    n=$((n + 1))
    rm -f "$tmp/play/waits" "$tmp/play/second"
    start "play$n" "$TAGOUT_SOURCE/contrib/fleet" exec ops1 env ANSIBLE_NOCOLOR=1 "$@" sh -c 'exec ansible-playbook -i /srv/play/inventory /srv/play/steps.yml 2>>/srv/play/err'
    playing=$pid
    await 60 test -e "$tmp/play/waits" || { cat "$tmp/play$n.log" "$tmp/play/err"; return 1; }
}
locks() { # starts a lock on app1, in $locking, and waits until it waits
    start "lock$n" fleet exec ops1 tagout lock host:app1.example.com --for 1h --reason meanwhile
    locking=$pid
    await 20 grep -q 'in flight' "$tmp/lock$n.log" || { cat "$tmp/lock$n.log"; return 1; }
    expect_true "it is granted while the play goes on" sh -c "! grep -q '^Locked' '$tmp/lock$n.log'"
}
plays
locks
expect_file_has "$tmp/lock$n.log" 'config-management  host:app1.example.com  ansible: steps.yml, play app1.example.com on ops1'
echo go >"$tmp/play/go"
wait "$locking" || fail "the lock was not granted" "$(<"$tmp/lock$n.log")"
expect_true "the play had not ended when it was granted" test -e "$tmp/play/second"
wait "$playing" || fail "the play did not end well" "$(<"$tmp/play$n.log")"
unlock

note "where that is wanted, a lock that waits ends the play before its next task"
plays TAGOUT_ANSIBLE_AGAIN=0
locks
echo go >"$tmp/play/go"
status=0
wait "$playing" || status=$?
expect_equal "$status" 75 "status of the play"
expect_file_has "$tmp/play/err" 'reason="meanwhile"'
expect_file_has "$tmp/play/err" 'Stopped before the task "the second"'
wait "$locking" || fail "the lock was not granted" "$(<"$tmp/lock$n.log")"
expect_true "the second task was done" test ! -e "$tmp/play/second"
unlock

note "P4: a play whose permit is lost is ended, and begins nothing more"
plays
on ops1 pkill -KILL -f '^tagout exec .*ansible: steps.yml'
status=0
wait "$playing" || status=$?
expect_equal "$status" 137 "status of the play"
expect_file_has "$tmp/play/err" TAGOUT-LOST
echo go 1<>"$tmp/play/go" # <>: nobody may be left to read it
play_is_gone() { ! fleet exec ops1 pgrep -f 'ansible-playbook|tagout exec|_keep'; }
expect_true "something of it is left" await 20 play_is_gone
expect_true "the second task was done" test ! -e "$tmp/play/second"

note "without permits, only asking: a lock that comes during the play is granted, and stops it before the next task"
cat >"$tmp/play/asks.yml" <<'YAML'
- hosts: app1.example.com
  gather_facts: false
  tasks:
    - name: somebody takes a lock
      command: tagout lock host:app1.example.com --for 1h --reason meanwhile
    - name: the second
      copy: {content: x, dest: /root/second}
YAML
ansible TAGOUT_ANSIBLE_PERMITS=no TAGOUT_ANSIBLE_AGAIN=0 /srv/play/asks.yml
expect_status 75
expect_err 'Stopped before the task "the second"'
expect_untouched app1 second

note "a host that a task is delegated to is asked for as well"
cat >"$tmp/play/delegated.yml" <<'YAML'
- hosts: app2.example.com
  gather_facts: false
  tasks:
    - copy: {content: x, dest: /root/delegated}
      delegate_to: app1.example.com
YAML
ansible /srv/play/delegated.yml
expect_status 75
expect_err 'reason="meanwhile"'
expect_untouched app1 delegated
unlock

note "the holder's own run goes through: its token does"
run on ops1 env ANSIBLE_NOCOLOR=1 tagout lock host:app1.example.com --for 1h --reason mine -- \
    ansible-playbook -i /srv/play/inventory /srv/play/plain.yml -e file=by-holder
expect_status 0
expect_touched app1 by-holder

note "unknown is not free: the store is away, the program hangs, is gone; a host that tagout does not know"
mv "$fleet/shared/store.db" "$fleet/shared/gone.db"
ansible /srv/play/plain.yml -e file=unknown
expect_status 69
expect_err 'TAGOUT-UNKNOWN'
mv "$fleet/shared/gone.db" "$fleet/shared/store.db"
sed -i 's/^\[app\]/&\nstranger.example.com/' "$tmp/play/inventory"
ansible /srv/play/plain.yml -e file=unknown
expect_status 69
expect_err 'stranger.example.com'
sed -i '/stranger/d' "$tmp/play/inventory"
run on ops1 sh -c 'rm /usr/local/bin/tagout'
ansible /srv/play/plain.yml -e file=unknown
expect_status 69
expect_err 'cause=no-program'
expect_untouched app1 unknown
expect_untouched app2 unknown
run on ops1 ln -s "$TAGOUT" /usr/local/bin/tagout

note "the role, without the callback: a held host fails, also with --tags and --check, or is left out"
run on ops1 rm /usr/share/ansible/plugins/callback/tagout.py
lock host:app2.example.com 'new disk'
ansible /srv/play/role.yml -e file=role --tags work
expect_status 2
expect_out 'TAGOUT-HELD'
expect_touched app1 role
expect_untouched app2 role
ansible /srv/play/role.yml -e file=role --check -l app2.example.com
expect_status 2
expect_out 'TAGOUT-HELD'
ansible /srv/play/role.yml -e file=role -l app2.example.com -e tagout_on_held=skip
expect_status 0
ansible /srv/play/role.yml -e file=role -l app2.example.com -e tagout_ask=controller
expect_status 2
expect_out 'TAGOUT-HELD'
expect_untouched app2 role
unlock
run on ops1 env ANSIBLE_NOCOLOR=1 ANSIBLE_ROLES_PATH=/srv/ansible/roles tagout lock host:app2.example.com --for 1h --reason mine -- \
    ansible-playbook -i /srv/play/inventory /srv/play/role.yml -e file=by-role -e tagout_ask=controller
expect_status 0
expect_touched app2 by-role
mv "$fleet/shared/store.db" "$fleet/shared/gone.db"
ansible /srv/play/role.yml -e file=unknown -e tagout_on_held=skip
expect_status 2
expect_out 'TAGOUT-UNKNOWN'
expect_untouched app1 unknown
mv "$fleet/shared/gone.db" "$fleet/shared/store.db"

note "the host itself refuses a push: its user does not get in, a person does"
run on app1 sh -c 'cp -r /home/tagout /home/alice && useradd -M -d /home/alice -s /bin/sh -p "*" alice && chown -R alice: /home/alice
    sed "s/@USER@/tagout/; s|@PROGRAM@|/usr/local/bin/tagout|" /srv/ansible/pam.d/tagout-push >/etc/pam.d/tagout-push
    sed -i "1i @include tagout-push" /etc/pam.d/sshd
    sed -i "s/^UsePAM no/UsePAM yes/" /etc/ssh/sshd_config && kill -HUP "$(cat /run/sshd.pid)"'
expect_status 0
gets_in() { run on ops1 ssh -o BatchMode=yes -o LogLevel=INFO "$1@app1.example.com" id -un; }
is_in() { gets_in "$1" && [ "$status" = 0 ]; } # sshd is away for a moment
await 10 is_in tagout
expect_out tagout
gets_in alice
expect_out alice
ansible /srv/play/plain.yml -e file=push
expect_status 0
expect_touched app1 push
lock host:app1.example.com 'new disk'
fresh="ANSIBLE_SSH_ARGS=-o ControlPath=none -o LogLevel=INFO"
ansible "$fresh" /srv/play/plain.yml -e file=pushed
expect_status 4
expect_match 'UNREACHABLE!.*TAGOUT-HELD'
expect_match 'ticket=OPS-7'
expect_untouched app1 pushed
expect_touched app2 pushed
gets_in alice
expect_out alice
unlock

note "a connection that was open before the lock asks as well, before each command"
run on app1 sh -c 'sed "s|@PROGRAM@|/usr/local/bin/tagout|" /srv/ansible/sshd/tagout-push >/usr/local/sbin/tagout-push && chmod 755 /usr/local/sbin/tagout-push
    printf "Match User tagout\n    ForceCommand /usr/local/sbin/tagout-push\n" >>/etc/ssh/sshd_config && kill -HUP "$(cat /run/sshd.pid)"'
expect_status 0
kept="ANSIBLE_SSH_ARGS=-o ControlMaster=auto -o ControlPersist=600"
has_new_sshd() { run on ops1 ssh tagout@app1.example.com 'echo "$SSH_ORIGINAL_COMMAND"' && [[ $out == *echo* ]]; }
await 10 has_new_sshd
ansible "$kept" ANSIBLE_SSH_CONTROL_PATH_DIR=/root/kept /srv/play/plain.yml -e file=kept -l app1.example.com
expect_status 0
expect_touched app1 kept
lock host:app1.example.com 'new disk'
ansible "$kept" ANSIBLE_SSH_CONTROL_PATH_DIR=/root/kept /srv/play/plain.yml -e file=by-kept -l app1.example.com
expect_match 'TAGOUT-HELD'
expect_untouched app1 by-kept
expect_true "it ended well" test "$status" -ne 0
unlock
ansible "$kept" ANSIBLE_SSH_CONTROL_PATH_DIR=/root/kept /srv/play/plain.yml -e file=by-kept -l app1.example.com
expect_status 0
expect_touched app1 by-kept
run on app1 sh -c 'sed -i "/^Match User/,\$d" /etc/ssh/sshd_config && kill -HUP "$(cat /run/sshd.pid)"'
expect_status 0
note "what can't be told keeps the automation out, and nobody else"
mv "$fleet/shared/store.db" "$fleet/shared/gone.db"
gets_in tagout
expect_status 255
expect_err TAGOUT-UNKNOWN
gets_in alice
expect_out alice
mv "$fleet/shared/gone.db" "$fleet/shared/store.db"
run on app1 rm /usr/local/bin/tagout
gets_in tagout
expect_status 255
gets_in alice
expect_out alice
run on app1 sed -i /tagout-push/d /etc/pam.d/sshd
gets_in tagout
expect_out tagout
