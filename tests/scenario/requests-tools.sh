#!/usr/bin/env bash
# The examples of requests for Salt and cron, as they are shipped: asked at each run they stay one request, and are taken back when nothing is wanted any more.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
need_root
need unshare python3
examples=$TAGOUT_SOURCE/contrib/examples/requests

js() { python3 -c "import json, sys; d = json.load(sys.stdin); x = $1; print(x if isinstance(x, str) else json.dumps(x))"; } # EXPRESSION of d, what it reads
# shellcheck disable=SC2016 # for the inner shell
on() { unshare --uts sh -c 'hostname web1; exec "$@"' _ "$@"; }
req() { on "$tmp/bin/tagout" request "$@"; }
open_requests() { req show -o json | js '["%s by %s" % (q["activity"], q["owner"]) for q in d["open"]]'; }

mkdir -p "$tmp/bin"
printf '#!/bin/sh\nexec "%s" --config "%s/tagout.yaml" "$@"\n' "$TAGOUT" "$tmp" >"$tmp/bin/tagout"
# shellcheck disable=SC2016 # for the program
printf '#!/bin/sh\necho "$1" >>%s/slept\n' "$tmp" >"$tmp/bin/sleep"
# shellcheck disable=SC2016 # likewise
printf '#!/bin/sh\necho reboot >>%s/acted\nexit "$(cat %s/status 2>/dev/null || echo 0)"\n' "$tmp" "$tmp" >"$tmp/bin/act"
chmod 755 "$tmp/bin"/*
printf 'groups:\n  web: {hosts: "web[1-3]"}\n' >"$tmp/hosts.yaml"
cat >"$tmp/tagout.yaml" <<END
store: local:$tmp/store.db
state-dir: $tmp/state
inventory: $tmp/hosts.yaml
calendar: $tmp/calendar.yaml
requests:
  activities:
    reboot: {run: [$tmp/bin/act], estimate: 5m}
END
# Open, with less than a minute in which something that takes a quarter of an hour may begin: it is due at once, and not spread over hours.
open_now() {
    printf 'default: closed\nwindows:\n  now: {start: "%s", duration: %ds}\n' "$(date -u -d '-1 hour' '+%Y-%m-%d %H:%M:%S')" $((3600 + 900 + 50)) >"$tmp/calendar.yaml"
}
open_now
"$tmp/bin/tagout" init >/dev/null

by_salt() {
    note "Salt asks at each run, and says when it is not wanted any more"
    salt=$("$TAGOUT_SOURCE/contrib/test-tools/salt" 2>"$tmp/.err") || { note "skipped: $(<"$tmp/.err")"; return; }
    mkdir -p "$tmp/salt"
    printf 'file_client: local\nfile_roots: {base: [%s]}\nroot_dir: %s/salt\nid: web1\n' "$examples" "$tmp" >"$tmp/salt/minion"
    apply() { on "$salt/bin/salt-call" --local --config-dir "$tmp/salt" --retcode-passthrough --out=json -l critical state.apply reboot \
        pillar="{\"reboot_request\": {\"tagout\": \"$tmp/bin/tagout\", \"wanted\": \"$tmp/wanted\"}}"; }
    : >"$tmp/wanted"
    run apply
    expect_status 0
    run apply
    expect_status 0
    expect_equal "$(open_requests)" '["reboot by root@web1"]' "requests"
    rm "$tmp/wanted"
    run apply
    expect_status 0
    expect_equal "$(open_requests)" '[]' "requests"
    run apply
    expect_status 0
}

# The line's command as cron hands it to a shell: without backslashes before "%", with what it sets alone in the environment, and this script's programs first.
cron_runs() {
    local command
    command=$(sed -n 's|^\*/5 \* \* \* \* root ||p' "$examples/cron.d" | sed 's|\\%|%|g; s|/run/reboot-required|'"$tmp/wanted"'|g')
    path=$(sed -n 's/^PATH=//p' "$examples/cron.d")
    on env -i PATH="$tmp/bin:$path" SHELL=/bin/sh HOME=/root LOGNAME=root ASAN_OPTIONS="${ASAN_OPTIONS:-}" /bin/sh -c "$command"
}
acted() { wc -l < <(cat "$tmp/acted" 2>/dev/null); }

by_cron() {
    note "cron: nothing is wanted, nothing is mailed; each run waits for the host's own moment"
    run cron_runs
    expect_equal "$out$err" "" "mail"
    run cron_runs
    expect_equal "$(sort -u "$tmp/slept" | wc -l)" 1 "moments of one host"
    expect_equal "$(acted)" 0 "what ran"
    note "wanted: asked for and carried out, once; what is in the way is no mail, what went wrong is"
    "$tmp/bin/tagout" lock host:web1 --reason disk --for 1h -o json >"$tmp/lock"
    : >"$tmp/wanted"
    open_now
    run cron_runs
    expect_equal "$out$err" "" "mail"
    expect_equal "$(open_requests)" '["reboot by root@web1"]' "requests"
    expect_equal "$(acted)" 0 "what ran"
    "$tmp/bin/tagout" unlock "$(js 'd["id"]' <"$tmp/lock")" >/dev/null
    echo 1 >"$tmp/status"
    open_now
    run cron_runs
    expect_match '^.*reboot.*fail'
    expect_equal "$(acted)" 1 "what ran"
    mv "$tmp/store.db" "$tmp/store.away"
    run cron_runs
    expect_match 'TAGOUT-UNKNOWN|store'
    mv "$tmp/store.away" "$tmp/store.db"
}
by_salt
by_cron
