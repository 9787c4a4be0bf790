#!/usr/bin/env bash
# The demo, on both stores: without tagout healthy servers are terminated, with it none (the two endings), and the machine is left
# as it was.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need cmake ninja puppet java ip unshare
[ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null || skip "needs root, or sudo without a password"
unset ASAN_OPTIONS UBSAN_OPTIONS

machine() {
    ip -o link | cut -d: -f2 | grep -vE "tg[fp][0-9]" | sort
    cut -d' ' -f5 /proc/self/mountinfo | sort
    md5sum /etc/hosts /etc/passwd /etc/puppet/puppet.conf
}

before=$(machine)
for store in local zk; do
    note "--store $store"
    export FLEET_DIR=$tmp/$store FLEET_NAME=demo TMPDIR=$tmp
    fleet_watch
    at_exit fleet_end
    run "$TAGOUT_SOURCE/contrib/demo" --store $store
    expect_status 0
    expect_match '[1-5] of 5 healthy servers terminated: [a-z]'
    expect_out '0 of 5 healthy servers terminated.'
    expect_match 'Terminated without tagout: [1-5]\.  With tagout: 0\.'
    # P1, P12: each is held, and says by whom and why
    expect_match 'prerun_command.*TAGOUT-HELD'
    expect_match 'left alone: TAGOUT-HELD lock=[A-Z0-9]+ '
    expect_out 'owner=alice@ops1'
    expect_out 'OPS-1234'
    for host in app1 app2 app3 cache1 cache2; do expect_match "$host +registry: new"; done
    expect_true "$FLEET_DIR is left" test ! -e "$FLEET_DIR"
    [ "$lib_failed" = 0 ] || printf '%s\n' "$out" "$err"
done
expect_equal "$(machine)" "$before" "links, mounts and files"

note "mistakes get one sentence"
run "$TAGOUT_SOURCE/contrib/demo" --store paper
expect_status 64
expect_err 'local or zk'
run "$TAGOUT_SOURCE/contrib/demo" --fast
expect_status 64
