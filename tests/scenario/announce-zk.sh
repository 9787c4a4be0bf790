#!/usr/bin/env bash
# Announcements on a real ZooKeeper: a mail server that takes longer than a session lives, and a store that goes away in the middle of a mail (P4, P7).
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/zookeeper
. "$TAGOUT_SOURCE/tests/lib/zookeeper"
# shellcheck source=../lib/announce
. "$TAGOUT_SOURCE/tests/lib/announce"
need java python3

mail_server
zk_start "$tmp/zk"

printf 'groups: {web: {hosts: "web[1-4]"}}\ncustomers:\n  acme: {contacts: [ops@acme.example], hosts: "@web"}\n' >"$tmp/fleet.yaml"
announce_site "zk://127.0.0.1:$(zk_port "$tmp/zk")/tagout" "session: 2s" "  timeout: 2m"
t init
expect_status 0

note "a mail server that takes longer to answer than a session lives: the place is kept, the outcome noted"
book 09
touch "$tmp/hold-end"
send_behind
await 20 test -e "$tmp/held-end"
for _ in 1 2 3; do
    t announce send --now
    expect_status 75
    expect_err 'sends announcements already'
done
rm "$tmp/hold-end"
send_ended
expect_equal "$status" 0 "status of the sender"
expect_equal "$(mails)" 1 "mails"
t announce send --now
expect_equal "$(mails)" 1 "mails"

note "the store is gone before the mail's end: nothing is sent, as it could not be noted"
t calendar week cancel "w-$monday" --reason "moved"
touch "$tmp/hold-data"
send_behind
await 20 test -e "$tmp/held-data"
zk_kill "$tmp/zk"
rm "$tmp/hold-data"
send_ended
expect_equal "$status" 69 "status of the sender"
expect_equal "$(mails)" 1 "mails"
zk_start "$tmp/zk"
gone() { t announce send --now && [ "$status" != 75 ]; } # the dead session's place
await 20 gone
expect_equal "$(mails)" 2 "mails"

note "a sender that slept through its session notes nothing, and ends nobody's mail"
book 10
rm -f "$tmp/held-data"
touch "$tmp/hold-data"
send_behind
await 20 test -e "$tmp/held-data"
kill -STOP "$sender"
rm "$tmp/hold-data"
await 30 gone
expect_equal "$(mails)" 3 "mails"
kill -CONT "$sender"
send_ended
expect_equal "$status" 69 "status of who slept"
expect_equal "$(mails)" 3 "mails"
t announce list
expect_out 'Nothing waits'
