# Asks for a reboot as long as the system wants one, and says so when it does not any more. Both may be said at each run: it stays one request, and nobody reboots here.
# What "reboot" means is written in tagout.yaml of the host, below requests: (tagout-requests(7)).
class reboot_request (
  String $tagout = '/usr/bin/tagout',
  String $wanted = '/run/reboot-required',
) {
  Exec { path => ['/usr/bin', '/bin'] }

  exec { 'ask for a reboot':
    command => "${tagout} request submit --activity reboot --disruptive --expires 1d --reason 'the system wants it'",
    onlyif  => "test -e ${wanted}",
  }

  exec { 'no reboot is wanted':
    command => "${tagout} request cancel reboot --reason 'the system wants it no longer'",
    unless  => "test -e ${wanted}",
  }
}
