#!/usr/bin/env bash
# Puppet laid out as Puppet's own packages (AIO) do it: below /opt/puppetlabs and /etc/puppetlabs, and not in PATH. A stand-in: it is Debian's Puppet
# that runs there, behind a wrapper that gives it these paths, and not an AIO package. The hook, doctor, the agent's projection and the gate find it.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need puppet ip unshare

fleet_up --hosts 'ops1 app1' --tagout "$TAGOUT" --mount "$TAGOUT_SOURCE/plugins/puppet/module:/srv/modules"
on() { fleet exec "$@"; }
on app1 sh -c 'mkdir -p /opt/puppetlabs/bin /opt/puppetlabs/puppet/bin /opt/puppetlabs/puppet/cache/state /opt/puppetlabs/puppet/public /etc/puppetlabs/puppet /etc/puppetlabs/code
    mv "$(command -v puppet)" /opt/puppetlabs/puppet/bin/puppet
    rm -rf /etc/puppet /var/cache/puppet /var/lib/puppet
    cat >/opt/puppetlabs/bin/puppet && chmod 755 /opt/puppetlabs/bin/puppet' <<'SH'
#!/bin/sh
export FACTER_aio_agent_version=7.23.0
case $1 in
-* | '') exec /opt/puppetlabs/puppet/bin/puppet "$@" ;;
esac
sub=$1
shift
p=/opt/puppetlabs/puppet e=/etc/puppetlabs
exec /opt/puppetlabs/puppet/bin/puppet "$sub" --confdir $e/puppet --codedir $e/code --ssldir $e/puppet/ssl --vardir $p/cache --statedir $p/cache/state --publicdir $p/public \
    --rundir /run/puppetlabs --logdir /var/log/puppetlabs "$@"
SH
fleet_site "local:$fleet/shared/store.db" \
    'before-unlock:' \
    '  - {targets: "@app", puppet: {manifest: /root/site.pp}}'
puppet_run() { run on app1 /opt/puppetlabs/bin/puppet "$@" --color=false; }
apply() { puppet_run apply --detailed-exitcodes --modulepath /srv/modules "$@"; }

note "Puppet is not where Debian has it"
run on app1 sh -c 'command -v puppet; ls /etc/puppet'
expect_true "it is" test "$status" -ne 0

note "the class sets its hook in the configuration of that Puppet"
apply -e 'include tagout'
expect_status 2
run on app1 grep -c '^prerun_command = .*tagout check' /etc/puppetlabs/puppet/puppet.conf
expect_equal "$out" 1 "lines of prerun_command"
apply -e 'include tagout'
expect_status 0
expect_true "something is in /etc/puppet" on app1 test ! -e /etc/puppet
run on app1 tagout doctor --enforce puppet
expect_status 0
expect_out 'BLOCKED         puppet'

note "held: by the hook, and by the agent's disable file in its folder of state"
start agent fleet exec app1 tagout agent
knows() { grep -q '"knows": true' < <(on app1 tagout agent --status -o json); }
await 60 knows || cat "$tmp/agent.log"
run tagout lock host:app1.example.com --for 1h --reason 'work by hand'
expect_status 0
id=$(awk '/^Locked/ { print $2 }' <<<"$out")
apply -e 'file { "/root/held": ensure => file }'
expect_status 1
expect_err TAGOUT-HELD
run on app1 test -e /root/held
expect_status 1
expect_true "there is no disable file" await 30 on app1 test -e /opt/puppetlabs/puppet/cache/state/agent_disabled.lock
puppet_run agent --onetime --no-daemonize --verbose
expect_match "administratively disabled .*$id"

note "the gate finds it over a plain SSH, and its summary"
on app1 sh -c 'echo "file { \"/srv/conf\": content => \"one\n\" }" >/root/site.pp; echo manual >/srv/conf'
run tagout unlock "$id"
expect_status 75
expect_out 'puppet would change 1 thing, manual or not:  /srv/conf  (+1 −1)'
on app1 sh -c 'echo one >/srv/conf'
run tagout unlock "$id"
expect_status 0
expect_out 'would revert nothing'
apply /root/site.pp
expect_status 0

note "absent takes the hook out of that configuration"
apply -e "class { 'tagout': ensure => absent }"
expect_status 2
run on app1 grep prerun_command /etc/puppetlabs/puppet/puppet.conf
expect_status 1
