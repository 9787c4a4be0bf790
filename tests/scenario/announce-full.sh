#!/usr/bin/env bash
# A disk that is full before, or while, a mail is sent: nothing is sent that could not be noted, and what was sent and could not be noted is sent again and
# said to be unsure (P4, P7, P12). Templates of any kind.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/announce
. "$TAGOUT_SOURCE/tests/lib/announce"
need_root
need python3 mount

mkdir -p "$tmp/small" "$tmp/templates"
mount -t tmpfs -o size=2m none "$tmp/small"
at_exit umount -l "$tmp/small"
mail_server
printf 'groups: {web: {hosts: "web[1-4]"}}\ncustomers:\n  acme: {contacts: [ops@acme.example], hosts: "@web"}\n' >"$tmp/fleet.yaml"
announce_site "local:$tmp/small/store.db" "  templates: $tmp/templates" "  timeout: 30s"
fill() { dd if=/dev/zero of="$tmp/small/filler" bs=1k status=none 2>/dev/null || true; }
t init
expect_status 0
book 09

note "P4: full before: nothing is sent, as it could not be noted"
fill
t announce send --now
expect_status 69
expect_err 'make room'
expect_equal "$(mails)" 0 "mails"
rm "$tmp/small/filler"

note "full in the middle of a mail: it has no end, and nobody gets it"
touch "$tmp/hold-data"
send_behind
await 10 test -e "$tmp/held-data"
fill
rm "$tmp/hold-data"
send_ended
expect_equal "$status" 69 "status"
expect_true "with its mend" grep -q 'make room' "$tmp/send.log"
expect_equal "$(mails)" 0 "mails"
rm "$tmp/small/filler"

note "P7: full when the answer comes: sent, and not noted; so it is sent again, and said to be unsure"
touch "$tmp/hold-end"
send_behind
await 10 test -e "$tmp/held-end"
fill
rm "$tmp/hold-end"
send_ended
expect_equal "$status" 69 "status"
rm "$tmp/small/filler"
t announce list
expect_match 'acme .*sending'
t announce send --now
expect_status 0
expect_equal "$(mails)" 2 "copies"
expect_equal "$(cat "$tmp"/box/* | grep -ac '^Message-ID:')$(cat "$tmp"/box/* | grep -a '^Message-ID:' | sort -u | wc -l)" 21 "of one id"
t announce list --all -o json
expect_match '"unsure": ?1'
t announce send --now
expect_status 0
expect_equal "$(mails)" 2 "mails"

note "P12: templates that can't be are refused with the place, and nothing is sent"
t calendar week cancel "w-$monday" --reason "another week"
try() { # SAYS: of the file that was written
    t announce send --now
    expect_status "$1"
    expect_err "$2"
    t announce preview cancelled
    expect_status "$1"
}
head -c 10000000 /dev/zero | tr '\0' x >"$tmp/templates/cancelled.txt"
try 78 'cancelled.txt'
printf 'Subject: x\n\n\xff\xfe\n' >"$tmp/templates/cancelled.txt"
try 65 'no UTF-8'
printf 'Subject: x\n\n\0\n' >"$tmp/templates/cancelled.txt"
try 65 'NUL'
printf 'Subject: {customer\n\nx\n' >"$tmp/templates/cancelled.txt"
try 65 'begins no placeholder'
printf 'Subject: {{ of {customer}\n\n{{\n' >"$tmp/templates/cancelled.txt"
t announce preview cancelled
expect_status 0
expect_out 'Subject: { of example'
rm "$tmp/templates/cancelled.txt"
mkfifo "$tmp/templates/cancelled.txt"
try 78 'cancelled.txt'
rm "$tmp/templates/cancelled.txt"
expect_equal "$(mails)" 2 "mails"
t announce send --now
expect_status 0
expect_equal "$(mails)" 3 "mails"

note "names that there are not, and one of something, are said as they are"
book 10
mode 550-rcpt
t announce send --now
expect_status 1
t announce retry none
expect_status 1
expect_err 'there is no announcement "none" that is not told yet'
t announce show none
expect_err 'there is no announcement "none"'

note "who is refused, and what the server said, is there on any terminal; in a pipe a line has it all"
name=$(names)
says=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["announcements"][0]["message"]["recipients"][0]["answer"])' < <("$TAGOUT" --config "$tmp/tagout.yaml" announce list -o json))
squeezed() { tr -d ' \n' <"$tmp/screen"; }
for columns in 40 80; do
    for verb in list "show $name" "retry $name"; do
        # shellcheck disable=SC2086 # words
        on_terminal $columns "$TAGOUT" --config "$tmp/tagout.yaml" announce $verb
        expect_true "announce $verb is $widest wide: $(<"$tmp/screen")" test "$widest" -le $columns
        [[ $verb == retry* ]] || expect_true "what was said, in $(<"$tmp/screen")" grep -qF "${says// /}" <(squeezed)
    done
    t announce send --now
    expect_status 1
done
t announce list
expect_out "$says"
t announce retry "$(names)"
expect_out '1 recipient will be tried again'
t announce drop "$(names)" --reason "called"
expect_out '1 recipient will not be told of it'
