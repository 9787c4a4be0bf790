# Facts of tagout(1):
#   tagout_program  where it is; absent when it is not there
#   tagout          is this host held, and by whom, as Puppet would be told: {"state": "go" | "held" | "unknown", "held": true | false, "id": …,
#                   "scope": …, "owner": …, "reason": …, "ticket": …, "until": …}
#   maintenance     the same, and never older than it says that it is good for
# Where tagout agent runs, it keeps the fact tagout in a file of its own, which comes before this one. Else tagout is asked, once a run and at most
# for four seconds. held is true for "unknown" as well: what can't be proven free is not taken for free.
require 'open3'
require 'time'

Facter.add(:tagout_program) do
  setcode { ['/usr/bin/tagout', '/usr/local/bin/tagout'].find { |path| File.executable?(path) } }
end

ask = lambda do
  program = Facter.value(:tagout_program)
  next nil unless program
  out, err, status = Open3.capture3('/usr/bin/timeout', '-k', '1', '4', program, 'check', '--no-environment', '--actor', 'config-management', '--timeout', '2s')
  line = (err + out)[/^TAGOUT-(?:HELD|UNKNOWN) .*$/] || ''
  # name=value and name="value with \" and \\"
  said = line.scan(/(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S+))/).to_h { |name, quoted, bare| [name, bare || quoted.gsub(/\\(.)/, '\1')] }
  state = { 0 => 'go', 75 => 'held' }.fetch(status.exitstatus, 'unknown')
  fact = { 'state' => state, 'held' => state != 'go' }
  fact['id'] = said['lock'] if said['lock']
  %w[scope owner reason ticket until cause detail].each { |key| fact[key] = said[key] if said[key] }
  fact
end

Facter.add(:tagout) do
  has_weight 1
  setcode { ask.call }
end

Facter.add(:maintenance) do
  has_weight 1
  setcode do
    fact = Facter.value(:tagout)
    good_until = fact.is_a?(Hash) && fact['valid_until']
    good_until && Time.parse(good_until) < Time.now ? ask.call : fact
  rescue ArgumentError
    ask.call
  end
end
