# The autoscaler, always on: that is what Puppet is for, until somebody stops it for a good reason.
class site::autoscaler (
  Array[String] $machines,
  Boolean $ask = false,
) {
  $examples = '/srv/examples'
  $args = $ask ? {
    true    => '--ask',
    default => '',
  }

  file {
    default:
      ensure => file,
      mode   => '0644';
    '/usr/local/sbin/autoscaler':
      mode   => '0755',
      source => "${examples}/autoscaler/autoscaler";
    '/etc/init.d/autoscaler':
      mode   => '0755',
      source => "${examples}/autoscaler/autoscaler.init";
    '/etc/default/autoscaler':
      content => "ARGS=${args}\n";
    '/etc/autoscaler.machines':
      content => "${machines.join("\n")}\n";
    '/etc/autoscaler.conf':
      content => "REGISTRY=/srv/registry/current\nMACHINES=/etc/autoscaler.machines\nINTERVAL=1\n";
  }
  ~> service { 'autoscaler':
    ensure    => running,
    hasstatus => true,
  }
}
