#!/usr/bin/env bash
# The test fleet itself: hosts that are apart where they should be and together where they should be, and nothing left behind.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ip unshare nsenter ssh sshd sudo

# What of the machine a fleet could leave or change; without the links of other fleets and of the proof, which may come and go beside this one.
machine() {
    ip -o link | cut -d: -f2 | grep -vE "tg[fp][0-9]" | sort
    ip -4 -o addr | grep -vE "tg[fp][0-9]" | sed 's/valid_lft.*//'
    ip -4 route | grep -vE "tg[fp][0-9]"
    cut -d' ' -f5 /proc/self/mountinfo | sort
    md5sum /etc/hosts /etc/passwd /etc/shadow /etc/ssh/sshd_config 2>/dev/null
}
processes_of() { pgrep -f "$1" || true; } # TEXT

on() { fleet exec "$@"; }

before=$(machine)
touch "$tmp/outside"
mkdir "$tmp/exchange"
fleet_up 3 --seat web1 --mount "$tmp/exchange:/srv/exchange"

note "each host is its own"
run on web2 hostname
expect_status 0
expect_equal "$out" web2.example.com hostname
run on web2 sh -c 'echo two >/etc/only-here; echo two >/var/only-here; echo two >/run/only-here; echo two >/tmp/only-here'
expect_status 0
for file in /etc/only-here /var/only-here /run/only-here /tmp/only-here; do
    run on web3 test -e $file
    expect_status 1
    expect_true "$file of a host is on the machine" test ! -e $file
done
run on web2 ps -e -o pid=,comm=
expect_no_out ctest
run on web2 cat /proc/1/comm
expect_no_out systemd

note "its sshd is its own, with its own key, and the rule for sudo is there"
keys=$(for host in web1 web2 web3; do cat "$fleet/hosts/$host/host_key.pub"; done | cut -d' ' -f2 | sort -u | wc -l)
expect_equal "$keys" 3 "different host keys"
run ssh -F "$fleet/ssh/config" web3 'hostname; id -un; sudo -n id -un'
expect_status 0
expect_equal "$out" $'web3.example.com\ntagout\nroot'
run ssh -F "$fleet/ssh/config" web3.example.com 'exit 75'
expect_status 75

note "hosts reach each other, by name, from the desk only; and nothing beyond"
run on web1 ssh web2.example.com hostname
expect_equal "$out" web2.example.com
run on web2 ssh -o BatchMode=yes -o StrictHostKeyChecking=no tagout@web3.example.com true
expect_status 255
run on web2 ip -4 route show default
expect_equal "$out" '' 'default route'

note "the shared folder is one for all: a lock of a file held on one host is seen on the others"
run on web1 sh -c 'flock /srv/tagout/lock sh -c "touch /srv/tagout/held; while [ -e /srv/tagout/held ]; do sleep 0.05; done" >/dev/null 2>&1 &'
await 10 test -e "$fleet/shared/held"
run on web2 flock -n /srv/tagout/lock true
expect_status 1
rm "$fleet/shared/held"
expect_true "the lock is never free again" await 10 on web2 flock -n /srv/tagout/lock true
run on web2 sh -c 'echo hello >/srv/exchange/from-web2'
expect_file_has "$tmp/exchange/from-web2" hello

note "the first process reaps what it adopts"
run on web2 sh -c '(sleep 0.1 & exec true) ; (setsid sh -c "sleep 0.2" & ) ; true'
no_zombies() {
    local states
    states=$(fleet exec web2 ps -e -o stat=) && [[ $states != *Z* ]]
}
expect_true "zombies stay" await 10 no_zombies

note "packages and services are real, and the host's own"
# shellcheck disable=SC2016 # for the inner shell
run on web2 sh -ec '
    mkdir -p /tmp/deb/DEBIAN /tmp/deb/etc/init.d
    printf "Package: fleet-test\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: test\n" >/tmp/deb/DEBIAN/control
    printf "#!/bin/sh\ninvoke-rc.d fleet-test start\n" >/tmp/deb/DEBIAN/postinst
    cat >/tmp/deb/etc/init.d/fleet-test <<"INIT"
#!/bin/sh
d="start-stop-daemon --quiet --pidfile /run/fleet-test.pid"
case $1 in
start) $d --start --background --make-pidfile --startas /bin/sleep -- 1000 ;;
stop) $d --stop --retry 5 --remove-pidfile ;;
status) $d --status ;;
esac
INIT
    chmod 755 /tmp/deb/DEBIAN/postinst /tmp/deb/etc/init.d/fleet-test
    dpkg-deb --build --root-owner-group /tmp/deb /tmp/fleet-test.deb && dpkg -i /tmp/fleet-test.deb'
expect_status 0
run on web2 service fleet-test status
expect_status 0
run on web2 service fleet-test stop
run on web2 service fleet-test status
expect_status 3
run dpkg-query -W fleet-test
expect_status 1
run on web3 dpkg-query -W fleet-test
expect_status 1

note "up again is no harm, and two fleets live side by side"
run fleet up 3
expect_status 0
expect_out "is up already"
run fleet up 4
expect_status 75
run env FLEET_NAME=other "$TAGOUT_SOURCE/contrib/fleet" up 1 --hosts other1
at_exit sh -c "FLEET_NAME=other \"$TAGOUT_SOURCE/contrib/fleet\" down >/dev/null"
expect_status 0
run env FLEET_NAME=other "$TAGOUT_SOURCE/contrib/fleet" exec other1 hostname
expect_equal "$out" other1.example.com
run env FLEET_NAME=third "$TAGOUT_SOURCE/contrib/fleet" up 1 --subnet "$(cat "$fleet/subnet")"
expect_status 69
expect_err "is in use"
expect_equal "$(wc -l <<<"$err")" 1 "lines of complaint"
run env FLEET_NAME=other "$TAGOUT_SOURCE/contrib/fleet" down
expect_status 0

note "a host that dies is told from one that lives"
kill -KILL "$(cut -d' ' -f1 "$fleet/hosts/web3/init")"
host_is_down() { grep -q 'web3.*DOWN' < <(fleet status); }
expect_true "status does not say that web3 is down" await 10 host_is_down
run on web3 true
expect_status 69
run on web9 true
expect_status 64
expect_err "web1 web2 web3"

note "the machine is as it was"
uplink=tgf$(cut -d. -f3 "$fleet/subnet")
expect_true "there is no uplink $uplink" ip link show "$uplink"
run fleet down
expect_status 0
expect_equal "$(machine)" "$before" "links, addresses, routes, mounts and accounts"
run ip link show "$uplink"
expect_status 1
expect_equal "$(processes_of "$fleet")" '' "processes left"
expect_true "$fleet is left" test ! -e "$fleet"
expect_true "a file of the machine is gone" test -e "$tmp/outside"
run fleet down
expect_status 0
expect_out "is not up"

note "killed in the middle of up: the next one clears it away"
fleet up 2 >/dev/null 2>&1 &
victim=$!
await 10 test -e "$fleet/switch"
kill -KILL $victim
wait $victim 2>/dev/null || true
run fleet up 2
expect_status 0
uplink=tgf$(cut -d. -f3 "$fleet/subnet")
run fleet down
run ip link show "$uplink"
expect_status 1
expect_equal "$(machine)" "$before" "links, addresses, routes, mounts and accounts"

note "mistakes get one sentence"
for wrong in "up" "up 0" "up 1000" "up 2 --hosts one" "up --hosts A_B" "up 2 --seat db1" "up 2 --tagout /nonexistent" "up 2 --mount /nonexistent" "up two"; do
    # shellcheck disable=SC2086 # words on purpose
    run fleet $wrong
    expect_match '^'$'\n''fleet: [^'$'\n'']+$'
    expect_true "\"$wrong\" succeeds" [ "$status" -ge 64 ]
done
