# @summary Holds Puppet's runs off a host while a maintenance lock lies on it.
#
# Sets prerun_command in the section main of puppet.conf, so that "puppet agent" and "puppet apply" both ask before they change
# anything. The run goes on only when tagout says GO: a lock, a store that can't be reached, a missing program and a time-out all
# end it. TAGOUT_TOKEN in the environment reaches the check, so that the run of whoever holds the lock goes through.
#
# @param ensure   absent takes the hook out again
# @param program  where tagout is on the host; by itself it is found in /usr/bin and /usr/local/bin
# @param actor    the kind of automation that Puppet is, as locks name it
# @param deadline seconds after which the check is ended, and the run with it; tagout check answers within 3 by itself
# @param config   puppet.conf
class tagout (
  Enum['present', 'absent'] $ensure   = 'present',
  Pattern[/\A\/[\w.\/-]+\z/] $program = $facts['tagout_program'] ? {
    undef   => '/usr/bin/tagout',
    default => $facts['tagout_program'],
  },
  Pattern[/\A[a-z0-9-]+\z/] $actor    = 'config-management',
  Integer[1, 60] $deadline            = 10,
  Pattern[/\A\/[\w.\/-]+\z/] $config  = $facts['aio_agent_version'] ? {
    undef   => '/etc/puppet/puppet.conf',
    default => '/etc/puppetlabs/puppet/puppet.conf',
  },
) {
  # check ends by itself; timeout is for the day when it does not: Puppet would wait for an hour, and then leave it behind
  $command = "/usr/bin/timeout -k 2 ${deadline} ${program} check --no-environment --actor ${actor}"
  $path = ['/opt/puppetlabs/bin', '/usr/local/bin', '/usr/bin', '/bin']

  if $ensure == 'present' {
    if $facts['tagout_program'] == undef and $program == '/usr/bin/tagout' {
      warning("tagout is not on ${facts['networking']['fqdn']} (yet), so locks do not hold its runs off; is it elsewhere, set the parameter program")
    }
    # Not before the program is there: a hook that can't be run holds every run, also the one that would install it.
    exec { 'tagout: set prerun_command':
      command => ['puppet', 'config', 'set', '--config', $config, '--section', 'main', 'prerun_command', $command],
      unless  => [['grep', '-qxF', "prerun_command = ${command}", $config]],
      onlyif  => [['test', '-x', $program]],
      path    => $path,
    }
  } else {
    exec { 'tagout: delete prerun_command':
      command => ['puppet', 'config', 'delete', '--config', $config, '--section', 'main', 'prerun_command'],
      onlyif  => [['grep', '-qE', '^prerun_command = /usr/bin/timeout -k 2 [0-9]+ [^ ]+ check (--no-environment )?--actor ', $config]],
      path    => $path,
    }
  }
}
