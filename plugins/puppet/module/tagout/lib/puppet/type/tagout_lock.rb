require 'digest'
require 'json'
require 'open3'

Puppet::Type.newtype(:tagout_lock) do
  @doc = <<~TEXT
    A maintenance lock is there, or gone. The same resource in the next run finds its lock and takes none beside it.

        tagout_lock { 'new rack':
          scopes => ['service:autoscaler', 'group:web'],
          reason => 'new rack',
          for    => '4h',
          hold   => ['autoscaler', 'package-manager'],
        }

    It is what went before it in the catalog that is done first: have what it protects require it. A lock without hold, or whose hold has
    config-management, on a scope that this node is in holds the next run of Puppet as well, also the one that would take it away.
  TEXT

  ensurable do
    newvalue(:present) { provider.take }
    newvalue(:absent) { provider.release }
    defaultto :present
  end

  newparam(:name, namevar: true) do
    desc 'What it is called here; with the node it makes the request by which the lock is found again.'
  end

  newparam(:scopes, array_matching: :all) do
    desc 'What it covers: fleet, group:NAME, host:NAME, service:NAME. The title when not given.'
    munge { |value| [value].flatten }
    validate do |value|
      [value].flatten.each do |scope|
        raise ArgumentError, "\"#{scope}\" is no scope: fleet, group:NAME, host:NAME or service:NAME" unless scope =~ /\A(fleet|(group|host|service):[\w.-]+)\z/
      end
    end
  end

  newparam(:reason) { desc 'Why, for those whom it holds. Needed to take one.' }

  newparam(:for) do
    desc 'How long it is needed, such as 3h. Needed to take one. Past it the lock is overdue, and holds all the same.'
    newvalues(/\A[0-9]+[smhdw]([0-9]+[smhdw])*\z/)
  end

  newparam(:hold) do
    desc 'Which automation it holds; all when not given.'
    munge { |value| [value].flatten }
    validate do |value|
      [value].flatten.each { |actor| raise ArgumentError, "\"#{actor}\" is no actor" unless actor =~ /\A[a-z0-9-]+\z/ }
    end
  end

  newparam(:ticket) { desc 'Where more is written about it.' }

  newparam(:wait) do
    desc 'How long to wait for what is in flight; then the resource fails, and nothing is left locked by it.'
    defaultto '60s'
    newvalues(/\A[0-9]+[smhdw]([0-9]+[smhdw])*\z/)
  end

  newparam(:request) { desc 'A name for the request in place of the node and the title: the same on several nodes is one lock.' }

  newparam(:program) do
    desc 'Where tagout is.'
    defaultto { ['/usr/bin/tagout', '/usr/local/bin/tagout'].find { |path| File.executable?(path) } || '/usr/bin/tagout' }
  end

  validate do
    next if self[:ensure] == :absent
    raise ArgumentError, "Tagout_lock[#{self[:name]}] needs reason and for" unless self[:reason] && self[:for]
  end
end

Puppet::Type.type(:tagout_lock).provide(:tagout) do
  desc 'With the program tagout, as the user that Puppet runs as.'

  def exists?
    !mine.empty?
  end

  def take
    words = ['lock', "--reason=#{resource[:reason]}", "--for=#{resource[:for]}", "--wait=#{resource[:wait]}", "--request=#{request}"]
    words << "--ticket=#{resource[:ticket]}" if resource[:ticket]
    words << "--hold=#{resource[:hold].join(',')}" if resource[:hold]
    ordered(words + scopes)
  end

  def release
    ordered(['unlock'] + mine)
  end

  private

  def scopes
    resource[:scopes] || [resource[:name]]
  end

  def request
    name = resource[:request] || "#{Puppet[:certname]} #{resource[:name]}"
    Digest::SHA256.hexdigest("puppet #{name}")[0, 32]
  end

  def mine
    ordered(['locks'] + scopes).select { |lock| lock['request'] == request }.map { |lock| lock['id'] }
  end

  # The JSON of an order; what tagout says against it is the failure of the resource.
  def ordered(words)
    out, err, status = Open3.capture3(resource[:program], *words, '-o', 'json')
    raise Puppet::Error, "tagout #{words[0]}: #{complaint(err, status)}" unless status.success?
    JSON.parse(out)
  rescue SystemCallError, JSON::ParserError => e
    raise Puppet::Error, "tagout #{words[0]}: #{e.message}"
  end

  def complaint(err, status)
    error = JSON.parse(err)['error']
    [error['message'], error['hint']].compact.join(' ')
  rescue StandardError
    err.strip.empty? ? "it ended with #{status.exitstatus}" : err.strip
  end
end
