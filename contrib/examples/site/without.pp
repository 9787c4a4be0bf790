# The site as most are: Puppet keeps everything as it says here, whatever somebody may be doing.
$machines = ['app1', 'app2', 'app3', 'cache1', 'cache2'].map |$name| { "${name}.example.com" }

node /^scaler/ {
  class { 'site::autoscaler': machines => $machines }
}

node /^(app|cache)/ {
  include site::web
}
