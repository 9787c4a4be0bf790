#!/usr/bin/env bash
# The agent on a real host, as its unit starts it on a real systemd, by a user of its own with one capability: a lock waits for a real Puppet
# and a real dpkg in flight and shows them (P1); it is seen where people look, a person's own disable survives it, and nothing of ours is left
# (P8); kill -9 of the agent; and the emergency hold with ZooKeeper killed (P2, P3).
# shellcheck disable=SC2154,SC2016 # status, out, err, tmp come from lib.sh; quoted for the shell over there
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/host
. "$TAGOUT_SOURCE/tests/lib/host"
need ip unshare systemctl systemd-analyze puppet dpkg-deb java cmake

units=$tmp/units
cmake --install "$TAGOUT_BUILD" --prefix "$tmp/prefix" >/dev/null
mkdir -p "$units"
cp "$tmp"/prefix/lib/systemd/system/tagout-agent.* "$units"
# The program of this tree, where a package has it; a sanitizer needs what the unit does not give: room, and its reports.
sed -e 's|^ExecStart=.*|ExecStart=/usr/local/bin/tagout --verbose agent|' -e '/^MemoryMax/d; /^MemoryDenyWriteExecute/d; /^SystemCallFilter/d' \
    -e "s|^ReadWritePaths=/run/tagout.*|& -$TAGOUT_BUILD/sanitizer|" "$units/tagout-agent.service" >"$units/test.service"
printf 'Environment=ASAN_OPTIONS=detect_leaks=0:log_path=%s/sanitizer/report\n' "$TAGOUT_BUILD" >"$tmp/env"
sed -i "/^Type=exec/r $tmp/env" "$units/test.service"

note "the unit is valid, and exposes little"
sed "s|^ExecStart=[^ ]*|ExecStart=/bin/true|" "$units/tagout-agent.service" >"$tmp/tagout-agent.service"
cp "$units/tagout-agent.socket" "$tmp"
run systemd-analyze verify --man=no "$tmp/tagout-agent.service" "$tmp/tagout-agent.socket"
expect_status 0
expect_equal "$err" "" "what systemd-analyze complains of"
run systemd-analyze security --offline=true --threshold=25 --no-pager "$tmp/tagout-agent.service"
expect_status 0
expect_match 'Overall exposure level for tagout-agent.service: [0-2]\.[0-9] OK'

fleet_up --hosts 'ops1 web1' --tagout "$TAGOUT" --store zk://ops1.example.com:2181/tagout --mount "$tmp:/srv/test"
on() { fleet exec "$@"; }
w() { sd web1 "$@"; } # below web1's systemd
zk() { on ops1 env ZK_OWNER=1 ZK_ADDRESS=0.0.0.0 bash "$TAGOUT_SOURCE/tests/lib/zookeeper" "$@"; }
lock_id() { sed -n 's/^Locked  \([A-Z0-9]*\) .*/\1/p' <<<"$out"; }
has() { grep -qF -- "$2" "$1"; }
on ops1 sh -c 'mkdir -p /root/zk && echo 2181 >/root/zk/port'
zk start /root/zk
run on ops1 tagout init
expect_status 0

note "the agent starts as its own user, with one capability"
on web1 sh -c "cp /srv/test/units/test.service /etc/systemd/system/tagout-agent.service
    cp /srv/test/units/tagout-agent.socket /etc/systemd/system/
    mkdir -p /etc/sysusers.d
    cp /srv/test/prefix/lib/sysusers.d/tagout-agent.conf /etc/sysusers.d/
    cp /srv/test/prefix/lib/tmpfiles.d/tagout-agent.conf /etc/tmpfiles.d/
    install -d -o puppet -g puppet -m 1755 /var/cache/puppet/state
    chmod 777 $TAGOUT_BUILD/sanitizer"
sd_boot web1
w systemd-sysusers
w systemd-tmpfiles --create /etc/tmpfiles.d/tagout-agent.conf
run w systemctl start tagout-agent.service
expect_status 0
agent_pid() { w systemctl show -p MainPID --value tagout-agent.service; }
knows() { grep -q '"knows": true' < <(w tagout agent --status -o json); }
await 30 knows || { w journalctl --no-pager -q -u tagout-agent.service; w systemctl status --no-pager tagout-agent.service; exit 1; }
run w sh -c "grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs)' /proc/$(agent_pid)/status"
expect_match $'CapEff:\t0000000000000002'
expect_match $'CapBnd:\t0000000000000002'
expect_match $'NoNewPrivs:\t1'
expect_no_out $'Uid:\t0'
run w stat -c '%U %a' /run/tagout/agent.sock
expect_out "root 666"

note "P1: a lock waits for a real puppet apply, the run lock of an agent, and a real dpkg, and shows them"
pkg=$tmp/pkg
mkdir -p "$pkg/DEBIAN"
printf 'Package: tagout-test-slow\nVersion: 1\nArchitecture: all\nMaintainer: t <t@example.com>\nDescription: waits\n' >"$pkg/DEBIAN/control"
printf '#!/bin/sh\necho configuring >/srv/test/postinst\nread -r x </srv/test/go-dpkg\n' >"$pkg/DEBIAN/postinst"
chmod 755 "$pkg/DEBIAN/postinst"
dpkg-deb --build --root-owner-group "$pkg" "$tmp/slow.deb" >/dev/null
mkfifo "$tmp/go-dpkg" "$tmp/go-apply" "$tmp/go-agent"
start apt fleet exec web1 nsenter -t "$(sd_pid web1)" -m -p -C -- env DEBIAN_FRONTEND=noninteractive apt-get -y -q install /srv/test/slow.deb
printf "exec { '/bin/sh -c \"echo applying >/srv/test/applying; read -r x </srv/test/go-apply\"': timeout => 0 }\n" >"$tmp/slow.pp"
start apply fleet exec web1 nsenter -t "$(sd_pid web1)" -m -p -C -- puppet apply /srv/test/slow.pp
printf '%s\n' 'require "puppet"; require "puppet/util/pidlock"' \
    'l = Puppet::Util::Pidlock.new("/var/cache/puppet/state/agent_catalog_run.lock"); l.lock or abort "taken"' \
    '$0 = "puppet agent: applying configuration"; File.write("/srv/test/running", "x"); File.open("/srv/test/go-agent") { |f| f.read }; l.unlock' >"$tmp/agent-run.rb"
start run fleet exec web1 nsenter -t "$(sd_pid web1)" -m -p -C -- ruby /srv/test/agent-run.rb
for mark in postinst applying running; do await 60 test -e "$tmp/$mark" || { cat "$tmp/apt.log" "$tmp/apply.log" "$tmp/run.log"; exit 1; }; done
start locking "$TAGOUT_SOURCE/contrib/fleet" exec ops1 tagout lock host:web1.example.com --for 1h --ticket OPS-7 --reason 'new "disk"'
await 60 has "$tmp/locking.log" "package-manager" || { cat "$tmp/locking.log"; w tagout agent --status; exit 1; }
await 30 has "$tmp/locking.log" "puppet apply"
for what in "apt-get -y -q install /srv/test/slow.deb" "puppet apply /srv/test/slow.pp" "puppet agent" "so far"; do expect_file_has "$tmp/locking.log" "$what"; done
run w tagout check --actor reboot
expect_status 75
expect_true "it is not granted while they act" sh -c "! grep -q '^Locked' '$tmp/locking.log'"
run on ops1 tagout log
expect_out "saw in flight under"
echo >"$tmp/go-dpkg"
echo >"$tmp/go-apply"
: >"$tmp/go-agent"
await 60 grep -q '^Locked' "$tmp/locking.log"
expect_true "they have ended when it is granted" sh -c "! $TAGOUT_SOURCE/contrib/fleet exec web1 pgrep -f 'slow[.]pp|slow[.]deb'"
lock=$(sed -n 's/^Locked  \([A-Z0-9]*\) .*/\1/p' "$tmp/locking.log")

note "it is seen where people look; Puppet itself obeys it, and --enable does not last"
disabled=/var/cache/puppet/state/agent_disabled.lock
await 20 w test -e "$disabled"
run w puppet agent --onetime --no-daemonize --verbose --color=false
expect_match "administratively disabled \(Reason: 'tagout: lock $lock of root@ops1"
run w facter tagout.reason
expect_out 'new "disk"'
run w cat /run/motd.d/50-tagout /run/tagout/held "/run/tagout/held.d/$lock.json" /run/tagout/state.json
expect_status 0
expect_out "web1.example.com is under maintenance"
expect_out "valid_until"
w puppet agent --enable
expect_true "it is disabled again" await 20 w test -e "$disabled"
run on ops1 tagout unlock "$lock"
expect_status 0
gone() { w sh -c "! ls $disabled /run/motd.d/50-tagout /run/tagout/held /etc/facter/facts.d/tagout.json /run/tagout/held.d/*.json 2>/dev/null | grep ."; }
expect_true "nothing of ours is left" await 20 gone

note "P8: a person's own disable survives our lock and our unlock"
w puppet agent --disable "alice: looking at it"
run on ops1 tagout lock host:web1.example.com --for 1h --reason second
expect_status 0
lock=$(lock_id)
await 20 w test -e /run/tagout/held
run w cat "$disabled"
expect_out "alice: looking at it"
run on ops1 tagout unlock "$lock"
await 20 w test ! -e /run/tagout/held
run w cat "$disabled"
expect_out "alice: looking at it"
w puppet agent --enable

note "kill -9 of the agent while it projects: the next one cleans up"
run on ops1 tagout lock host:web1.example.com --for 1h --reason third
lock=$(lock_id)
await 20 w test -e "$disabled"
w sh -c 'systemctl kill -s KILL tagout-agent.service; systemctl stop tagout-agent.service tagout-agent.socket'
expect_true "what it projected is still there" w test -e "$disabled"
run on ops1 tagout unlock "$lock"
expect_status 0
expect_true "nobody is there to remove it" w test -e "$disabled"
w systemctl start tagout-agent.socket tagout-agent.service
expect_true "the next agent does" await 30 gone

note "P2, P3: the emergency hold, with ZooKeeper killed"
zk kill /root/zk
run w tagout check --actor reboot --timeout 1s
expect_status 69
run w tagout hold --reason 'the array is degraded' --ticket OPS-9 --wait 20s
expect_status 0
expect_out "Held  LOCAL  host:web1.example.com"
run w tagout check --actor reboot
expect_status 75
expect_err "TAGOUT-HELD lock=LOCAL scope=host:web1.example.com"
run w tagout check --actor reboot --on-unknown go
expect_status 75
run w setpriv --reuid nobody --clear-groups tagout check --actor reboot
expect_status 75
run w tagout exec --actor reboot -- touch /srv/test/acted
expect_status 75
expect_true "nothing acted" test ! -e "$tmp/acted"
expect_true "people see it" await 20 w grep -q "lock LOCAL" /run/tagout/held
expect_true "Puppet is disabled by it" await 20 w grep -q LOCAL "$disabled"
run w sh -c 'TAGOUT_TOKEN=$(cat /var/lib/tagout/tokens/LOCAL) tagout check --actor reboot --timeout 1s'
expect_status 69 # it passes the hold; of the store nothing is known

note "when the store is back, everybody sees the hold there; breaking that frees nothing"
zk start /root/zk
shown() { grep -q 'local hold: the array' < <(on ops1 tagout locks); }
expect_true "tagout locks shows it" await 60 shown
report=$(on ops1 tagout locks | awk '/local hold/ { print $1 }')
run on ops1 tagout check --actor reboot host:web1.example.com
expect_status 75
run on ops1 tagout unlock "$report" --force --reason "not knowing better"
# The log tells that it was broken, and taken again after that.
taken_again() { on ops1 tagout log | awk -v id="$report" '/ BROKE / && index($0, id) { broken = 1 } / locked .*local hold/ && broken { again = 1 } END { exit !again }'; }
expect_true "it comes back" await 30 taken_again
expect_true "and is shown" shown
run w sh -c 'TAGOUT_TOKEN=$(cat /var/lib/tagout/tokens/LOCAL) tagout check --actor reboot'
expect_status 0
run w tagout unhold
expect_status 0
not_shown() { [ "$(on ops1 tagout locks -o json)" = "[]" ]; }
expect_true "the report goes with the hold" await 30 not_shown
expect_true "and what people saw" await 20 gone

note "a hold that makes no sense is UNKNOWN"
w sh -c 'echo garbage >/var/lib/tagout/hold.json'
run w tagout check --actor reboot
expect_status 69
expect_err "cause=bad-hold"
run w tagout unhold --force --reason test
expect_status 0
run w tagout check --actor reboot
expect_status 0
