#!/usr/bin/env bash
# Locks, permits and guards by their commands, on the embedded store and on ZooKeeper: P1, P2, P3, P4 as issue 2 wants them seen.
# shellcheck disable=SC2154,SC2016 # status, out, err, pid, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/zookeeper
. "$TAGOUT_SOURCE/tests/lib/zookeeper"

export TAGOUT_STATE_DIR=$tmp/state
t() { "$TAGOUT" "$@"; }
lock_id() { sed -n 's/^Locked  \([A-Z0-9]*\) .*/\1/p' "$1"; }
out_id() { lock_id /dev/stdin <<<"$out"; } # of the last run
gone() { ! kill -0 "$1" 2>/dev/null; }
has() { grep -qF -- "$2" "$1"; }
no_locks() { [ "$(t locks -o json)" = "[]" ]; }

one_lock_after_another() {
    note "a lock holds, says so, and is released"
    run t check --actor autoscaler service:autoscaler
    expect_status 0
    expect_equal "$out$err" ""
    run t lock group:web service:autoscaler --inventory "$tmp/inv.yaml" --for 3h --ticket OPS-1234 --reason 'move "it" now'
    expect_status 0
    expect_err "Locking group:web (web[1-3].example.com) and service:autoscaler for 3h, all automation."
    expect_out "Unlock with: tagout unlock "
    id=$(out_id)
    run t check --actor autoscaler service:autoscaler
    expect_status 75
    expect_match "^.?TAGOUT-HELD lock=$id scope=service:autoscaler owner=[^ ]+ ticket=OPS-1234 until=20[^ ]+Z reason=\"move \\\\\"it\\\\\" now\""
    run t check --actor reboot host:web2 --explain
    expect_status 75
    expect_out "Locked by "
    run t check --actor reboot host:web2.example.com --inventory "$tmp/inv.yaml" -o json
    expect_status 75
    expect_out '"answer": "held"'
    run t check --actor reboot host:db1.example.com
    expect_status 0
    run t locks
    expect_out "group:web +1"
    run t exec --actor autoscaler service:autoscaler -- touch "$tmp/acted"
    expect_status 75
    expect_true "what is held is not started" test ! -e "$tmp/acted"
    run t extend "$id" --for 5h
    expect_status 0
    expect_out "(in 5h)"
    run t unlock "$id"
    expect_status 0
    run t unlock "$id"
    expect_status 1
    expect_err "there is no lock $id"
    run t check --actor autoscaler service:autoscaler
    expect_status 0
    run t log service:autoscaler
    expect_out " locked $id "
    expect_out " extended $id "
    expect_out " released $id "
}

asked_for_twice() { # P7
    note "P7: a request that is made again is the lock that is there, until that is released"
    run t lock service:wanted --for 1h --reason r --request of-mine -o json
    expect_status 0
    expect_out '"request": "of-mine"'
    id=$(sed -n 's/^ *"id": "\(.*\)",/\1/p' <<<"$out")
    run t lock service:wanted --for 1h --reason r --request of-mine
    expect_status 0
    expect_out "Locked  $id"
    run t locks service:wanted -o json
    expect_equal "$(grep -c '"id"' <<<"$out")" 1 "locks of one request"
    run t lock service:wanted --for 1h --reason r --request other
    expect_no_out "Locked  $id"
    run t unlock "$id"
    run t lock service:wanted --for 1h --reason r --request of-mine
    expect_status 0
    expect_no_out "Locked  $id"
    run t lock service:wanted --for 1h --reason r --request 'of mine'
    expect_status 64
    run t lock service:wanted --for 1h --reason r --request of-mine -- true
    expect_status 64
    run t locks service:wanted -o json
    mapfile -t ids < <(sed -n 's/^ *"id": "\(.*\)",/\1/p' <<<"$out")
    run t unlock "${ids[@]}"
    expect_status 0
}

what_an_unknown_means() { # P2, P12
    note "P2: an unknown holds; what lets it pass says so; a lock holds whatever the policy; TAGOUT_ALSO only adds"
    run t lock service:also --for 1h --reason held
    id=$(out_id)
    run t check --actor reboot service:other --on-unknown go
    expect_status 0
    expect_equal "$err" "" "a GO that is proven"
    run t check --actor reboot service:also --on-unknown go
    expect_status 75
    run env TAGOUT_ALSO="service:more service:also" "$TAGOUT" check --actor reboot service:other
    expect_status 75
    expect_err "TAGOUT-HELD lock=$id scope=service:also"
    run env TAGOUT_ALSO=service:also "$TAGOUT" exec --actor reboot service:other -- touch "$tmp/acted"
    expect_status 75
    expect_true "what is held is not started" test ! -e "$tmp/acted"
    printf 'store: %s\nstate-dir: %s\nsession: 4s\n' "$TAGOUT_STORE" "$TAGOUT_STATE_DIR" >"$tmp/no-env.yaml"
    local bare=("$TAGOUT" check --config "$tmp/no-env.yaml" --no-environment --actor reboot)
    run env "TAGOUT_STORE=local:$tmp/away/store.db" "TAGOUT_STATE_DIR=$tmp/away" "${bare[@]}" service:also
    expect_status 75 # who calls chooses neither store nor state
    run env TAGOUT_ALSO=service:also "${bare[@]}" service:other
    expect_status 75
    run t lock service:own --for 1h --reason own -- env "TAGOUT_STORE=local:$tmp/away/store.db" "${bare[@]}" service:own
    expect_status 0
    run t unlock "$id"
    local away=(--store "local:$tmp/away/store.db")
    run t "${away[@]}" check --actor reboot service:other
    expect_status 69
    run t "${away[@]}" check --actor reboot service:other --on-unknown last-known
    expect_status 69
    expect_err "TAGOUT-UNKNOWN store=local:"
    run t "${away[@]}" check --actor reboot service:other --on-unknown go
    expect_status 0
    expect_err "TAGOUT-ASSUMED answer=go policy=go store=local:"
    expect_no_err TAGOUT-UNKNOWN
    run t "${away[@]}" check --actor reboot service:other --on-unknown go -o json
    expect_status 0
    expect_out '"assumed": "go"'
}

waits_for_what_is_in_flight() { # P1
    note "P1: lock returns after what was in flight has ended, and nothing starts meanwhile"
    mkfifo "$tmp/go"
    start acting "$TAGOUT" exec --actor autoscaler service:autoscaler -- sh -c "echo started; read -r x <'$tmp/go'; echo ended >'$tmp/ended'"
    await 30 has "$tmp/acting.log" started
    acting=$pid
    run t lock service:autoscaler --for 1h --reason later --wait 200ms
    expect_status 75
    expect_err "still acting"
    expect_equal "$(t locks -o json)" "[]" "a lock that gave up leaves nothing"
    start locking sh -c "'$TAGOUT' lock service:autoscaler --for 1h --reason now; test -e '$tmp/ended' && echo in-order"
    await 30 has "$tmp/locking.log" "waiting for 1 in flight"
    run t exec --actor autoscaler service:autoscaler -- true
    expect_status 75
    expect_true "the lock is not granted while somebody acts" sh -c "! grep -q '^Locked' '$tmp/locking.log'"
    echo >"$tmp/go"
    await 30 has "$tmp/locking.log" in-order
    wait "$acting" || fail "the command's own status was not 0"
    expect_file_has "$tmp/locking.log" "autoscaler done"
    t unlock "$(lock_id "$tmp/locking.log")" >/dev/null
    rm -f "$tmp/go" "$tmp/ended"
}

passes_statuses_and_nothing_else() {
    note "exec: the command's own status, signals, environment and descriptors"
    run t exec --actor x host:a -- sh -c 'exit 42'
    expect_status 42
    run t exec --actor x host:a -- sh -c 'kill -KILL $$'
    expect_status 137
    run t exec --actor x host:a -- sh -c 'echo "$TAGOUT_FENCE"; ls /proc/self/fd | tr "\n" " "'
    expect_match "1:[0-9]+"
    expect_out "0 1 2 3 "
    expect_no_out "0 1 2 3 4"
    run t exec --actor x host:a -- no-such-program-here
    expect_status 64
    run t exec --actor x host:a
    expect_status 64
    start signalled "$TAGOUT" exec --actor x host:a -- sh -c 'trap "exit 9" TERM; echo ready; while :; do sleep 0.05; done'
    await 30 has "$tmp/signalled.log" ready
    kill -TERM "$pid"
    s=0
    wait "$pid" || s=$?
    expect_equal "$s" 9 "status after a forwarded TERM"
}

a_killed_holder() { # P1, P4
    note "kill -9 of exec ends the group, then the lock is granted"
    start killed "$TAGOUT" exec --actor x host:k -- sh -c "sleep 1000 & echo \$! >'$tmp/inner'; echo \$\$ >'$tmp/outer'; wait"
    await 30 test -s "$tmp/outer"
    kill -9 "$pid"
    run t lock host:k --for 1h --reason r --wait 60s
    expect_status 0
    expect_true "its command is gone when the lock is granted" gone "$(<"$tmp/outer")"
    expect_true "what it started is gone" gone "$(<"$tmp/inner")"
    t unlock "$(out_id)" >/dev/null
    rm -f "$tmp/outer" "$tmp/inner"
}

a_stopped_holder() { # P4
    note "P4: SIGSTOP of exec ends the group before the store gives the permit away"
    start stopped "$TAGOUT" exec --actor x host:s -- sh -c "echo \$\$ >'$tmp/outer'; while :; do sleep 0.05; done"
    await 30 test -s "$tmp/outer"
    kill -STOP "$pid"
    run t lock host:s --for 1h --reason r --wait 60s
    kill -CONT "$pid"
    expect_status 0
    expect_true "its command is gone when the lock is granted" gone "$(<"$tmp/outer")"
    t unlock "$(out_id)" >/dev/null
    wait "$pid" || true
    rm -f "$tmp/outer"
}

locks_outlive() { # P3
    note "P3: a lock outlives its locker, several lie on one scope, force is recorded"
    start holder "$TAGOUT" lock host:p --for 1h --reason first -- sh -c "echo \$\$ >'$tmp/orphan'; echo holds; while :; do sleep 0.05; done"
    await 30 has "$tmp/holder.log" holds
    at_exit pkill -f "$tmp/orphan" # the command goes on under its lock: a lock is no permit
    kill -9 "$pid"
    run t check --actor x host:p
    expect_status 75
    first=$(lock_id "$tmp/holder.log")
    run t lock host:p --for 1ms --reason second
    second=$(out_id)
    run t locks
    expect_out OVERDUE
    run t check --actor x host:p
    expect_status 75
    expect_err "lock=$second"
    expect_err "overdue=yes"
    expect_err "and 1 more"
    t unlock "$second" >/dev/null
    run "$TAGOUT" --config "$tmp/other.yaml" unlock "$first"
    expect_status 77
    expect_err "--force --reason"
    run "$TAGOUT" --config "$tmp/other.yaml" unlock "$first" --force
    expect_status 64
    run "$TAGOUT" --config "$tmp/other.yaml" unlock "$first" --force --reason "its owner is gone"
    expect_status 0
    run t log host:p -o json
    expect_out '"verb": "break"'
    expect_out '"owner": "mallory@elsewhere"'
    run t check --actor x host:p
    expect_status 0
}

holds_while_a_command_runs() {
    note "lock -- COMMAND: held while it runs, by whom bears its token not felt, released after"
    run t lock host:c --for 1h --reason r -- sh -c "
        '$TAGOUT' check --actor x host:c && echo passes
        env -u TAGOUT_TOKEN '$TAGOUT' check --actor x host:c || echo others \$?
        '$TAGOUT' exec --actor x host:c -- echo acts
        ls -l '$TAGOUT_STATE_DIR/tokens' | cut -c1-10
        exit 5"
    expect_status 5
    expect_out passes
    expect_out "others 75"
    expect_out acts
    expect_out "-rw-------"
    expect_true "it is released" no_locks
    run t lock host:c --for 1h --reason r -- no-such-program-here
    expect_status 64
    expect_true "nothing was taken for what can't be run" no_locks
}

does_not_block_term() { [ $((0x$(sed -n 's/^SigBlk:\t//p' "/proc/$pid/status") & 0x4000)) = 0 ]; }
signals_sent() { kill -TERM "$pid" && kill -INT "$pid" && [ $((sent += 1)) -ge 20 ]; }

signals_while_it_ends() {
    note "lock -- COMMAND: signals while the lock is given back do not leave it"
    mkfifo "$tmp/end" "$tmp/let"
    start ending "$TAGOUT" lock host:e --for 1h --reason r -- sh -c "echo \$\$ >'$tmp/inner'; read -r x <'$tmp/end'; exit 3"
    await 30 test -s "$tmp/inner"
    ending=$pid
    start writer python3 -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("BEGIN IMMEDIATE")
print("busy", flush=True)
open(sys.argv[2]).read()' "$tmp/store.db" "$tmp/let"
    await 30 has "$tmp/writer.log" busy
    pid=$ending
    echo >"$tmp/end"
    await 30 gone "$(<"$tmp/inner")"
    await 30 does_not_block_term
    sent=0
    await 30 signals_sent
    echo >"$tmp/let"
    s=0
    wait "$ending" || s=$?
    expect_equal "$s" 3 "status of a command whose lock was given back amid signals ($(cat "$tmp/ending.log"))"
    expect_true "it is released" no_locks
    rm -f "$tmp/end" "$tmp/let" "$tmp/inner"
}

mistakes() {
    note "mistakes: named, with the mend, and nothing half done"
    run t lock host:a --for 1h
    expect_status 64
    expect_err "--reason"
    run t lock web1 --for 1h --reason r
    expect_status 64
    expect_err "did you mean host:web1?"
    run t lock group:wbe --inventory "$tmp/inv.yaml" --for 1h --reason r
    expect_status 64
    expect_err "did you mean group:web?"
    run t lock group:web --for 1h --reason r
    expect_status 78
    expect_err "--inventory"
    run t lock host:a --for 1h --reason $'two\nlines'
    expect_status 64
    run t check --actor 'a b' host:a
    expect_status 64
    run t check --actor a -t 0s host:a
    expect_status 64
    expect_err "--timeout 0s"
    run t extend LNONE --for 0s
    expect_status 64
    expect_err "tagout unlock LNONE"
    run t check --actor a --on-unknown maybe host:a
    expect_status 64
    expect_err "last-known=AGE"
    run env TAGOUT_ALSO='service:x servce:y' "$TAGOUT" check --actor a host:a
    expect_status 64
    expect_err "TAGOUT_ALSO"
    for blank in '' '   ' $'\u00a0\u200b'; do
        run t lock host:a --for 1h --reason "$blank"
        expect_status 64
        expect_no_err Locking
    done
    run t lock host:a --for 1h --reason r --hold 'a b'
    expect_status 64
    expect_no_err Locking
    run t lock host:a --for 1h --reason "$(printf '%0600d' 1)"
    expect_status 64
    expect_no_err Locking
    # shellcheck disable=SC2046
    run t lock $(seq -f host:h%g 1000) --for 1h --reason r
    expect_status 64
    expect_match 'one argument too many, [0-9]+ are taken at most'
    run t unlock m53abd --force --reason '  '
    expect_status 64
    expect_true "nothing was locked" no_locks
}

what_can_not_be_seen_is_shown() {
    note "texts of others are shown with what is hidden in them escaped; JSON keeps their value"
    local rtl=$'a\u202eb\u009bc\u200bd' shown='a\xe2\x80\xaeb\xc2\x9bc\xe2\x80\x8bd'
    run t lock service:MILL --for 1h --reason "$rtl" --ticket "$rtl"
    expect_status 0
    id=$(out_id)
    for how in "locks" "log -n 1" "check --actor x service:mill --explain"; do
        # shellcheck disable=SC2086
        run t $how
        expect_out "$shown"
        expect_no_out "$rtl"
    done
    run t locks -o json
    expect_out '"reason": "a\u202eb\u009bc\u200bd"'
    expect_equal "$(python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["reason"])' <<<"$out")" "$rtl" "the value in JSON"
    run "$TAGOUT" --config "$tmp/other.yaml" unlock "$id"
    expect_status 77
    expect_err "$shown"
    run t unlock "${id,,}"
    expect_status 0
}

hangs() {
    note "check: what hangs ends it, with a mend, and with one JSON document"
    mkfifo "$tmp/fifo"
    run t check --actor x host:a --inventory "$tmp/fifo"
    expect_status 69
    expect_err 'cause=inventory detail="'
    expect_err 'it is a pipe, and nobody writes into it'
    exec {silent}<>"$tmp/fifo" # now somebody could
    run t check --actor x host:a --inventory "$tmp/fifo" --timeout 100ms
    expect_status 69
    expect_err 'cause=no-answer detail="something hangs'
    expect_err 'mend="'
    run t check --actor x host:a --inventory "$tmp/fifo" --timeout 100ms -o json
    expect_status 69
    expect_equal "$(python3 -c 'import json, sys; o = json.load(sys.stdin); print(o["answer"], o["cause"], bool(o["hint"]))' <<<"$out")" "unknown no-answer True" "the document"
    exec {silent}>&-
    rm -f "$tmp/fifo"
}

interrupted_lock() { # P3
    note "lock, interrupted while it waits: 128+signal, and nothing is left locked"
    mkfifo "$tmp/go-on"
    start acting "$TAGOUT" exec --actor autoscaler service:busy -- sh -c "echo started; read -r x <'$tmp/go-on'"
    local acting=$pid
    await 30 has "$tmp/acting.log" started
    for signal in TERM HUP; do
        start waiting "$TAGOUT" lock service:busy --for 1h --reason r
        await 30 has "$tmp/waiting.log" "waiting for 1 in flight"
        kill "-$signal" "$pid"
        s=0
        wait "$pid" || s=$?
        expect_equal "$s" $((128 + $(kill -l "$signal"))) "status after $signal"
        expect_file_has "$tmp/waiting.log" "nothing is left locked by this"
    done
    expect_equal "$(t locks service:busy -o json)" "[]" "an interrupted lock leaves nothing"
    echo >"$tmp/go-on"
    wait "$acting"
    rm "$tmp/go-on"
}

interrupted_before_its_start() {
    note "exec, interrupted while it waits: 128+signal, nothing was started, nothing is left"
    run t lock host:w --for 1h --reason r
    id=$(out_id)
    for signal in TERM HUP; do
        start waiting "$TAGOUT" exec --actor x host:w --wait 1h -- touch "$tmp/acted"
        await 30 has "$tmp/waiting.log" "waiting for 1 lock:"
        kill -CONT "$pid"
        kill "-$signal" "$pid"
        s=0
        wait "$pid" || s=$?
        expect_equal "$s" $((128 + $(kill -l "$signal"))) "status after $signal"
        expect_file_has "$tmp/waiting.log" "the command was not started"
    done
    t unlock "$id" >/dev/null
    expect_true "it was not started" test ! -e "$tmp/acted"
    run t lock host:w --for 1h --reason r --wait 0s
    expect_status 0
    t unlock "$(out_id)" >/dev/null
}

cat >"$tmp/inv.yaml" <<YAML
groups: {web: {hosts: "web[1-3].example.com"}, db: {hosts: "db[1-2].example.com"}}
YAML
echo "owner: mallory@elsewhere" >"$tmp/other.yaml"

everything() {
    t init >/dev/null
    one_lock_after_another
    asked_for_twice
    what_an_unknown_means
    waits_for_what_is_in_flight
    passes_statuses_and_nothing_else
    a_killed_holder
    locks_outlive
    holds_while_a_command_runs
    mistakes
    what_can_not_be_seen_is_shown
    interrupted_lock
    interrupted_before_its_start
    hangs
}

# At whatever step the descriptors give out: it has run and ended well, or it was not started and says so. Never 1, which is a status of the command's own.
starved() {
    local n worst='' command
    note "P2, P12: too few descriptors, so the command is not started, and no status of its own is told"
    for command in exec permit; do
        for ((n = 4; n <= 28; n++)); do
            rm -f "$tmp/started"
            run env ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" prlimit --nofile="$n" "$TAGOUT" "$command" --actor x host:a -- touch "$tmp/started"
            case $status in
            0) [ -e "$tmp/started" ] || fail "$command, $n descriptors: 0, and it was not started" "$(got)" ;;
            127) [[ $err == *"loading shared libraries"* ]] || fail "$command, $n descriptors" "$(got)" ;; # the program itself could not be loaded
            69 | 78) [ ! -e "$tmp/started" ] || fail "$command, $n descriptors: $status, and it was started" "$(got)"; worst=$n ;;
            *) fail "$command, $n descriptors" "$(got)" ;;
            esac
        done
    done
    expect_true "nothing was kept from starting" test -n "$worst"
}

note "=== the embedded store"
export TAGOUT_STORE=local:$tmp/store.db
run t check --actor x host:a
expect_status 69
expect_err "TAGOUT-UNKNOWN store=local:"
everything
starved
signals_while_it_ends
run t lock host:z --for 1h --reason r
mv "$tmp/store.db" "$tmp/away" && rm -f "$tmp/store.db-wal" "$tmp/store.db-shm"
note "P2: the store gone, and an empty one in its place"
run t check --actor x host:z
expect_status 69
expect_err "cause=store-empty"
expect_err "this host has seen cluster"
run env TAGOUT_STATE_DIR="$tmp/other-host" "$TAGOUT" check --actor x host:z
expect_status 69
expect_err "cause=not-initialised"

if command -v java >/dev/null && [ -e /usr/share/java/zookeeper.jar ]; then
    note "=== ZooKeeper"
    export TAGOUT_STATE_DIR=$tmp/state-zk
    zk_start "$tmp/zk"
    at_exit zk_kill "$tmp/zk"
    TAGOUT_STORE=$(zk_url "$tmp/zk")/tagout
    export TAGOUT_STORE
    printf 'session: 4s\n' >"$tmp/site.yaml"
    t() { "$TAGOUT" --config "$tmp/site.yaml" "$@"; }
    printf 'session: 4s\n' >>"$tmp/other.yaml"
    everything
    a_stopped_holder
    note "P4: a store that is out of reach ends what runs under its permit"
    start cutoff "$TAGOUT" --config "$tmp/site.yaml" exec --actor x host:c -- sh -c "echo \$\$ >'$tmp/outer'; while :; do sleep 0.05; done"
    await 30 test -s "$tmp/outer"
    zk_pause "$tmp/zk"
    await 30 gone "$(<"$tmp/outer")"
    await 30 has "$tmp/cutoff.log" TAGOUT-LOST
    note "P2: a store that hangs is UNKNOWN within its deadline"
    run_check t check --actor x host:a --timeout 500ms
    expect_status 69
    expect_err "TAGOUT-UNKNOWN store=zk:"
    expect_err "mend="
    zk_resume "$tmp/zk"
    zk_await "$tmp/zk"
    note "P2: exec that waits for a lock when the store dies has not acted, and says so"
    run t lock host:v --for 1h --reason r
    start lonely "$TAGOUT" --config "$tmp/site.yaml" exec --actor x host:v --wait 1h -- touch "$tmp/acted"
    await 30 has "$tmp/lonely.log" "waiting for 1 lock:"
    zk_kill "$tmp/zk"
    s=0
    wait "$pid" || s=$?
    expect_equal "$s" 69 "status of exec whose store died while it waited"
    expect_file_has "$tmp/lonely.log" TAGOUT-UNKNOWN
    zk_start "$tmp/zk"
    run t lock host:q --for 1h --reason r
    note "P2: an empty store in its place"
    zk_stop "$tmp/zk"
    run t check --actor x host:q --timeout 500ms
    expect_status 69
    mv "$tmp/zk/data" "$tmp/zk-data"
    mkdir "$tmp/zk/data"
    zk_start "$tmp/zk"
    run t check --actor x host:q
    expect_status 69
    expect_err "cause=store-empty"
else
    note "no ZooKeeper here: only the embedded store was looked at"
fi
