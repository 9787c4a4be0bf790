#!/usr/bin/env bash
# A real cron: lines under "tagout exec" are not started while a lock holds, mail only where that is wanted, and run when they are free.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/host
. "$TAGOUT_SOURCE/tests/lib/host"
need ip unshare python3
fetch_debs cron

fleet_up --hosts 'ops1 app1' --tagout "$TAGOUT" --mount "$debs:/srv/debs"
on() { fleet exec "$@"; }
file() { fleet exec app1 tee "$1" >/dev/null; }
run on ops1 tagout init
expect_status 0
install_debs app1 cron
# Who gets the mail, and who gets syslog's lines.
file /usr/sbin/sendmail <<'SH'
#!/bin/sh
cat >>/var/lib/mail
SH
run on app1 sh -c 'chmod 755 /usr/sbin/sendmail; rm -f /etc/cron.d/* /etc/crontab; pkill -x cron'
syslog_up app1

run on ops1 tagout lock host:app1.example.com --for 1h --ticket OPS-7 --reason disk --hold backup
expect_status 0
lock=$(sed -n 's/^Locked  \([A-Z0-9]*\) .*/\1/p' <<<"$out")
file /etc/cron.d/test <<'CRON'
MAILTO=root
* * * * * root echo x >>/var/lib/control
* * * * * root /usr/local/bin/tagout exec --actor report -- sh -c 'echo 50\% >>/var/lib/free'
* * * * * root /usr/local/bin/tagout exec --actor backup --on-held quiet -- touch /var/lib/quiet
* * * * * root /usr/local/bin/tagout exec --actor backup -- touch /var/lib/loud
* * * * * root TAGOUT_STORE=local:/nonexistent/store.db /usr/local/bin/tagout exec --actor backup --on-held quiet -- touch /var/lib/unknown
CRON
start cron fleet exec app1 cron -f

note "doctor --enforce tries each line's guard"
run on app1 tagout doctor --enforce cron
expect_status 69 # the last one asks a store of its own
expect_match 'not tried +cron .*TAGOUT-UNKNOWN store=local:/nonexistent'

note "one minute of cron: what is free runs, what is held does not"
has() { fleet exec app1 grep -q "$2" "$1"; }
expect_true "cron runs its lines" await 75 has /var/lib/control x
expect_true "what is free runs" await 30 has /var/lib/free 50%
expect_true "the loud one mails by whom it is held" await 30 has /var/lib/mail 'TAGOUT-HELD.*ticket=OPS-7'
expect_true "an unknown is mailed, also by the quiet one" await 30 has /var/lib/mail 'TAGOUT-UNKNOWN'
expect_true "the quiet one tells syslog" await 30 syslog_has app1 'TAGOUT-HELD.*ticket=OPS-7.* not started: touch /var/lib/quiet'
run on app1 sh -c 'ls /var/lib/quiet /var/lib/loud /var/lib/unknown'
expect_no_out /var/lib # none of them
run on app1 sh -c 'grep -c "^Subject:.* touch /var/lib/quiet" /var/lib/mail'
expect_equal "$out" 0 "mails of the quiet one"

note "by hand: the status is true also when it is quiet"
run on app1 tagout exec --actor backup --on-held quiet -- touch /var/lib/quiet
expect_status 75
expect_equal "$out$err" "" "what it prints"
run on app1 tagout exec --actor backup --on-held quiet --wait 100ms -- touch /var/lib/quiet
expect_status 75
expect_equal "$out$err" "" "what it prints"
run on ops1 tagout unlock "$lock"
run on app1 tagout exec --actor backup --on-held quiet -- sh -c 'exit 7'
expect_status 7

note "doctor again, with lines that can be held"
run on app1 sed -i '/nonexistent/d' /etc/cron.d/test
run on app1 tagout doctor --enforce cron
expect_status 0
expect_match 'BLOCKED +cron .*cron.d/test'
run on app1 test -e /var/lib/quiet
quiet=$status
run on app1 tagout doctor --enforce cron
run on app1 test -e /var/lib/quiet
[ "$quiet" = 0 ] || expect_status "$quiet" # unless cron itself did, meanwhile
run on app1 sh -c 'echo "@daily root touch /var/lib/before; /usr/local/bin/tagout exec --actor backup -- true" >>/etc/cron.d/test'
run on app1 tagout doctor --enforce cron
expect_status 69
expect_match "more than that can't be tried"
run on app1 test ! -e /var/lib/before
expect_status 0
