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
run on app1 grep -c '^prerun_command = .*tagout check --no-environment --actor config-management$' /etc/puppet/puppet.conf
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

note "doctor proves it"
run on app1 tagout doctor --enforce puppet
expect_status 0
expect_out 'BLOCKED         puppet'

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

note "the report says so"
run on app1 sh -c 'tr -s "\n " "  " </var/cache/puppet/state/last_run_report.yaml' # YAML folds long lines
expect_match 'TAGOUT-HELD lock=[A-Z0-9]+ .*ticket=OPS-7.*new disk'
expect_match ' status: failed '

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

note "the facts: what the agent keeps in a file, and not when that has gone stale"
on app1 mkdir -p /etc/facter/facts.d
fact_file() { on app1 sh -c "printf '%s' '{\"tagout\":{\"state\":\"held\",\"held\":true,\"id\":\"OF0AGENT\",\"valid_until\":\"$1\"}}' >/etc/facter/facts.d/tagout.json"; }
fact_file 2099-01-01T00:00:00Z
puppet_run --prerun_command= -e "include tagout notice(\"\${facts[tagout][id]} \${facts[maintenance][id]}\")"
expect_out 'OF0AGENT OF0AGENT'
fact_file 2020-01-01T00:00:00Z
puppet_run --prerun_command= -e "notice(\"\${facts[maintenance][ticket]}\")"
expect_out 'OPS-7'
on app1 rm /etc/facter/facts.d/tagout.json

note "a guarded command fails when it is held, and what requires it is skipped"
guarded="tagout::exec { 'x': command => ['/usr/bin/touch', '/root/exec'], scopes => ['service:pool'], actor => 'autoscaler' } -> $(touches after-exec)"
run on ops1 tagout lock service:pool --for 1h --reason 'the pool is counted'
puppet_run --prerun_command= -e "$guarded"
expect_status 4
expect_match 'TAGOUT-HELD.*the pool is counted'
expect_untouched exec
expect_untouched after-exec
run on ops1 sh -c 'tagout unlock "$(tagout locks service:pool | awk "NR == 2 { print \$1 }")"'
expect_status 0
puppet_run --prerun_command= -e "$guarded"
expect_status 2
expect_touched exec
expect_touched after-exec

note "a lock that is declared is taken once, and let go of"
locks_of() { run on ops1 tagout locks "$1" -o json && grep -c '"id"' <<<"$out"; }
declared="tagout_lock { 'new rack': scopes => ['service:pool', 'service:other'], reason => 'new \"rack\"', for => '4h', hold => ['autoscaler'], ticket => 'OPS-9' }"
puppet_run --prerun_command= --noop -e "$declared"
expect_equal "$(locks_of service:pool || true)" 0 "locks after a dry run"
puppet_run --prerun_command= -e "$declared -> $(touches locked)"
expect_status 2
expect_touched locked
puppet_run --prerun_command= -e "$declared"
expect_status 0
expect_equal "$(locks_of service:pool)" 1 "locks"
run on ops1 tagout check --actor autoscaler service:other
expect_status 75
expect_err 'new \"rack\"'
puppet_run --prerun_command= -e "tagout_lock { 'new rack': ensure => absent, scopes => ['service:pool', 'service:other'] }"
expect_status 2
run on ops1 tagout check --actor autoscaler service:other
expect_status 0
puppet_run --prerun_command= -e "tagout_lock { 'new rack': ensure => absent, scopes => ['service:pool', 'service:other'] }"
expect_status 0
run on app1 mv /srv/tagout/store.db /srv/tagout/gone.db
puppet_run --prerun_command= -e "$declared -> $(touches not-locked)"
expect_status 4
expect_untouched not-locked
run on app1 mv /srv/tagout/gone.db /srv/tagout/store.db

note "the agent, by a cached catalog: the hook holds it; the token passes"
# shellcheck disable=SC2016 # for the inner shell
on app1 sh -ec 'd=$(puppet config print ssldir) v=$(puppet config print client_datadir) && mkdir -p "$d/certs" "$d/private_keys" "$v/catalog" && cd "$d"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out certs/ca.pem -days 1 -subj /CN=ca 2>/dev/null
    openssl req -newkey rsa:2048 -nodes -keyout private_keys/app1.example.com.pem -out csr -subj /CN=app1.example.com 2>/dev/null
    openssl x509 -req -in csr -CA certs/ca.pem -CAkey ca.key -CAcreateserial -days 1 -out certs/app1.example.com.pem 2>/dev/null
    printf "file { \"/root/by-agent\": ensure => file }" >/tmp/site.pp
    puppet catalog compile --manifest /tmp/site.pp --render-as json app1.example.com 2>/dev/null | sed -n "/^{/,\$p" >"$v/catalog/app1.example.com.json"'
agent() { run on app1 env "$@" puppet agent --test --color=false --certname app1.example.com --use_cached_catalog --no-report --certificate_revocation=false; }
agent A=1
expect_status 1
expect_match 'TAGOUT-HELD.*OPS-7'
expect_untouched by-agent

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
run on app1 tagout lock host:app1.example.com --for 1h --reason mine --hold config-management -- \
    puppet agent --test --color=false --certname app1.example.com --use_cached_catalog --no-report --certificate_revocation=false
expect_status 2
expect_touched by-agent

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
