#!/usr/bin/env bash
# A request for a reboot on a host with a systemd of its own: run-due, started by its unit, really shuts the host down, and finds after the next boot that it is done. P7, P8.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/host
. "$TAGOUT_SOURCE/tests/lib/host"
need ip unshare systemctl python3

fleet_up --hosts 'ops1 app1' --tagout "$TAGOUT"
on() { fleet exec "$@"; }
sdo() { run sd app1 "$@"; }
# The kernel stays the same, so a boot's id is shown by another file to what runs below that systemd.
boot() {
    sd_boot app1
    on app1 sh -c 'cat /proc/sys/kernel/random/uuid >/root/boot'
    sdo mount --bind /root/boot /proc/sys/kernel/random/boot_id
    expect_status 0
}
service() { sdo systemctl start tagout-requests.service; }

run on ops1 tagout init
expect_status 0
on app1 tee -a /etc/tagout/tagout.yaml >/dev/null <<'END'
calendar: calendar.yaml
requests:
  activities:
    update: {run: [/usr/bin/touch, /root/updated], repeat: true, estimate: 5m}
    reboot: {run: [/usr/bin/systemctl, reboot], reboots: true, estimate: 10m}
END
python3 - <<'PYTHON' | on app1 tee /etc/tagout/calendar.yaml >/dev/null
import datetime as d
now = d.datetime.now(d.timezone.utc)
print("default: closed\nzone: UTC\nwindows:\n  now: {start: \"%s\", duration: %ds}" % ((now - d.timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S"), 3600 + 900 + 55))
PYTHON
sed 's#^ExecStart=.*/tagout #ExecStart=/usr/local/bin/tagout #' "$TAGOUT_BUILD/contrib/systemd/tagout-requests.service" | on app1 tee /etc/systemd/system/tagout-requests.service >/dev/null
on app1 tee /etc/systemd/system/tagout-requests.timer >/dev/null <"$TAGOUT_SOURCE/contrib/systemd/tagout-requests.timer"
boot
sdo systemd-analyze verify --man=no tagout-requests.service tagout-requests.timer
expect_equal "$(grep -c tagout-requests <<<"$out$err")" 0 "what systemd has against the units"

note "asked for, due, under way: the host goes down, and stays locked"
sdo tagout request submit --activity reboot --disruptive --reason "kernel"
expect_status 0
sdo tagout request submit --activity update --disruptive
expect_status 0
service
expect_true "systemd has ended" await 60 sd_is_gone app1
run on ops1 tagout check --actor autoscaler host:app1.example.com
expect_status 75
run on app1 tagout request list -o json --state rebooting,running # it may not have lived to say so
expect_out '"activity": "reboot"'
expect_true "the update came before the reboot" on app1 test -e /root/updated

note "up again: it is done, and free"
boot
service
expect_status 0
run on app1 tagout request show
expect_match 'reboot  done .*the host has rebooted'
run on ops1 tagout check --actor autoscaler host:app1.example.com
expect_status 0
expect_true "a note is left" on app1 test ! -e /var/lib/tagout/requests.json
