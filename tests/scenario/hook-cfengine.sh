#!/usr/bin/env bash
# A real cf-agent: held, it aborts before it keeps any promise, and says nothing but that; the line is in syslog (P2).
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/host
. "$TAGOUT_SOURCE/tests/lib/host"
need ip unshare python3
fetch_debs cfengine3

fleet_up --hosts 'ops1 app1' --tagout "$TAGOUT" --mount "$debs:/srv/debs" --mount "$TAGOUT_SOURCE/plugins/os:/srv/hooks"
on() { fleet exec "$@"; }
file() { fleet exec app1 tee "$1" >/dev/null; }
agent() { run fleet exec app1 cf-agent --no-lock "$@"; }
kept() { fleet exec app1 test -e /opt/kept; }
expect_kept() { # yes|no; and takes it away again
    local is=no
    ! kept || is=yes
    expect_equal "$is" "$1" "the promise was kept"
    fleet exec app1 rm -f /opt/kept
}
run on ops1 tagout init
expect_status 0
install_debs app1 cfengine3
syslog_up app1
inputs=/var/lib/cfengine3/inputs
file $inputs/promises.cf <<'CF'
body common control { inputs => { "tagout.cf" }; bundlesequence => { "main" }; }
body agent control { abortclasses => { "tagout_held" }; }
bundle agent main { files: "/opt/kept" create => "true"; }
CF

note "the hook is put in, and heeded: doctor proves both"
run on app1 tagout doctor --enforce cfengine
expect_status 1
expect_match 'not configured +cfengine'
run on app1 sh -c "/srv/hooks/tagout-hooks enable cfengine && chmod 600 $inputs/*"
expect_status 0
run on app1 tagout doctor --enforce cfengine
expect_status 0
expect_match 'BLOCKED +cfengine .*TAGOUT-HELD lock=.* scope=service:tagout-doctor-'
expect_kept no
run on app1 sed -i 's/"tagout_held"/"other"/' $inputs/promises.cf
run on app1 tagout doctor --enforce cfengine
expect_status 1
expect_match 'NOT BLOCKED +cfengine'
expect_kept no
run on app1 sed -i 's/"other"/"tagout_held"/' $inputs/promises.cf

note "free: promises are kept"
agent
expect_status 0
expect_kept yes

note "held: none is, and its exit status is 6; syslog says by whom"
run on ops1 tagout lock host:app1.example.com --for 1h --ticket OPS-7 --reason disk --hold config-management
expect_status 0
lock=$(sed -n 's/^Locked  \([A-Z0-9]*\) .*/\1/p' <<<"$out")
agent
expect_status 6
expect_match "cf-agent aborted on defined class 'tagout_held'"
expect_kept no
expect_true "syslog says by whom" await 10 syslog_has app1 "cf-agent: TAGOUT-HELD lock=$lock .*ticket=OPS-7"
agent --dry-run
expect_status 6
agent --simulate=diff
expect_status 6

note "the holder's own work passes, by its token"
run on ops1 tagout unlock "$lock"
run on app1 tagout lock host:app1.example.com --for 1h --reason own --hold config-management -- cf-agent --no-lock
expect_status 0
expect_kept yes

note "unknown holds; without the program it goes on; a simulation, which asks nobody, is held"
run on app1 mv /srv/tagout/store.db /srv/tagout/gone.db
agent
expect_status 6
expect_kept no
expect_true "syslog says so" await 10 syslog_has app1 'cf-agent: TAGOUT-UNKNOWN'
run on app1 tagout doctor --enforce cfengine
expect_status 69
run on app1 mv /usr/local/bin/tagout /usr/local/bin/away
agent
expect_status 0
expect_kept yes
run on app1 sh -c 'mv /usr/local/bin/away /usr/local/bin/tagout; mv /srv/tagout/gone.db /srv/tagout/store.db'
agent --simulate=diff
expect_status 6

note "a bypass: the hook taken out"
run on app1 sh -c "/srv/hooks/tagout-hooks disable cfengine && sed -i 's/inputs => { \"tagout.cf\" };//; /abortclasses/d' $inputs/promises.cf"
expect_status 0
agent
expect_status 0
expect_kept yes
