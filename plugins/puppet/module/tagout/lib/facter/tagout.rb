# The fact "tagout": is this host held, and by whom, as Puppet would be told.
#   {"state": "go" | "held" | "unknown", "held": true | false, "program": where it is, "id": …, "scope": …, "owner": …, "reason": …, "ticket": …, "until": …}
# held is true for "unknown" as well: what can't be proven free is not taken for free. One check a Puppet run; it ends within seconds.
require 'open3'

Facter.add(:tagout) do
  program = ['/usr/bin/tagout', '/usr/local/bin/tagout'].find { |path| File.executable?(path) }
  confine { !program.nil? }

  setcode do
    out, err, status = Open3.capture3('/usr/bin/timeout', '-k', '2', '10', program, 'check', '--actor', 'config-management')
    line = (err + out)[/^TAGOUT-(?:HELD|UNKNOWN) .*$/] || ''
    # name=value and name="value with \" and \\"
    said = line.scan(/(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S+))/).to_h { |name, quoted, bare| [name, bare || quoted.gsub(/\\(.)/, '\1')] }
    state = { 0 => 'go', 75 => 'held' }.fetch(status.exitstatus, 'unknown')
    fact = { 'state' => state, 'held' => state != 'go', 'program' => program }
    fact['id'] = said['lock'] if said['lock']
    %w[scope owner reason ticket until cause detail].each { |key| fact[key] = said[key] if said[key] }
    fact
  end
end
