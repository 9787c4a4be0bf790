# @summary A command that is run under tagout, and fails when it is held: what requires it is skipped.
#
# The command itself is guarded, not its condition: an exec whose onlyif or unless says no counts as satisfied, and what requires it goes
# ahead. While it runs, a lock on its scopes waits for its end. A held one fails with 75, an unknown with 69.
#
# @example
#   tagout::exec { 'shrink the pool':
#     command => ['/usr/local/sbin/shrink', '--by', '1'],
#     actor   => 'autoscaler',
#     scopes  => ['service:pool'],
#   }
#   -> file { '/etc/pool.size': content => '4' }
#
# @param command what to run: a path and its arguments
# @param scopes  what it acts on; without any this host
# @param actor   the kind of automation that it is
# @param wait    how long to wait for locks to go, such as 10m; by itself not at all
# @param options further parameters of exec, such as creates, unless, onlyif, refreshonly, timeout, cwd, user
# @param program where tagout is on the host
define tagout::exec (
  Array[String[1], 1] $command,
  Array[Pattern[/\A(fleet|(group|host|service):[\w.-]+)\z/]] $scopes = [],
  Pattern[/\A[a-z0-9-]+\z/] $actor = 'config-management',
  Optional[Pattern[/\A[0-9]+[smhdw]\z/]] $wait = undef,
  Hash[String, Any] $options = {},
  Pattern[/\A\/[\w.\/-]+\z/] $program = $facts['tagout_program'] ? {
    undef   => '/usr/bin/tagout',
    default => $facts['tagout_program'],
  },
) {
  $waiting = $wait ? {
    undef   => [],
    default => ['--wait', $wait],
  }

  exec { "tagout: ${title}":
    command => [$program, 'exec', '--actor', $actor] + $waiting + $scopes + ['--'] + $command,
    *       => $options,
  }
}
