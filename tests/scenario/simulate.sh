#!/usr/bin/env bash
# tagout simulate: what a rollout would do, on the hosts of the inventory or on some that are made up; its exit status, its picture, its mistakes.
. "$(dirname "$0")/lib.sh"
cd "$tmp"

cat >fleet.yaml <<'E'
groups:
  web: {hosts: "web[001-200].example.com"}
E
cat >good.yaml <<'E'
rollout: openssl
change: {puppet: {environment: production}}
targets: "@web"
stages:
  - {name: canary, count: 1, bake: 10m}
  - {name: rest, until: 100%, rate: 1/s}
limits: {running: 20}
failure: {failed: 2%}
verify: [{http: "http://{host}:8080/healthz", expect: 200, within: 30s}]
E

note "a fleet that is well"
run "$TAGOUT" simulate -i fleet.yaml good.yaml
expect_status 0
expect_out "openssl: puppet agent, environment production"
expect_out "simulated  seed 1, a change takes 30s to 1m 30s"
expect_out "200 ┤"
expect_out "It would end well after "
expect_out "Changed: 200 of 200 (100.0 %)"
expect_out "Held back longest by
  bakes "
first=$out

note "the same seed prints the same, another one does not"
run "$TAGOUT" simulate -i fleet.yaml good.yaml
if [ "$out" = "$first" ]; then ok; else fail "the same seed prints something else" "$(diff <(echo "$first") <(echo "$out"))"; fi
run "$TAGOUT" simulate -i fleet.yaml good.yaml --seed 2
if [ "$out" != "$first" ]; then ok; else fail "another seed prints the same"; fi

note "a bad change: the bake finds it, or nobody does"
run "$TAGOUT" simulate -i fleet.yaml good.yaml --bad-after 8m
expect_status 1
expect_out "It would HALT after "
expect_out "in stage canary:
  stage canary proves nothing"
expect_out "Hurt: 1 of 200 (0.5 %)."
run "$TAGOUT" simulate -i fleet.yaml good.yaml --bad-after 40m
expect_status 1
expect_out "Hurt: 200 of 200 (100.0 %); 200 of them never noticed"

note "the way back"
sed 's/failed: 2%/failed: 1%, then: rollback/; s/^verify/rollback: {puppet: {environment: previous}}\n&/' good.yaml >back.yaml
run "$TAGOUT" simulate -i fleet.yaml back.yaml --bad 10% --bad-after 0s --start 2026-11-23T09:00:00Z
expect_status 1
expect_out "It would HALT after "
expect_out " at 2026-11-23T09:"
expect_out "Rolled back: "
expect_out "(100.0 %), "
run "$TAGOUT" simulate -o json -i fleet.yaml back.yaml --failing 10%
expect_out '"rollback": {'

note "out of service: how many, and how many have no room"
sed 's/failed: 2%/failed: 1%, then: withdraw/; s/running: 20/running: 5, floor: {"@web": 95%}/' good.yaml >out.yaml
echo 'around: [drain: {haproxy: {socket: /run/haproxy/admin.sock, backend: web}}]' >>out.yaml
run "$TAGOUT" simulate -i fleet.yaml out.yaml --bad 60% --gone 1% --svg out.svg
expect_status 1
expect_out "It would HALT after "
expect_match 'Out of service: ([0-9]+) of ([0-9]+) '
expect_true "more left service than the floor bears: ${BASH_REMATCH[1]}" [ "${BASH_REMATCH[1]}" -le 10 ]
expect_out "    out  "
expect_out "   gone  "
if python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' out.svg && grep -q "out of service" out.svg; then ok; else fail "out.svg is no XML, or does not show them"; fi
run "$TAGOUT" simulate -o json -i fleet.yaml out.yaml --bad 60% --gone 1%
expect_out '"withdrawal": {'
expect_out '"no_room"'

note "hosts that are gone take the room of all others: that is told, and not simulated for ever"
run "$TAGOUT" simulate -i fleet.yaml out.yaml --gone 20%
expect_status 1
expect_out "It would WAIT FOR EVER after "

note "no verdict, and locks of others: somebody is asked, hosts are left alone; the same each time"
doubt=(--inconclusive 2% --inconclusive-for 5m --looks-after 20m --held 5% --held-for 10m --going 2% --going-for 5m)
run "$TAGOUT" simulate -i fleet.yaml good.yaml "${doubt[@]}"
expect_status 1
expect_out "   asks  "
expect_out "   gone  "
expect_out "Held by others, and not changed: "
expect_out "a person, until somebody has looked"
first=$out
run "$TAGOUT" simulate -i fleet.yaml good.yaml "${doubt[@]}"
if [ "$out" = "$first" ]; then ok; else fail "the same seed prints something else" "$(diff <(echo "$first") <(echo "$out"))"; fi

note "booked weeks count with --weeks, and then the store has to answer"
cat >slots.week.yaml <<'E'
week: plumbing
length: 2h
slots:
  - {name: mon, day: mon, time: "06:00", who: {hosts: web200.example.com, take: the rest}}
  - {name: tue, day: tue, time: "09:00", who: {hosts: "*", take: the rest}}
E
store=(env "TAGOUT_STORE=local:$tmp/store.db" "TAGOUT_STATE_DIR=$tmp/state")
run "${store[@]}" "$TAGOUT" init
expect_status 0
run "${store[@]}" "$TAGOUT" calendar week plan slots.week.yaml --start 2126-12-02 -i fleet.yaml --apply
expect_status 0
monday=(simulate -i fleet.yaml good.yaml --start 2126-12-02T09:00:00Z)
run "${store[@]}" "$TAGOUT" "${monday[@]}"
expect_status 0
expect_out " at 2126-12-02T"
expect_no_out "windows of the hosts"
run "${store[@]}" "$TAGOUT" "${monday[@]}" --weeks
expect_status 0
expect_out " at 2126-12-03T"
expect_out "windows of the hosts"
run env TAGOUT_STORE=local:/nonexistent/store.db "$TAGOUT" "${monday[@]}" --weeks
expect_status 69
run "$TAGOUT" simulate --hosts 20 good.yaml --weeks
expect_status 64

note "as JSON, and as a picture"
run "$TAGOUT" simulate -o json -i fleet.yaml good.yaml --failing 50% --svg run.svg
expect_status 1
expect_out '"end": "halted"'
expect_out '"interval_ms"'
if python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' run.svg; then ok; else fail "run.svg is no XML"; fi
if grep -q "Would halt after" run.svg && ! grep -qE '<script|href|url\(' run.svg; then ok; else fail "the picture lacks something, or needs something else"; fi
run "$TAGOUT" simulate -i fleet.yaml good.yaml --svg missing/run.svg
expect_status 64
expect_err "missing"

note "a host that is asked first and changed then is one host"
printf '%s\n' 'rollout: look' 'change: {puppet: {}}' 'targets: "*"' 'stages: [{name: look, dry-run: true}, {name: all, until: 100%}]' >look.yaml
run "$TAGOUT" simulate --hosts 25 look.yaml --unreachable 10%
expect_status 1
expect_match " ([0-9]+) of 25 hosts end well"
expect_out "Never reached: $((25 - BASH_REMATCH[1]))."

note "on a narrow terminal nothing is cut in the middle of a word"
on_terminal 40 "$TAGOUT" simulate --hosts 25 look.yaml --unreachable 10%
sed -n '/^simulated/,$p' "$tmp/screen" >narrow
expect_true "it is $(wc -L <narrow) wide: $(<narrow)" [ "$(wc -L <narrow)" -le 40 ]
expect_file_has narrow "HOSTS CHANGED  HURT FAILED"

note "a model from a file; options win"
printf 'takes: 5s\nfailing: 100%%\n' >model.yaml
run "$TAGOUT" simulate -i fleet.yaml good.yaml --model model.yaml --failing 0%
expect_status 0
expect_out "a change takes 5s"
printf 'takes: 5\nfail: 1%%\ncrash-every: [1h]\n' >model.yaml
run "$TAGOUT" simulate -i fleet.yaml good.yaml --model model.yaml
expect_status 65
expect_err 'model.yaml:1:8: takes can'"'"'t be "5"'
expect_err 'model.yaml:2:1: unknown key "fail" in the model'
expect_err "model.yaml:3:14"
expect_err "3 mistakes; nothing was done."

note "hosts that are made up: whatever the rollout names is there"
sed 's/"@web"/"@shop and not tier=old"/; s/name: canary,/& targets: "@early",/' good.yaml >other.yaml
run "$TAGOUT" simulate --config /dev/null other.yaml --hosts 5000 --crash-every 10m --lost 1%
expect_status 0
expect_out "crashes"
run env TAGOUT_STORE=local:/nonexistent/store.db "$TAGOUT" simulate -i missing.yaml other.yaml --hosts 300
expect_status 0
run "$TAGOUT" simulate --hosts 0 good.yaml
expect_status 64
run "$TAGOUT" simulate --hosts 1000001 good.yaml
expect_status 64

note "mistakes"
run "$TAGOUT" simulate -i fleet.yaml good.yaml --failing 3
expect_status 64
expect_err 'failing can'"'"'t be "3"'
run "$TAGOUT" simulate -i fleet.yaml good.yaml --crash-every 20s
expect_status 64
expect_err "crash-every must be longer than crash-for"
run "$TAGOUT" simulate -i fleet.yaml good.yaml --held 5% --held-for 10s
expect_status 64
expect_err "held-for must be at least 1m"
run "$TAGOUT" simulate -i fleet.yaml missing.yaml
expect_status 65
