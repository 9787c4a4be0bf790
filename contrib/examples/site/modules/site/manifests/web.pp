# A web service, with the registry that it takes its data from in its configuration.
class site::web (
  String $registry = 'old',
) {
  $examples = '/srv/examples'

  file {
    default:
      ensure => file,
      mode   => '0755';
    '/usr/local/sbin/web':
      source => "${examples}/web/web";
    '/etc/init.d/web':
      source => "${examples}/web/web.init";
    '/etc/web.conf':
      mode    => '0644',
      content => "registry: ${registry}\n";
  }
  ~> service { 'web':
    ensure    => running,
    hasstatus => true,
  }
}
