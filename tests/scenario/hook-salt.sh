#!/usr/bin/env bash
# Salt on a real minion of a real master: jobs, salt-call and the schedule are held by a lock, and by whatever can't be told (P2).
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ip unshare python3
salt=$("$TAGOUT_SOURCE/contrib/test-tools/salt" 2>"$tmp/.err") || skip "$(<"$tmp/.err")"

mkdir -p "$tmp/salt/states" "$tmp/salt/plugin"
cp -r "$TAGOUT_SOURCE/plugins/salt/module" "$tmp/salt/plugin/"
sed 's|@CMAKE_INSTALL_FULL_DATADIR@/tagout/salt|/srv/salt/plugin|' "$TAGOUT_SOURCE/plugins/salt/minion.d/tagout.conf.in" >"$tmp/salt/tagout.conf"
fleet_up --hosts 'ops1 app1' --tagout "$TAGOUT" --mount "$tmp/salt:/srv/salt"
on() { fleet exec "$@"; }
write_state() { # NAME [GUARD]
    {
        printf '{%% set file = pillar.get("file", "/root/none") %%}\n'
        [ -z "${2:-}" ] || printf 'nobody works here:\n  tagout.free:\n    - order: 1\n    - failhard: True\n'
        printf 'written:\n  file.managed:\n    - name: {{ file }}\n    - contents: salt was here\n'
    } >"$tmp/salt/states/$1.sls"
}
write_state plain
write_state guarded guard
on ops1 sh -c 'mkdir -p /etc/salt && printf "auto_accept: True\nfile_roots: {base: [/srv/salt/states]}\ntimeout: 15\n" >/etc/salt/master'
on app1 sh -c 'mkdir -p /etc/salt/minion.d && printf "master: ops1\nid: app1\nacceptance_wait_time: 1\nloop_interval: 1\n" >/etc/salt/minion && cp /srv/salt/tagout.conf /etc/salt/minion.d/'
run on ops1 tagout init
expect_status 0
start master fleet exec ops1 "$salt/bin/salt-master" -l warning
minion_up() { start "minion$1" fleet exec app1 "$salt/bin/salt-minion" -l warning --log-file-level=info; }
minion_up 1
minion_is_down() { ! fleet exec app1 pgrep -f bin/salt-minion; }
minion_down() {
    run on app1 sh -c 'kill "$(cat /var/run/salt-minion.pid)"'
    expect_status 0
    expect_true "the minion does not end" await 20 minion_is_down
}

# Runs FUNCTION on app1 by salt-call, or as a job of the master.
salt_call() { # [VARIABLE=value…] FUNCTION…
    local env=()
    while [[ $1 == [A-Z]*=* ]]; do
        env+=("$1")
        shift
    done
    run on app1 env "${env[@]}" "$salt/bin/salt-call" --retcode-passthrough -l critical "$@"
}
job() { run on ops1 "$salt/bin/salt" --out=json app1 "$@"; }
answers() { grep -q true < <(on ops1 "$salt/bin/salt" --out=json app1 test.ping); }
file() { printf 'pillar={"file": "/root/%s"}' "$1"; }
expect_untouched() { expect_true "/root/$1 was made" on app1 test ! -e "/root/$1"; }
expect_touched() { expect_true "/root/$1 was not made" on app1 test -e "/root/$1"; }

note "a minion with the hook answers; nothing is held: Salt works"
await 40 answers || { cat "$tmp"/m*.log; exit 1; }
salt_call state.apply plain "$(file free)"
expect_status 0
expect_touched free
job state.apply guarded "$(file free-job)"
expect_status 0
expect_touched free-job

note "doctor proves it"
run on app1 ln -s "$salt/bin/salt-call" /usr/local/bin/salt-call
run on app1 tagout doctor --enforce salt
expect_status 0
expect_out 'BLOCKED         salt'

note "a lock that is declared is taken once, and let go of"
printf 'service:pool:\n  tagout.%s\n' 'locked: [{reason: new rack}, {for: 4h}, {hold: [autoscaler]}]' >"$tmp/salt/states/locked.sls"
printf 'service:pool:\n  tagout.%s\n' 'unlocked: []' >"$tmp/salt/states/unlocked.sls"
salt_call --out=json state.apply locked test=True
expect_status 0
expect_out 'would be locked'
salt_call --out=json state.apply locked
expect_status 0
salt_call --out=json state.apply locked
expect_status 0
expect_out '"changes": {}'
run on ops1 tagout locks service:pool -o json
expect_equal "$(grep -c '"id"' <<<"$out")" 1 locks
salt_call --out=json state.apply unlocked
expect_status 0
run on ops1 tagout check --actor autoscaler service:pool
expect_status 0

note "held: salt-call and jobs do nothing, and say by whom and why"
run on ops1 tagout lock host:app1.example.com --for 1h --ticket OPS-7 --reason 'new disk "sdb"'
expect_status 0
salt_call state.apply plain "$(file held)"
expect_status 1
expect_err 'TAGOUT-HELD'
expect_err 'ticket=OPS-7'
expect_err 'new disk'
job state.apply plain "$(file held)"
expect_status 1
expect_out 'TAGOUT-HELD'
expect_out 'ticket=OPS-7'
job cmd.run 'touch /root/held' test=True
expect_out 'TAGOUT-HELD'
job test.ping,cmd.run ,'touch /root/held'
expect_untouched held

note "what changes nothing goes on"
answer_of() { # WORD: the job's or call's answer has it, and it went well
    expect_status 0
    expect_out "$1"
    expect_no_out TAGOUT
}
job test.ping
answer_of true
job saltutil.sync_all
answer_of states
job state.apply plain "$(file held)" test=True
answer_of '"result": null'
salt_call state.apply plain "$(file held)" test=True
answer_of 'is set to be changed'
expect_untouched held
salt_call --out=json grains.get tagout
expect_out '"held": true'
expect_out '"ticket": "OPS-7"'
job tagout.check service:other
answer_of '"state": "go"'
job tagout.check
expect_status 1
expect_out '"owner": "root@ops1.example.com"'

note "the state holds by itself, also a dry run, unless that is to look past the lock"
past="--module-executors=[direct_call]"
salt_call "$past" state.apply guarded "$(file held)"
expect_status 2
expect_out 'TAGOUT-HELD'
salt_call "$past" state.apply guarded "$(file held)" test=True
expect_status 2
salt_call "$past" state.apply guarded 'pillar={"file": "/root/held", "tagout": {"test": "tell"}}' test=True
expect_status 0
expect_out 'would be held: TAGOUT-HELD'
salt_call "$past" state.apply guarded 'pillar={"file": "/root/held", "tagout": {"test": "tell"}}'
expect_status 2
expect_untouched held
run on ops1 sh -c 'tagout unlock $(tagout locks | awk "NR == 2 { print \$1 }")'
expect_status 0

note "the holder's own runs pass: by the environment, and by a file for a job"
run on app1 tagout lock host:app1.example.com --for 1h --reason mine -- \
    "$salt/bin/salt-call" --retcode-passthrough -l critical state.apply guarded "$(file by-holder)"
expect_status 0
expect_touched by-holder
# shellcheck disable=SC2016 # for the inner shell
start holder fleet exec app1 tagout lock host:app1.example.com --for 1h --reason mine -- \
    sh -c 'umask 077; printf %s "$TAGOUT_TOKEN" >/root/token; : >/srv/salt/ready; until [ -e /srv/salt/over ]; do sleep 0.05; done'
await 10 test -e "$tmp/salt/ready"
job state.apply plain "$(file by-job)"
expect_out TAGOUT-HELD
run on app1 chmod 644 /root/token
job --executor-opts='{tagout_token_file: /root/token}' state.apply plain "$(file by-job)"
expect_out TAGOUT-HELD
expect_untouched by-job
run on app1 chmod 600 /root/token
job --executor-opts='{tagout_token_file: /root/token}' state.apply plain "$(file by-job)"
expect_status 0
expect_touched by-job
touch "$tmp/salt/over"
expect_true "the lock stays" await 10 on app1 tagout check --actor config-management

note "the schedule: tagout.run is held at once, a plain function by the blackout"
cat >"$tmp/salt/schedule.conf" <<'YAML'
schedule:
  asks: {function: tagout.run, args: [cmd.shell, "date >>/root/asks"], seconds: 1, jid_include: false}
  plain: {function: cmd.shell, args: ["date >>/root/scheduled"], seconds: 1, jid_include: false}
tagout: {blackout: true}
engines:
  - tagout: {interval: 1}
YAML
run on app1 cp /srv/salt/schedule.conf /etc/salt/minion.d/
minion_down
minion_up 2
expect_true "nothing is done by schedule" await 40 on app1 test -s /root/asks -a -s /root/scheduled
salt_call tagout.guards
expect_out 'schedule plain: cmd.shell is not held'
expect_no_out 'schedule asks'
run on ops1 tagout lock host:app1.example.com --for 1h --reason 'for the schedule'
expect_status 0
blacked_out() { job cmd.run true && [[ $out == *'blackout mode'* ]]; }
expect_true "there is no blackout" await 30 blacked_out
job test.ping
answer_of true
# two moments, between which the schedule has come round several times, by the log of the minion
rounds() { on app1 grep -c 'Running scheduled job: plain' /var/log/salt/minion; }
come_round() { [ "$(rounds)" -ge $(($1 + 3)) ]; }
was=$(on app1 sh -c 'cat /root/asks /root/scheduled | md5sum')
await 20 come_round "$(rounds)"
expect_equal "$(on app1 sh -c 'cat /root/asks /root/scheduled | md5sum')" "$was" "what the schedule wrote"
expect_true "the log does not say why" on app1 grep -q 'TAGOUT-HELD.*for the schedule' /var/log/salt/minion
run on ops1 sh -c 'tagout unlock $(tagout locks | awk "NR == 2 { print \$1 }")'
expect_status 0

note "unlocked: the blackout ends, and the schedule goes on"
on app1 rm /root/asks /root/scheduled
expect_true "nothing is done by schedule" await 40 on app1 test -s /root/asks -a -s /root/scheduled
job cmd.run 'touch /root/after'
expect_touched after

note "unknown is not free: the store is away"
minion_down
run on app1 mv /srv/tagout/store.db /srv/tagout/gone.db
salt_call state.apply plain "$(file unknown)"
expect_status 1
expect_err TAGOUT-UNKNOWN
salt_call "$past" state.apply guarded "$(file unknown)"
expect_status 2
expect_out TAGOUT-UNKNOWN
salt_call test.ping
expect_status 0
run on app1 mv /srv/tagout/gone.db /srv/tagout/store.db

note "the program hangs, and is gone"
run on app1 sh -c 'rm /usr/local/bin/tagout; printf "#!/bin/sh\nsleep 1000\n" >/usr/local/bin/tagout; chmod 755 /usr/local/bin/tagout
    printf "tagout: {deadline: 1}\n" >/etc/salt/minion.d/tagout-deadline.conf'
salt_call state.apply plain "$(file unknown)"
expect_status 1
expect_err 'no answer after 1 s'
no_sleepers() { ! fleet exec app1 pgrep -f '^sleep 1000'; }
expect_true "what hung is left behind" no_sleepers
run on app1 rm /usr/local/bin/tagout
salt_call state.apply plain "$(file unknown)"
expect_status 1
expect_err 'cause=no-program'
expect_untouched unknown
salt_call "$past" state.apply plain "$(file knowing-why)"
expect_status 0
expect_touched knowing-why

note "the hook's files are gone: nothing is called, and what the README says helps"
run on app1 ln -s "$TAGOUT" /usr/local/bin/tagout
mv "$tmp/salt/plugin/module/modules" "$tmp/salt/plugin/module/away"
salt_call state.apply plain "$(file unknown)"
expect_status 1
expect_err 'TAGOUT-UNKNOWN cause=salt-module'
mv "$tmp/salt/plugin/module" "$tmp/salt/plugin/gone"
salt_call state.apply plain "$(file unknown)"
expect_match "Executor 'tagout' is not available"
expect_untouched unknown
run on app1 rm /etc/salt/minion.d/tagout.conf
salt_call state.apply plain "$(file removed)"
expect_status 0
expect_touched removed
