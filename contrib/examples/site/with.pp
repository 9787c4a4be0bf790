# The same site with tagout: Puppet asks before each run, the autoscaler before each termination.
$machines = ['app1', 'app2', 'app3', 'cache1', 'cache2'].map |$name| { "${name}.example.com" }

class { 'tagout': program => '/usr/local/bin/tagout' }

node /^scaler/ {
  class { 'site::autoscaler': machines => $machines, ask => true }
}

node /^(app|cache)/ {
  include site::web
}
