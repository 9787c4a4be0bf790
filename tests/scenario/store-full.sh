#!/usr/bin/env bash
# Disks without room, and old copies of a store. P2, P12: whoever can't read or write says 69, what is full, and the mend; a run says how to go on. Nothing
# is taken up again, or steered, in a store that is older than what this host has seen.
. "$(dirname "$0")/lib.sh"
need_root
if [ -z "${STORE_FULL_MOUNTS:-}" ]; then
    unshare --mount true 2>/dev/null || skip "needs the right to mount"
    STORE_FULL_MOUNTS=1 exec unshare --mount "$BASH" "$0"
fi

small=$tmp/small
mkdir "$small"
mount -t tmpfs -o size=600k none "$small"
at_exit umount -l "$small"
port=$(free_port)
cat >"$tmp/inventory.yaml" <<TEXT
defaults: {user: nobody, port: $port}
groups: {all: {hosts: "n[1-3].example.com"}}
hosts: {n1.example.com: {address: 127.0.0.1}, n2.example.com: {address: 127.0.0.1}, n3.example.com: {address: 127.0.0.1}}
TEXT
: >"$tmp/known_hosts"
site() { # STORE STATE-DIR
    printf '%s\n' "store: local:$1" "inventory: $tmp/inventory.yaml" "state-dir: $2" "owner: alice@ops1" "ssh: {known-hosts: $tmp/known_hosts, config: none}" >"$tmp/site.yaml"
}
printf '%s\n' 'rollout: away' 'change: {puppet: {}}' 'targets: "*"' 'stages: [{name: all, until: 100%}]' >"$tmp/away.yaml"
# Leaks of run are looked for in run-ssh: the leak checker itself dies when a thread of the process is just beginning or ending.
tagout() { ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 "$TAGOUT" --config "$tmp/site.yaml" "$@"; }
fill() { # KB that are left
    local free
    rm -f "$small/fill"
    free=$(df -k --output=avail "$small" | tail -n 1)
    head -c $(((free - $1) * 1024)) /dev/zero >"$small/fill" 2>/dev/null || true
}
fresh() {
    rm -rf "${small:?}"/* "$tmp/state"
    tagout init >/dev/null
    tagout lock service:s1 --for 1h --reason x >/dev/null 2>&1
}

note "no room at all: whatever is asked ends with 69, names the file, and the mend"
site "$small/store.db" "$tmp/state"
fresh
fill 0
for command in locks status "status away-20261122-1" log "budget list" "lock service:b --for 1h --reason x" "run --yes $tmp/away.yaml" "run --resume away-20261122-1" \
    "pause fleet --reason x" "resume fleet" "abort away-20261122-1" "approve 1b7ab828" init; do
    # shellcheck disable=SC2086 # words
    run tagout $command
    expect_status 69
    expect_err "$small/store.db can't be opened: no space left"
    expect_err 'make room'
done
for command in "check --actor x host:n1.example.com" "exec --actor x host:n1.example.com -- touch $tmp/acted"; do
    # shellcheck disable=SC2086 # words
    run tagout $command
    expect_status 69
    expect_match 'TAGOUT-UNKNOWN .*cause=store-unreachable .*no space left.* mend="make room'
done
expect_true "nothing has acted" test ! -e "$tmp/acted"
run tagout plan "$tmp/away.yaml" # needs no store
expect_status 0
expect_err 'no space left'

note "room to read, none to write"
fresh
fill 44
run tagout locks
expect_status 0
run tagout lock service:b --for 1h --reason x
expect_status 69
expect_err "can't be written: no space left"
expect_err 'make room'
run tagout exec --actor x host:n1.example.com -- touch "$tmp/acted"
expect_status 69
expect_err 'make room'
expect_true "nothing has acted" test ! -e "$tmp/acted"

note "P7: a run that meets it says how to go on, and goes on when there is room again"
told=
for left in 80 92 104 116 128; do
    fresh
    fill $left
    run tagout run --yes "$tmp/away.yaml"
    [ "$status" = 1 ] || expect_status 69
    [ "$status" = 1 ] || expect_err 'make room'
    if [[ $err == *"tagout run --resume away-"* ]]; then
        told=$left
        break
    fi
done
expect_true "no run came to its middle" test -n "$told"
id=$(head -n 1 <<<"$out")
rm "$small/fill"
run tagout run --resume "$id"
expect_status 1
expect_match 'refused the connection'
run tagout locks host:n1.example.com host:n2.example.com host:n3.example.com
expect_out 'Nothing is locked'

note "the folder of this host's own state is full: said by who writes there, and by doctor"
site "$tmp/store.db" "$small"
rm -rf "${small:?}"/*
tagout init >/dev/null
fill 0
run tagout hold --reason "fire"
expect_status 69
expect_err "$small/hold.json can't be written: No space left on device"
expect_err 'make room'
run tagout doctor
expect_match "warn +seen +this host can't note what it has seen: .*No space left on device"
expect_out 'make room there'

note "P2: on an old copy nothing is taken up again, steered or begun, and no host is tried"
rm "$small/fill"
site "$tmp/store.db" "$tmp/state2"
rm -rf "$tmp"/store.db*
tagout init >/dev/null
run tagout run --yes "$tmp/away.yaml"
id=$(head -n 1 <<<"$out")
cp -r "$tmp/store.db" "$tmp/old.db"
tagout lock service:late --for 1h --reason newer >/dev/null 2>&1
rm -rf "$tmp"/store.db*
mv "$tmp/old.db" "$tmp/store.db"
for command in "run --resume $id" "run --yes $tmp/away.yaml" "rollback $id" "pause $id" "pause fleet --reason x" "resume $id" "abort $id" "approve $id"; do
    # shellcheck disable=SC2086 # words
    run tagout $command
    expect_status 69
    expect_err 'it is an old copy'
    expect_no_out 'n1.example.com'
done
