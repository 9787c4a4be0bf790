# The change that the rollout brings: the web service takes its data from the new registry.
class { 'tagout': program => '/usr/local/bin/tagout' }

node /^(app|cache)/ {
  class { 'site::web': registry => 'new' }
}
