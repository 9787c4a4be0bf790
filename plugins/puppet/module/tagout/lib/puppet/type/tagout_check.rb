require 'open3'

Puppet::Type.newtype(:tagout_check) do
  @doc = <<~TEXT
    Asks tagout whether a scope is free, at this point of the run. When it is held, or when that can't be told, the resource fails,
    and so nothing that requires it is touched:

        tagout_check { 'service:autoscaler': }
        -> service { 'autoscaler': ensure => running }

    An exec with onlyif => 'tagout check …' would not do: one that is skipped counts as satisfied, and what requires it goes ahead.
    With --noop it tells what it found, and fails nothing.
  TEXT

  newparam(:name, namevar: true) do
    desc 'The scope: fleet, group:NAME, host:NAME or service:NAME.'
    validate do |value|
      raise ArgumentError, "\"#{value}\" is no scope: fleet, group:NAME, host:NAME or service:NAME" unless value =~ /\A(fleet|(group|host|service):[\w.-]+)\z/
    end
  end

  newparam(:actor) do
    desc 'The kind of automation that asks.'
    defaultto 'config-management'
    newvalues(/\A[a-z0-9-]+\z/)
  end

  newparam(:program) do
    desc 'Where tagout is.'
    defaultto { ['/usr/bin/tagout', '/usr/local/bin/tagout'].find { |path| File.executable?(path) } || '/usr/bin/tagout' }
  end

  newproperty(:ensure) do
    desc 'What the answer must be. There is only one: go.'
    newvalue(:go)
    defaultto :go

    def retrieve
      command = ['/usr/bin/timeout', '-k', '2', '10', resource[:program], 'check', '--no-environment', '--actor', resource[:actor], resource[:name]]
      out, err, status = Open3.capture3(*command)
      @said = (err + out)[/^TAGOUT-.*$/] || (err + out).strip
      { 0 => :go, 75 => :held }.fetch(status.exitstatus, :unknown)
    rescue SystemCallError => e
      @said = e.message
      :unknown
    end

    def set(_value)
      raise Puppet::Error, @said
    end

    def change_to_s(current, _wanted)
      "is #{current}: #{@said}"
    end
  end
end
