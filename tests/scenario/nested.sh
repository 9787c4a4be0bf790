#!/usr/bin/env bash
# P1 for runs within runs: while a lock waits for a run, what the run starts (apt's hook, tagout exec, a check) goes on, and what others start does not. The
# lock is granted when all of it has ended, also what the run has left behind; then everything is held. On the embedded store, on ZooKeeper, and by
# way of the host's agent.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
need ip unshare java apt-get dpkg-deb

mkdir -p "$tmp/t/repo"
package() { # VERSION
    local tree=$tmp/tree.$1
    mkdir -p "$tree/DEBIAN"
    printf 'Package: hello\nVersion: %s\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: for a test\n' "$1" >"$tree/DEBIAN/control"
    dpkg-deb -b "$tree" "$tmp/t/repo" >/dev/null
    { dpkg-deb -f "$tmp/t/repo/hello_$1_all.deb" && printf 'Filename: ./hello_%s_all.deb\nSize: %s\nSHA256: %s\n\n' "$1" \
        "$(stat -c %s "$tmp/t/repo/hello_$1_all.deb")" "$(sha256sum "$tmp/t/repo/hello_$1_all.deb" | cut -d' ' -f1)"; } >>"$tmp/t/repo/Packages"
}
package 1
mkfifo "$tmp/t/go" "$tmp/t/left" "$tmp/t/end"
# The run: says that it has begun, waits for a word, changes things that ask for themselves, and leaves something behind.
cat >"$tmp/t/run.sh" <<'RUN'
echo "$TAGOUT_PERMIT" >/srv/t/name
read -r word </srv/t/go
env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dir::Cache::pkgcache= install hello; echo "apt ended with $?"
tagout check --actor reboot -o json; echo "check ended with $?"
tagout exec --actor package-manager -- sh -c 'tagout check --no-environment --actor reboot && tagout exec --actor backup -- true'; echo "exec ended with $?"
setsid tagout exec --actor backup -- sh -c 'echo left >/srv/t/left; read -r word </srv/t/end; touch /srv/t/over' </dev/null >/dev/null 2>/srv/t/left.err &
read -r word </srv/t/left
echo done
RUN
fleet_up --hosts 'ops1 app1' --tagout "$TAGOUT" --mount "$tmp/t:/srv/t" --mount "$TAGOUT_SOURCE/plugins/os:/srv/hooks"
on() { fleet exec "$@"; }
zk() { on ops1 env ZK_OWNER=1 ZK_ADDRESS=0.0.0.0 bash "$TAGOUT_SOURCE/tests/lib/zookeeper" "$@"; }
# shellcheck disable=SC2016 # for the shell over there
on app1 sh -c 'rm -rf /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d/* /var/lib/apt/lists/* && mkdir -p /etc/apt/sources.list.d &&
    echo "deb [trusted=yes] file:/srv/t/repo ./" >/etc/apt/sources.list'
run on app1 apt-get -q update
expect_status 0
run on app1 /srv/hooks/tagout-hooks enable apt dpkg
expect_status 0

granted() { grep -q '^Locked' "$tmp/lock$n.log"; }
expect_not_granted() { expect_true "the lock is granted while $1" sh -c "! grep -q '^Locked' '$tmp/lock$n.log'"; }
expect_held() { # COMMAND…, on app1
    run on app1 "$@"
    expect_status 75
    expect_err TAGOUT-HELD
}
n=0
whole_run() {
    n=$((n + 1))
    rm -f "$tmp/t/over" "$tmp/t/name"
    on app1 dpkg --force-all -P hello >/dev/null 2>&1 || true
    start "run$n" fleet exec app1 tagout exec --actor config-management -- sh /srv/t/run.sh
    running=$pid
    await 30 test -s "$tmp/t/name" || { cat "$tmp/run$n.log"; return 1; }
    name=$(<"$tmp/t/name")
    start "lock$n" fleet exec ops1 tagout lock host:app1.example.com --for 1h --reason 'new disk'
    locking=$pid
    await 30 grep -q 'in flight' "$tmp/lock$n.log" || { cat "$tmp/lock$n.log"; return 1; }

    note "... strangers are held, and forgers"
    expect_held tagout check --actor package-manager
    expect_held tagout exec --actor package-manager -- touch /srv/t/over
    for forged in "1${name}" "${name%?}" "${name%:*}:23456789ABCDEFGHJKLMNPQRST" "${name%%:*}:99999:${name##*:}" "${name%:*}" x; do
        expect_held env TAGOUT_PERMIT="$forged" tagout check --no-environment --actor package-manager
        expect_held env TAGOUT_PERMIT="$forged" tagout exec --actor package-manager -- touch /srv/t/over
    done
    expect_held env TAGOUT_PERMIT="$name" tagout check --actor package-manager fleet
    expect_true "a stranger acts" test ! -e "$tmp/t/over"

    note "... what the run starts goes on, to its end"
    echo go >"$tmp/t/go"
    wait "$running" || fail "the run ended with $?" "$(<"$tmp/run$n.log")"
    expect_file_has "$tmp/run$n.log" "apt ended with 0"
    expect_file_has "$tmp/run$n.log" "\"waiting_for_outer\": 1"
    expect_file_has "$tmp/run$n.log" "\"via\": \"$1\""
    expect_file_has "$tmp/run$n.log" "check ended with 0"
    expect_file_has "$tmp/run$n.log" "exec ended with 0"
    run on app1 dpkg-query -W -f '${Status}' hello
    expect_out "install ok installed"

    note "... the lock waits for what it has left behind; its name is worth nothing now"
    expect_not_granted "something is left of the run"
    expect_held env TAGOUT_PERMIT="$name" tagout check --actor package-manager
    expect_held env TAGOUT_PERMIT="$name" tagout exec --actor package-manager -- touch /srv/t/over
    expect_not_granted "something is left of the run"
    expect_true "what was left has ended" test ! -e "$tmp/t/over"
    echo end >"$tmp/t/end"
    wait "$locking" || fail "the lock was not granted" "$(<"$tmp/lock$n.log")"
    expect_true "it is granted before all has ended" test -e "$tmp/t/over"

    note "... and then everything is held"
    expect_held env TAGOUT_PERMIT="$name" tagout check --actor package-manager
    run on app1 env TAGOUT_PERMIT="$name" apt-get -y -q -o Dir::Cache::pkgcache= remove hello
    expect_status 100
    expect_match TAGOUT-HELD
    run on ops1 tagout unlock "$(awk '/^Locked/ { print $2 }' "$tmp/lock$n.log")"
    expect_status 0
}

note "the embedded store"
run on ops1 tagout init
expect_status 0
whole_run store

note "ZooKeeper"
on ops1 sh -c 'mkdir -p /root/zk && echo 2181 >/root/zk/port'
zk start /root/zk
for host in ops1 app1; do
    on "$host" sh -c 'printf "store: zk://ops1.example.com:2181/tagout\nstate-dir: /var/lib/tagout-zk\n" >/etc/tagout/tagout.yaml'
done
run on ops1 tagout init
expect_status 0
whole_run store

note "ZooKeeper, by way of the agent"
start agent fleet exec app1 tagout agent --host app1.example.com
knows() { grep -q '"knows": true' < <(on app1 tagout agent --status -o json 2>/dev/null); }
await 60 knows || { cat "$tmp/agent.log"; exit 1; }
whole_run agent
