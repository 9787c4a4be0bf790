#!/usr/bin/env bash
# Services that timers start, on a real systemd: a held one is skipped or fails, as its drop-in says, and starts when it is free (P2). Also
# unattended-upgrades, by itself and as systemd starts it, and needrestart, which only lists while a lock holds.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/host
. "$TAGOUT_SOURCE/tests/lib/host"
need ip unshare systemctl dpkg-deb
fetch_debs unattended-upgrades needrestart

fleet_up --hosts 'ops1 app1' --tagout "$TAGOUT" --mount "$debs:/srv/debs" --mount "$TAGOUT_SOURCE/plugins/os:/srv/hooks"
on() { fleet exec "$@"; }
hold() { # a lock on app1 for packages
    run on ops1 tagout lock host:app1.example.com --for 1h --ticket OPS-7 --reason 'new "data" disk' --hold package-manager
    expect_status 0
    lock=$(sed -n 's/^Locked  \([A-Z0-9]*\) .*/\1/p' <<<"$out")
}
free() {
    run on ops1 tagout unlock "$lock"
    expect_status 0
}
unit() { # NAME TEXT
    printf '%s\n' "$2" | fleet exec app1 tee "/etc/systemd/system/$1" >/dev/null
}
ran() { fleet exec app1 cat "/var/lib/$1.ran" 2>/dev/null | wc -l; } # how often

run on ops1 tagout init
expect_status 0
install_debs app1 unattended-upgrades needrestart
unit work.service $'[Unit]\nOnFailure=alarm.service\n[Service]\nType=oneshot\nExecStart=/bin/sh -c "echo x >>/var/lib/work.ran"'
unit alarm.service $'[Service]\nType=oneshot\nExecStart=/bin/sh -c "echo x >>/var/lib/alarm.ran"'
unit walled.service $'[Service]\nType=oneshot\nUser=nobody\nProtectSystem=strict\nProtectHome=yes\nPrivateNetwork=yes\nPrivateTmp=yes\nExecStart=/bin/true'
unit after.service $'[Unit]\nRequires=work.service\nAfter=work.service\n[Service]\nType=oneshot\nExecStart=/bin/sh -c "echo x >>/var/lib/after.ran"'
unit work.timer $'[Timer]\nOnActiveSec=1s\nAccuracySec=1us\nUnit=work.service'
sd_boot app1
sdo() { run sd app1 "$@"; }
sdo systemctl --version
expect_out "systemd 2"
shows() { grep -q "$2" < <(sd app1 journalctl --no-pager -q -o cat -u "$1"); } # UNIT TEXT

note "free: a unit with the drop-in starts"
sdo /srv/hooks/tagout-hooks enable unit:work.service unit:walled.service
expect_status 0
sdo systemctl start work.service walled.service
expect_status 0
expect_equal "$(ran work)" 1 "times that it ran"

note "held: it is skipped, not failed; its journal says by whom; what requires it starts all the same"
hold
sdo systemctl start work.service walled.service
expect_status 0
expect_equal "$(ran work)" 1 "times that it ran"
expect_true "its journal tells" await 10 shows work.service 'TAGOUT-HELD lock=.*ticket=OPS-7'
expect_true "that of the walled one too" await 10 shows walled.service 'TAGOUT-HELD lock=.*ticket=OPS-7'
sdo systemctl is-active work.service
expect_out inactive
expect_equal "$(ran alarm)" 0 "alarms"
sdo systemctl start after.service
expect_equal "$(ran after)" 1 "what requires it, though"

note "held, by its timer"
sdo systemctl start work.timer
timer_elapsed() { [ "$(sd app1 systemctl show -p LastTriggerUSec --value work.timer)" != "" ]; }
expect_true "the timer elapses" await 20 timer_elapsed
skipped() { [ "$(sd app1 journalctl --no-pager -q -o cat -u work.service | grep -c TAGOUT-HELD)" -ge "$1" ]; }
expect_true "and its service is skipped" await 20 skipped 3
expect_equal "$(ran work)" 1 "times that it ran"

note "--fail: it fails, the alarm comes, what requires it does not start"
sdo /srv/hooks/tagout-hooks enable --fail --force unit:work.service
expect_status 0
sdo systemctl start work.service
expect_status 1
sdo systemctl is-failed work.service
expect_out failed
alarmed() { [ "$(ran alarm)" -ge 1 ]; }
expect_true "the alarm comes" await 10 alarmed
sdo systemctl start after.service
expect_status 1
expect_equal "$(ran after)" 1 "what requires it"
expect_equal "$(ran work)" 1 "times that it ran"

note "doctor --enforce tries what each drop-in says, on a unit of its own"
free
sdo tagout doctor --enforce systemd
expect_status 0
expect_match 'BLOCKED +systemd .*TAGOUT-HELD lock='
expect_equal "$(ran work)" 1 "times that it ran"
sdo systemctl start work.service
expect_status 0
expect_equal "$(ran work)" 2 "times that it ran"
sdo sed -i 's/ || exit 255/ || true/' /etc/systemd/system/work.service.d/50-tagout.conf
sdo systemctl daemon-reload
sdo tagout doctor --enforce systemd
expect_status 1
expect_match 'NOT BLOCKED +systemd .*work.service'
sdo /srv/hooks/tagout-hooks enable --force unit:work.service

note "unknown holds; without the program it starts"
run on app1 mv /srv/tagout/store.db /srv/tagout/gone.db
sdo systemctl start work.service
expect_status 0
expect_equal "$(ran work)" 2 "times that it ran"
expect_true "its journal tells" await 10 shows work.service 'TAGOUT-UNKNOWN'
run on app1 mv /srv/tagout/gone.db /srv/tagout/store.db
run on app1 mv /usr/local/bin/tagout /usr/local/bin/away
sdo systemctl start work.service
expect_equal "$(ran work)" 3 "times that it ran"
run on app1 mv /usr/local/bin/away /usr/local/bin/tagout

note "the holder's own: systemd does not pass on a token, the holder's lock names who else may not"
hold
sdo sh -c 'TAGOUT_TOKEN=x systemctl start work.service'
expect_equal "$(ran work)" 3 "times that it ran"
sdo /srv/hooks/tagout-hooks disable unit:work.service
expect_status 0
sdo systemctl start work.service
expect_equal "$(ran work)" 4 "times that it ran"

note "unattended-upgrades: held by apt's hook when it is run, and quietly skipped when its timer starts it"
# apt knows by the size and the second of dpkg's status that its cache is old: versions of one length, within a second, would deceive it.
for version in 1 2.0; do
    mkdir -p "$tmp/tree/DEBIAN" "$tmp/tree/opt"
    printf 'Package: hello\nVersion: %s\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: for a test\n' $version >"$tmp/tree/DEBIAN/control"
    echo $version >"$tmp/tree/opt/hello"
    dpkg-deb -b "$tmp/tree" "$fleet/shared/hello_$version.deb" >/dev/null
done
{ dpkg-deb -f "$fleet/shared/hello_2.0.deb" && printf 'Filename: ./hello_2.0.deb\nSize: %s\nSHA256: %s\n' "$(stat -c %s "$fleet/shared/hello_2.0.deb")" \
    "$(sha256sum "$fleet/shared/hello_2.0.deb" | cut -d' ' -f1)"; } >"$fleet/shared/Packages"
hello() { fleet exec app1 cat /opt/hello; }
sdo sh -c 'rm -rf /etc/apt/sources.list.d/* /etc/apt/apt.conf.d/* /var/lib/apt/lists/*
    echo "deb [trusted=yes] file:/srv/tagout ./" >/etc/apt/sources.list
    printf "APT::Periodic::Enable \"1\";\nAPT::Periodic::Unattended-Upgrade \"always\";\nUnattended-Upgrade::Origins-Pattern { \"origin=*\"; };\n" >/etc/apt/apt.conf.d/50test
    dpkg -i /srv/tagout/hello_1.deb && apt-get -q update'
expect_status 0
sdo /srv/hooks/tagout-hooks enable apt unit:apt-daily-upgrade.service
expect_status 0
sdo unattended-upgrade
expect_status 1
sdo cat /var/log/unattended-upgrades/unattended-upgrades-dpkg.log /var/log/unattended-upgrades/unattended-upgrades.log
expect_out TAGOUT-HELD
expect_equal "$(hello)" 1 "version of hello"
sdo systemctl start apt-daily-upgrade.service
expect_status 0
expect_true "its journal tells" await 10 shows apt-daily-upgrade.service 'TAGOUT-HELD'
expect_equal "$(hello)" 1 "version of hello"
free
sdo unattended-upgrade
expect_status 0
expect_equal "$(hello)" 2.0 "version of hello"
sdo dpkg -i /srv/tagout/hello_1.deb
sdo systemctl start apt-daily-upgrade.service
expect_status 0
expect_equal "$(hello)" 2.0 "version of hello, by its service"
[ "$(hello)" = 2.0 ] || sd app1 sh -c 'journalctl --no-pager -q -u apt-daily-upgrade.service; tail -20 /var/log/unattended-upgrades/unattended-upgrades.log'

note "needrestart: restarts what runs outdated code, and only lists it while a lock holds"
sdo sh -c 'cp /bin/sleep /opt/sleeper'
unit old.service $'[Service]\nExecStart=/opt/sleeper 100000'
sdo systemctl daemon-reload
sdo systemctl start old.service
sdo sh -c 'cp /bin/sleep /opt/new && mv /opt/new /opt/sleeper'
main() { sd app1 systemctl show -p MainPID --value old.service; }
before=$(main)
sdo sh -c "echo \"\\\$nrconf{restart} = 'a';\" >/etc/needrestart/conf.d/auto.conf"
sdo tagout doctor --enforce needrestart
expect_status 1
expect_match 'not configured +needrestart'
sdo /srv/hooks/tagout-hooks enable needrestart
sdo tagout doctor --enforce needrestart apt
expect_status 0
expect_match 'BLOCKED +needrestart'
expect_equal "$(main)" "$before" "its process, after doctor"
hold
sdo needrestart
expect_match 'TAGOUT-HELD'
expect_match 'old.service'
expect_equal "$(main)" "$before" "its process"
free
sdo needrestart
expect_true "it was restarted" [ "$(main)" != "$before" ]
