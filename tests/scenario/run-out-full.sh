#!/usr/bin/env bash
# P2, P7, P8, P12: the disk of the store fills up in the middle of a withdrawal, and of the way back; and an old copy of it is put in its place. Whoever meets that says 69, what
# and the mend, and goes on when there is room again; on an old copy nobody is taken out of service, nor brought back. Real HAProxy and Puppet.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/haproxy
. "$TAGOUT_SOURCE/tests/lib/haproxy"
need_root
need puppet python3 haproxy socat
if [ -z "${RUN_OUT_FULL_MOUNTS:-}" ]; then
    unshare --mount true 2>/dev/null || skip "needs the right to mount"
    RUN_OUT_FULL_MOUNTS=1 exec unshare --mount "$BASH" "$0"
fi

small=$tmp/small
mkdir "$small" "$tmp/first"
mount -t tmpfs -o size=2m none "$small"
at_exit umount -l "$small"
hosts=(web1 web2)
fleet_up 2 --hosts "${hosts[*]}"
haproxy_start 2 web
fleet_site "local:$small/store.db" 'session: 2s'
# Leaks of run are looked for in run-ssh: the leak checker itself dies when a thread of the process is just beginning or ending.
tagout() { ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 "$TAGOUT" --config "$tmp/site.yaml" "$@"; }
fleet_change "${hosts[@]}"
printf '%s\n' 'rollout: bad' 'change: {puppet: {manifest: /srv/p/site.pp}}' 'targets: "*"' 'stages: [{name: all}]' 'limits: {running: 2}' 'failure: {failed: 2}' \
    'around:' '  - lock' "  - drain: {haproxy: {socket: $tmp/lb.sock, backend: web, server: \"{short}\", wait: 5s, ready-at-least: 0}}" \
    'verify:' '  - {command: [test, -e, /srv/p/well], within: 4s}' >"$tmp/bad.yaml"
run tagout run --yes "$tmp/bad.yaml"
expect_status 1
id=$(head -1 <<<"$out")
for host in "${hosts[@]}"; do fleet exec "$host" touch /srv/p/well; done
cp -r "$small"/store.db* "$tmp/first/"
room() { rm -f "$small/fill"; }
fill() { # KB that are left
    local free
    free=$(df -k --output=avail "$small" | tail -n 1)
    head -c $(((free - $1) * 1024)) /dev/zero >"$small/fill" 2>/dev/null || true
}
met=0
meets() { # STATES: of the balancer, when it is through; it may be, where there was room enough
    if [ "$status" = 0 ]; then
        expect_states "$1"
    else
        met=$((met + 1))
        expect_status 69
        expect_err 'no space left'
        expect_err 'make room'
    fi
}

note "there is less and less room: said again when there is some, it goes on, and nobody is forgotten"
for left in 280 220 160 100 0; do
    fill $left
    run tagout withdraw "$id" --yes
    meets 88
    room
    run tagout withdraw "$id" --yes
    expect_status 0
    expect_states 88
    fill $left
    run tagout return "$id" --yes
    meets 00
    room
    run tagout return "$id" --yes
    expect_states 00
    run tagout locks -o json
    expect_no_out '"id"'
    rm -rf "$small"/store.db* "$tmp/state"
    cp -r "$tmp/first"/store.db* "$small/"
done
expect_true "the disk was full $met times" test "$met" -ge 6

note "P2: an old copy: nobody is withdrawn, kept out, brought back or mended by it"
run tagout withdraw "$id" --yes
expect_status 0
old() {
    cp -r "$small/store.db" "$tmp/new.db"
    cat "$tmp/first/store.db" >"$tmp/old.db"
    mv "$tmp/old.db" "$small/store.db"
    rm -f "$small"/store.db-*
}
old
for command in "withdraw $id --yes" "withdraw --keep $id" "return $id --yes" "run --resume $id-withdraw" "run --yes --mends $id $tmp/bad.yaml" "rollback $id --yes"; do
    # shellcheck disable=SC2086 # words
    run tagout $command
    expect_status 69
    expect_err 'it is an old copy'
done
expect_states 88
rm -f "$small"/store.db-*
mv "$tmp/new.db" "$small/store.db"

note "P2: it is put there while somebody is brought back"
for host in "${hosts[@]}"; do fleet exec "$host" rm /srv/p/well; done
start back "$TAGOUT" --config "$tmp/site.yaml" return "$id" --yes
back=$pid
await 20 grep -q 'to be brought back' "$tmp/back.log"
old
for host in "${hosts[@]}"; do fleet exec "$host" touch /srv/p/well; done
status=0
wait "$back" || status=$?
expect_equal "$status" 69 "status of the way back"
expect_file_has "$tmp/back.log" 'was replaced or deleted under this process'
expect_states 88
