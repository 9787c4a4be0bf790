#!/usr/bin/env bash
# The module libvirt on a real libvirtd and qemu (without KVM: the machine only runs its firmware), on a host of contrib/fleet: its packages are never
# installed on this machine. Taken, found again, deleted, kept on purpose; killed in the middle; what is not there (P8, P12).
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/host
. "$TAGOUT_SOURCE/tests/lib/host"
need ip unshare dpkg-deb
packages=(libvirt-daemon libvirt-clients libvirt-daemon-driver-qemu qemu-system-x86 qemu-utils)
fetch_debs "${packages[@]}"
mapfile -t all < <(apt-get -s --no-install-recommends install "${packages[@]}" | awk '/^Inst/ { print $2 }')
[ ${#all[@]} -gt 5 ] || skip "libvirt and qemu are installed here, and were not fetched"

fleet_up --hosts 'hv1' --tagout "$TAGOUT" --mount "$debs:/srv/debs" --mount "$TAGOUT_BUILD:/srv/build"
on() { fleet exec hv1 "$@"; }
# Unpacked, not installed: a quarter of the time.
# shellcheck disable=SC2016 # for the shell over there
on sh -ec 'for p; do
        f=$(ls -t "/srv/debs/${p}"_*.deb | sed -n 1p)
        dpkg-deb --fsys-tarfile "$f" | tar -C / -x --keep-directory-symlink
    done
    ldconfig
    echo "libvirt-qemu:x:64055:64055::/:/bin/false" >>/etc/passwd
    printf "libvirt-qemu:x:64055:\nkvm:x:64056:\n" >>/etc/group
    mkdir -p /etc/libvirt
    printf "user = \"root\"\ngroup = \"root\"\nsecurity_driver = \"none\"\ncgroup_controllers = []\nnamespaces = []\nremember_owner = 0\ndynamic_ownership = 0\n" >/etc/libvirt/qemu.conf
    printf "unix_sock_rw_perms = \"0700\"\nauth_unix_rw = \"none\"\n" >/etc/libvirt/libvirtd.conf
    qemu-img create -q -f qcow2 /root/disk.qcow2 8M
    qemu-img create -q -f raw /root/disk.raw 1M' sh "${all[@]}"
domain() { # NAME TYPE
    cat <<X
<domain type="qemu"><name>$1</name><memory unit="MiB">16</memory><vcpu>1</vcpu><os><type arch="x86_64" machine="pc">hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><disk type="file" device="disk"><driver name="qemu" type="$2"/><source file="/root/disk.$2"/>
<target dev="vda" bus="virtio"/></disk></devices></domain>
X
}
start virtlogd fleet exec hv1 virtlogd
daemon() {
    start libvirtd fleet exec hv1 libvirtd --pid-file /run/libvirtd.pid
    await 20 on virsh -q list
}
expect_true "libvirtd is up" daemon
for each in 'web1 qcow2' 'web2 raw'; do
    # shellcheck disable=SC2086 # two words
    domain $each | on tee /root/domain.xml >/dev/null
    on virsh -q define /root/domain.xml
done
expect_true "a machine runs" on virsh -q start web1
end_machine() { on virsh -q destroy web1 >/dev/null 2>&1 || true; }
at_exit end_machine

try() { # VERB HOST
    run on env ${failed:+FAILED=1} "TAG=${tag:-tagout/R1/web1/3}" ASAN_OPTIONS=detect_leaks=1:intercept_tls_get_addr=0 /srv/build/tests/around_try snapshot libvirt "${with:-{\"domain\": \"{short\}\"\}}" "$1" "$2.example.com"
    expect_status 0
    IFS='|' read -r end record text <<<"$out"
}
expect_end() { if [ "$end" = "$1" ] && [[ $text == *"${2:-}"* ]]; then ok; else fail "ended with $end, not $1 \"${2:-}\"" "$(got)"; fi; }
count() { on virsh -q snapshot-list "${1:-web1}" --name | grep -c . || true; }

note "taken of a machine that runs, once; found by its name; deleted"
try look web1
expect_end absent
try act web1
expect_end ours "snapshot tagout-tagout-R1-web1-3-"
expect_equal "$(count)" 1 snapshots
try act web1
expect_end ours
expect_equal "$(count)" 1 snapshots
try keep web1
expect_end ours
run on virsh snapshot-dumpxml web1 "$record"
expect_out '<description>tagout run R1 by alice@ops1: '
try undo web1
expect_end absent
expect_equal "$(count)" 0 snapshots
try undo web1
expect_end absent
try keep web1
expect_end absent "somebody deleted"

note "another run's, and a person's, are theirs"
on virsh -q snapshot-create-as web1 before-upgrade >/dev/null
tag=tagout/R1/web1/33 try act web1
expect_end ours
try look web1
expect_end absent
try undo web1
expect_end absent
expect_equal "$(count)" 2 snapshots
tag=tagout/R1/web1/33 try undo web1
expect_end absent
expect_equal "$(count)" 1 snapshots

note "kept when the host fails, with its mends; gone when it does not"
with='{"domain": "{short}", "keep-on-failure": true}'
try act web1
failed=1 try undo web1
expect_end kept "to go back: virsh -c 'qemu:///system' snapshot-revert web1 $record"
expect_equal "$(count)" 2 snapshots
try mend web1
expect_out "snapshot-delete web1"
run on sh -c "$out"
expect_status 0
expect_equal "$(count)" 1 snapshots
try act web1
try undo web1
expect_end absent
unset with

note "P8: killed while virsh is at it: found, and undone"
on tee /usr/local/bin/virsh >/dev/null <<'SH'
#!/bin/sh
/usr/bin/virsh "$@" || exit
case "$*" in *snapshot-create-as*) touch /run/ordered; sleep 600 ;; esac
SH
on chmod 755 /usr/local/bin/virsh
# shellcheck disable=SC2016 # for the shell over there
start act fleet exec hv1 env TAG=tagout/R1/web1/3 ASAN_OPTIONS=intercept_tls_get_addr=0 sh -c 'echo $$ >/run/act.pid; exec "$@"' sh \
    /srv/build/tests/around_try snapshot libvirt '{"domain": "web1"}' act web1.example.com
expect_true "virsh has made it, and says nothing" await 20 on test -e /run/ordered
# shellcheck disable=SC2016
on sh -c 'kill -9 "$(cat /run/act.pid)"; rm /usr/local/bin/virsh'
try look web1
expect_end ours
try undo web1
expect_end absent
expect_equal "$(count)" 1 snapshots

note "what can't be, and what is not there"
try act web2 # raw disks have no room for one
expect_end refused
expect_equal "$(count web2)" 0 snapshots
try act web9
expect_end refused "there is no domain web9 at qemu:///system"
with='{"uri": "qemu+unix:///system?socket=/run/none"}' try act web1
expect_end not-sent "failed to connect"
# shellcheck disable=SC2016
on sh -c 'kill "$(cat /run/libvirtd.pid)"'
is_away() { ! on virsh -q list; }
expect_true "libvirtd is away" await 20 is_away
try act web1
expect_end not-sent "failed to connect"
try undo web1
expect_end not-sent
expect_true "libvirtd is back" daemon
try act web1
expect_end ours
try undo web1
expect_end absent
