#!/usr/bin/env bash
# Reboots, on a real systemd with its logind, in namespaces of its own: held ones leave it running, a free one ends it (P2).
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/host
. "$TAGOUT_SOURCE/tests/lib/host"
need ip unshare systemctl
fetch_debs molly-guard

fleet_up --hosts 'ops1 app1' --tagout "$TAGOUT" --mount "$debs:/srv/debs" --mount "$TAGOUT_SOURCE/plugins/os:/srv/hooks"
on() { fleet exec "$@"; }
hold() {
    run on ops1 tagout lock host:app1.example.com --for 1h --ticket OPS-7 --reason 'resilvering' --hold reboot
    expect_status 0
    lock=$(sed -n 's/^Locked  \([A-Z0-9]*\) .*/\1/p' <<<"$out")
}
free() {
    run on ops1 tagout unlock "$lock"
    expect_status 0
}
run on ops1 tagout init
expect_status 0
install_debs app1 molly-guard
run on app1 rm -f /etc/molly-guard/run.d/30-query-hostname # would ask a person
sd_boot app1
sdo() { run sd app1 "$@"; }
pid=$(sd_pid app1)
expect_up() { expect_equal "$(sd_pid app1)" "$pid" "the systemd that runs"; expect_equal "$(sd app1 systemctl list-jobs --no-legend | grep -c reboot)" 0 "reboots under way"; }

note "without the hook doctor says so; with it, BLOCKED, proven, and nothing is rebooted"
sdo tagout doctor --enforce reboot
expect_status 1
expect_match 'not configured +reboot'
sdo /srv/hooks/tagout-hooks enable molly-guard
expect_status 0
sdo tagout doctor --enforce reboot
expect_status 0
expect_match 'BLOCKED +reboot .*05-tagout.*TAGOUT-HELD'
expect_up

note "held: reboot, shutdown, poweroff and halt are refused, whoever calls them by whatever path"
hold
for args in reboot 'shutdown -r now' 'shutdown -r +1' '/sbin/shutdown -h now' poweroff halt; do
    # shellcheck disable=SC2086 # words on purpose
    sdo $args
    expect_status 75
    expect_match 'TAGOUT-HELD lock=.*ticket=OPS-7'
done
sdo shutdown -c
expect_no_err TAGOUT # cancelling is never held
sdo tagout exec --actor reboot -- systemctl reboot
expect_status 75
expect_up

note "systemctl reboot: this systemd refuses it to root as well, while the lock holds"
sdo /srv/hooks/tagout-hooks enable reboot
expect_status 0
refuses() { [ "$(sd app1 systemctl show -p RefuseManualStart --value reboot.target)" = "$1" ]; }
expect_true "the timer puts it in" await 30 refuses yes
for args in reboot poweroff halt 'start reboot.target'; do
    # shellcheck disable=SC2086 # words on purpose
    sdo systemctl $args
    expect_status 4
    expect_match 'Operation refused, unit [a-z]+.target may be requested by dependency only'
done
expect_match 'Failed to start reboot.target'
sdo systemctl reboot
expect_match 'Call to Reboot failed: Operation refused' # by way of logind
expect_up
journal_tells() { grep -q 'reboots are refused: TAGOUT-HELD .*ticket=OPS-7' < <(sd app1 journalctl --no-pager -q -o cat -u tagout-reboot.service); }
expect_true "its journal says why" await 10 journal_tells

note "unknown: refused as well"
free
run on app1 mv /srv/tagout/store.db /srv/tagout/gone.db
sdo reboot
expect_status 69
expect_match TAGOUT-UNKNOWN
expect_up
run on app1 mv /srv/tagout/gone.db /srv/tagout/store.db

note "free: the drop-ins go, and a reboot reboots"
sdo mkdir -p /run/tagout
sdo systemctl start tagout-reboot.service
expect_true "they are gone" await 40 refuses no
sdo reboot
expect_true "systemd has ended" await 60 sd_is_gone app1
