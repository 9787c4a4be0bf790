#!/usr/bin/env bash
# The Puppet module on a real host with a real Puppet: a lock holds runs off, and whatever can't be told does as well (P2).
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need puppet ip unshare

fleet_up --hosts 'ops1 app1' --tagout "$TAGOUT" --mount "$TAGOUT_SOURCE/plugins/puppet/module:/srv/modules"
on() { fleet exec "$@"; }
# Applies MANIFEST on app1; a leading VARIABLE=value is for its environment.
puppet_run() {
    local env=()
    while [[ $1 == [A-Z]*=* ]]; do
        env+=("$1")
        shift
    done
    run fleet exec app1 env "${env[@]}" puppet apply --color=false --detailed-exitcodes --modulepath /srv/modules "$@"
}
hook="class { 'tagout': program => '/usr/local/bin/tagout' }"
touches() { printf "file { '/root/%s': ensure => file }" "$1"; }
expect_untouched() { expect_true "/root/$1 was made" on app1 test ! -e "/root/$1"; }
expect_touched() { expect_true "/root/$1 was not made" on app1 test -e "/root/$1"; }

run on ops1 tagout init
expect_status 0

note "the class sets the hook once"
puppet_run -e "$hook"
expect_status 2
run on app1 grep -c '^prerun_command = .*tagout check --actor config-management$' /etc/puppet/puppet.conf
expect_equal "$out" 1 "lines of prerun_command"
puppet_run -e "$hook"
expect_status 0

note "the program is found by itself; a host without one is told, and gets no hook"
puppet_run -e 'include tagout'
expect_status 0
run on app1 sh -c 'mv /usr/local/bin/tagout /usr/local/bin/away && sed -i /prerun_command/d /etc/puppet/puppet.conf'
puppet_run -e 'include tagout'
expect_status 0
expect_match 'tagout is not on app1'
run on app1 grep -c prerun_command /etc/puppet/puppet.conf
expect_equal "$out" 0 "lines of prerun_command"
run on app1 mv /usr/local/bin/away /usr/local/bin/tagout
puppet_run -e 'include tagout'
expect_status 2

note "free: a run goes through, and the fact says so"
puppet_run -e "$(touches free) notice(\"held is \${facts['tagout']['held']}\")"
expect_status 2
expect_out 'held is false'
expect_touched free

note "held: nothing is done, and it says by whom and why"
run on ops1 tagout lock host:app1.example.com --for 1h --ticket OPS-7 --reason 'new disk "sdb"'
expect_status 0
puppet_run -e "$(touches held)"
expect_status 1
expect_err 'TAGOUT-HELD'
expect_err 'ticket=OPS-7'
expect_err 'new disk'
expect_untouched held

note "the fact and tagout_check, past the hook"
puppet_run --prerun_command= -e "notice(\$facts[tagout][state], \$facts[tagout][ticket], \$facts[tagout][reason])"
expect_out 'held OPS-7 new disk "sdb"'
guarded="tagout_check { 'host:app1.example.com': } -> $(touches guarded)"
puppet_run --prerun_command= -e "$guarded"
expect_status 4
expect_err 'TAGOUT-HELD'
expect_untouched guarded
puppet_run --prerun_command= --noop -e "$guarded"
expect_status 0

note "the holder's own run goes through: its token does"
run on app1 tagout lock host:app1.example.com --for 1h --reason mine --hold config-management -- \
    puppet apply --color=false --detailed-exitcodes -e "$(touches by-holder)"
expect_status 1 # the lock of OPS-7 is not its own
expect_untouched by-holder
lock=$(on ops1 tagout locks | awk 'NR == 2 { print $1 }')
run on ops1 tagout unlock "$lock"
expect_status 0
run on app1 tagout lock host:app1.example.com --for 1h --reason mine --hold config-management -- \
    puppet apply --color=false --detailed-exitcodes -e "$(touches by-holder)"
expect_status 2
expect_touched by-holder

note "unknown is not free: the store is gone, the program hangs, the program is gone"
run on app1 mv /srv/tagout/store.db /srv/tagout/gone.db
puppet_run -e "$(touches unknown)"
expect_status 1
expect_err 'TAGOUT-UNKNOWN'
expect_untouched unknown
run on app1 mv /srv/tagout/gone.db /srv/tagout/store.db
run on app1 sh -c 'rm /usr/local/bin/tagout; printf "#!/bin/sh\nsleep 1000\n" >/usr/local/bin/tagout; chmod 755 /usr/local/bin/tagout
    sed -i "s/-k 2 10/-k 1 1/" /etc/puppet/puppet.conf'
puppet_run -e "$(touches hangs)"
expect_status 1
expect_err 'returned 124'
expect_untouched hangs
run on app1 pgrep -f '^sleep 1000'
expect_status 1 # nothing is left behind
run on app1 rm /usr/local/bin/tagout
puppet_run -e "$(touches missing)"
expect_status 1
expect_untouched missing

note "absent takes the hook out"
run on app1 ln -s "$TAGOUT" /usr/local/bin/tagout
run on app1 sed -i 's/-k 1 1/-k 2 10/' /etc/puppet/puppet.conf
puppet_run -e "class { 'tagout': ensure => absent, program => '/usr/local/bin/tagout' }"
expect_status 2
run on app1 grep prerun_command /etc/puppet/puppet.conf
expect_status 1
