#!/usr/bin/env bash
# What people do with locks, on a real ZooKeeper: a second person approves, asking again gives the same lock, reminders, the live list
# through a restart of the server; and what one can do there who has not the store's password.
# shellcheck disable=SC2154,SC2016 # status, out, err, pid, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/zookeeper
. "$TAGOUT_SOURCE/tests/lib/zookeeper"
need java python3

has() { grep -qF -- "$2" "$1"; }
at_exit zk_kill "$tmp/zk"
zk_start "$tmp/zk"
url=$(zk_url "$tmp/zk")/tagout
echo 'tagout:a password of some length' >"$tmp/auth"
chmod 600 "$tmp/auth"
for who in alice@ops1 bob@ops2 carol@ops3; do
    printf 'store: %s\nstore-auth: auth\nstate-dir: %s\nowner: %s\nbreak-lock: {approval: second-person, expires: 30m}\n' \
        "$url" "$tmp/state" "$who" >"$tmp/${who%@*}.yaml"
done
printf 'store: %s\nstate-dir: %s\nowner: mallory@ops9\n' "$url" "$tmp/state-m" >"$tmp/mallory.yaml"
alice() { "$TAGOUT" --config "$tmp/alice.yaml" "$@"; }
bob() { "$TAGOUT" --config "$tmp/bob.yaml" "$@"; }
carol() { "$TAGOUT" --config "$tmp/carol.yaml" "$@"; }
mallory() { "$TAGOUT" --config "$tmp/mallory.yaml" "$@"; }
take() { alice lock "$@" --reason "disk" -o json 2>/dev/null | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }

run alice init
expect_status 0

note "another's lock is broken by two"
id=$(take host:db7 --for 3h)
run bob unlock "$id"
expect_status 77
run bob unlock "$id" --force --reason "alice is away"
expect_status 75
expect_err "$id is alice@ops1's lock, and still holds"
expect_err "somebody else types: tagout unlock $id --approve"
run bob check --actor reboot host:db7
expect_status 75
run bob unlock "$id" --approve
expect_status 77
run carol unlock "$id" --force --approve --reason x
expect_status 64
run carol unlock "$id" --approve
expect_status 0
expect_out "bob@ops2 asks to break $id: alice is away"
expect_out "Broken  $id"
run bob check --actor reboot host:db7
expect_status 0
run bob log host:db7
expect_out "bob@ops2"
expect_out "carol@ops3"
id=$(take host:db7 --for 3h)
run alice unlock "$id" --force --reason "my own"
expect_status 0

note "asking again gives the same lock"
run alice lock host:web1 --for 1h --reason kernel --request puppet-web1-kernel -o json
expect_status 0
first=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["id"])' "$out")
run alice lock host:web1 --for 5h --reason kernel --request puppet-web1-kernel --extend
expect_status 0
expect_out "Locked  $first  until"
expect_match "in (5h|4h 59m)"
run bob lock host:web1 --for 5h --reason kernel --request puppet-web1-kernel
expect_status 1
expect_err "is alice@ops1's lock $first"
run alice lock service:apart --for 5h --reason kernel --request puppet-web1-kernel
expect_status 0
expect_no_out "$first"
run alice check --actor reboot service:apart
expect_status 75
run alice lock host:web1 --for 5h --reason kernel --request "odd id"
expect_status 64
run alice lock host:web1 --for 5h --reason kernel --extend
expect_status 64
for i in 1 2 3 4; do # at one moment
    alice lock host:web2 --for 1h --reason kernel --request at-once -o json >"$tmp/at-once.$i" 2>&1 &
    pids[i]=$!
done
for i in 1 2 3 4; do wait "${pids[i]}" || fail "asking at once" "$(<"$tmp/at-once.$i")"; done
expect_equal "$(cat "$tmp"/at-once.? | sed -n 's/^  "id": "\(.*\)",/\1/p' | sort -u | wc -l)" 1 "locks of four who asked at once"

note "reminders"
run alice locks --overdue
expect_status 0
expect_equal "$out" ""
late=$(take host:late --for 1ms)
run alice locks --overdue
expect_status 1
expect_out "OVERDUE by"
run alice locks --remind
expect_status 0
expect_match "^$late on host:late by alice@ops1 is OVERDUE by .* and still holds: disk. When it is done: tagout unlock $late"

note "the live list, through a restart of the server"
start watch "$TAGOUT" --config "$tmp/alice.yaml" locks --watch -o json
watch=$pid
await 30 has "$tmp/watch.log" '"event":"known"'
new=$(take service:mill --for 1h)
await 30 grep -q "\"event\":\"locked\".*\"id\":\"$new\"" "$tmp/watch.log"
zk_kill "$tmp/zk"
await 60 has "$tmp/watch.log" '"event":"unknown"'
zk_start "$tmp/zk"
known_twice() { [ "$(grep -c '"event":"known"' "$tmp/watch.log")" = 2 ]; }
await 60 known_twice
alice unlock "$new" >/dev/null
await 30 grep -q "\"event\":\"unlocked\".*\"id\":\"$new\"" "$tmp/watch.log"
kill -TERM "$watch"
s=0
wait "$watch" || s=$?
expect_equal "$s" 0 "status of a watch that was ended"
expect_true "each line is one object" python3 -c '
import json, sys
for line in open(sys.argv[1]):
    json.loads(line)["event"]' "$tmp/watch.log"

note "who has not the password can look, and break nothing"
run mallory check --actor reboot host:late
expect_status 75
run mallory locks
expect_status 0
expect_out "$late"
run mallory unlock "$late" --force --reason "because"
expect_status 77
run mallory exec --actor reboot host:elsewhere -- touch "$tmp/acted"
expect_status 69
expect_err "cause=not-allowed"
expect_true "nothing was started" test ! -e "$tmp/acted"
run mallory lock host:late --for 1h --reason x
expect_status 77
bucket=$(grep -m1 "/late/$late\$" < <(zk_cli "$tmp/zk" ls -R /tagout/locks/host 2>/dev/null))
zk_cli "$tmp/zk" delete "$bucket" >"$tmp/cli" 2>&1 || true
zk_cli "$tmp/zk" deleteall /tagout/locks >>"$tmp/cli" 2>&1 || true
zk_cli "$tmp/zk" set "$bucket" '{}' >>"$tmp/cli" 2>&1 || true
expect_match_file() { if grep -qiE "$2" "$1"; then ok; else fail "$1 lacks $2" "$(<"$1")"; fi; }
expect_match_file "$tmp/cli" "(NoAuth|Insufficient permission|Authentication is not valid)"
run alice check --actor reboot host:late
expect_status 75
run alice unlock "$late"
expect_status 0
