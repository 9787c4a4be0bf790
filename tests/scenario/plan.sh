#!/usr/bin/env bash
# tagout plan: a file with many faults has them all told with their places (exit 65), a good one prints its plan and its digest.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
export TAGOUT_STORE=local:$tmp/store.db # plans are kept in no store of the machine
"$TAGOUT" init >/dev/null

cat >fleet.yaml <<'E'
groups:
  web: {hosts: "web[01-10].example.com", attrs: {role: web}}
  db:  {hosts: "db[1-3].example.com"}
E
cat >good.yaml <<'E'
rollout: openssl
change: {puppet: {environment: production, tags: [openssl]}}
targets: "@web"
stages:
  - {name: look, dry-run: true, count: 2}
  - {name: canary, count: 1, bake: 10m}
  - {name: some, until: 30%}
  - {name: rest, until: 100%}
limits: {running: 4}
failure: {failed: 20%}
around: [lock: {hold: [autoscaler]}]
verify: [{http: "http://{host}:8080/healthz", expect: 200, within: 30s}]
E
cat >faults.yaml <<'E'
rollout: Open SSL
change: {puppet: {environment: production, tgas: [openssl]}}
targets: "@web and (not @db"
stages:
  - {name: canary, count: 0, bake: 10}
  - {name: rest, untill: 100%, rate: 1/month}
limits: {running: fifty}
verify: [{http: "{host}:8080/healthz", expect: 20}]
around: [drain: {haproxy: {backend: web}}]
failure: {failed: 2, failed: 3, then: roll-back}
E

note "a good rollout"
run "$TAGOUT" plan -i fleet.yaml good.yaml
expect_status 0
expect_out "openssl: puppet agent, environment production, tags openssl"
expect_out "targets  @web: 10 hosts"
expect_out "STAGE   HOSTS  PACE       BAKE  WHEN (UTC)"
expect_match 'look        2  dry-run    –     now–[^w]*web\[01-02\].example.com' # at the end of the line, or where that is too narrow below it
expect_match 'canary      1  –          10m   ... ..:..–[^w]*web01.example.com'
expect_match 'some        2  2 at once  –     ... ..:..–[^w]*web\[02-03\].example.com'
expect_match 'rest        7  4 at once  –     ... ..:..–[^w]*web\[04-10\].example.com'
expect_match 'takes    about 15m, to ... ..:.., at 1m a host \(a guess: no "estimate:"\)'
expect_out "lock, holding autoscaler"
expect_out "halt     when more than 20% fail (2 of 10)"
expect_out "Nothing has been changed. To run exactly this: tagout run good.yaml --inventory fleet.yaml --plan "
digest=${out##* }
cp good.yaml "it's good.yaml"
run "$TAGOUT" plan --transport local -i fleet.yaml "it's good.yaml"
expect_out "tagout run 'it'\\''s good.yaml' --inventory fleet.yaml --transport local --plan "
expect_no_out "$digest"

note "limits by domain: their worst moment, and whom they do not reach"
cat >racks.yaml <<'E'
groups:
  web: {hosts: "web[01-10].example.com", attrs: {role: web}}
hosts:
  "web[01-05].example.com": {attrs: {rack: r1}}
  "web[06-09].example.com": {attrs: {rack: r2}}
E
sed 's/^limits:.*/limits: {running: 4, domains: {rack: 1}, floor: {role: 80%}}/' good.yaml >limits.yaml
run "$TAGOUT" plan -i racks.yaml limits.yaml
expect_status 0
expect_out "limits   at most 1 of each rack down: at worst 1 of 4 down, rack r2"
expect_out "at least 80% of each role stay up: at worst 2 of 10 down, role web"
expect_out "Warning: 1 host has no rack"
sed -i 's/rack: 1/rak: 1/; s/role: 80%/role: 95%/' limits.yaml
run "$TAGOUT" plan -i racks.yaml limits.yaml
expect_status 65
expect_err "\"rak\" is no attribute of any host in the inventory; it has: rack, role"
expect_err "did you mean \"rack\"?"
expect_err "floor: 95% of role web must stay up, and it has 10 hosts: none of them could ever be changed"

note "as JSON, with the same digest; the order of the file does not matter"
run "$TAGOUT" plan -o json -i fleet.yaml good.yaml
expect_status 0
expect_out "\"digest\": \"$digest"
{ tail -n +2 good.yaml && head -1 good.yaml; } >moved.yaml
run "$TAGOUT" plan -i fleet.yaml moved.yaml
expect_out "--plan $digest"
sed 's/10\]/11]/' fleet.yaml >more.yaml
run "$TAGOUT" plan -i more.yaml good.yaml
expect_status 0
expect_no_out "$digest"

note "every fault is told, with its place and its mend"
run "$TAGOUT" plan -i fleet.yaml faults.yaml
expect_status 65
for place in 1:10 2:50 3: 5:27 5:36 6:18 6:38 7:19 8:17 8:48 9:27 10:22 10:39; do expect_err "faults.yaml:$place"; done
expect_err '  6 |   - {name: rest, untill: 100%, rate: 1/month}'
expect_err '    |                  ^^^^^^ did you mean "until"?'
expect_err 'rate must be a number of hosts in a time, and is "1/month"'
expect_err '13 mistakes; nothing was done.'
if [ -z "$out" ]; then ok; else fail "something on stdout" "$out"; fi
run "$TAGOUT" plan -o json -i fleet.yaml faults.yaml
expect_status 65
if [ "$(grep -o '"column"' <<<"$err" | wc -l)" = 13 ]; then ok; else fail "JSON lacks some" "$(got)"; fi

note "what only the fleet shows"
sed 's/"@web"/"@wbe"/' good.yaml >unknown.yaml
run "$TAGOUT" plan -i fleet.yaml unknown.yaml
expect_status 65
expect_err "unknown.yaml:3:1"
expect_err "wbe"
run "$TAGOUT" plan -i fleet.yaml missing.yaml
expect_status 65
expect_err "missing.yaml can't be read: No such file or directory"

note "hosts without a stage are warned of"
sed '/name: rest/d' good.yaml >left.yaml
run "$TAGOUT" plan -i fleet.yaml left.yaml
expect_status 0
expect_out "Warning: 7 of the targets are in no stage and will not be changed."

note "the configuration"
run "$TAGOUT" plan --config missing.yaml good.yaml
expect_status 78
expect_err "missing.yaml can't be read: No such file or directory"
printf 'stor: local:/x\nsession: 10\n' >site.yaml
run "$TAGOUT" plan --config site.yaml good.yaml
expect_status 65
expect_err 'site.yaml:1:1: unknown key "stor" in the configuration'
expect_err '2 mistakes; nothing was done.'
printf 'inventory: fleet.yaml # beside this file\n' >site.yaml
mkdir elsewhere
cd elsewhere
run "$TAGOUT" plan --config "$tmp/site.yaml" ../good.yaml
expect_status 0
expect_out "targets  @web: 10 hosts"

note "the rollout that the demo plays is one"
printf 'groups: {app: {hosts: "app[1-2]"}, cache: {hosts: "cache[1-3]"}}\n' >"$tmp/site-fleet.yaml"
run "$TAGOUT" plan -i "$tmp/site-fleet.yaml" "$TAGOUT_SOURCE/contrib/examples/site/registry-move.yaml"
expect_status 0
expect_match "canary      1  –          2s    now–.*app1"
expect_match "rest        4  2 at once  –     .*app2,cache\[1-3\]"

note "what can not work is told"
cd "$tmp"
sed -e 's/name: some, until: 30%/name: some, until: 10%/' -e 's/name: rest, until: 100%/name: rest, until: 100%, rate: 1\/d/' good.yaml >slow.yaml
run "$TAGOUT" plan -i fleet.yaml slow.yaml
expect_status 0
expect_out "Warning: stage some adds nothing: until: means 1 hosts, and that many have been changed by then."
expect_out "Warning: stage rest takes 8d to start its 9 hosts, by its rate of 1/d alone."
run "$TAGOUT" plan -o json -i fleet.yaml slow.yaml
expect_out '"stage some adds nothing'
expect_out '"start": "20'
{ cat good.yaml; echo 'hours: {days: "Mon-Sun", from: "00:00", until: "24:00", zone: Europe/Berlin}'; echo 'estimate: 5m'; } >hours.yaml
run "$TAGOUT" plan -i fleet.yaml hours.yaml
expect_status 0
expect_out "WHEN (Europe/Berlin)"
expect_out "hours    Mon-Sun 00:00-24:00 Europe/Berlin"
expect_out "at 5m a host"

note "a preset, and the stages that it stands for"
cd "$tmp"
{ grep -v -e ' {name' -e '^stages' good.yaml; echo 'stages: {canary: {bake: 90s}}'; } >preset.yaml
run "$TAGOUT" plan --stages preset.yaml
expect_status 0
expect_out "  - {name: slow, until: 1%, rate: 1/min, bake: 90s}"
{ grep -v ^stages preset.yaml; printf '%s\n' "$out"; } >written.yaml
run "$TAGOUT" plan -o json -i fleet.yaml preset.yaml
expect_status 0
preset=$(grep -o '"digest": "[0-9a-f]*"' <<<"$out")
run "$TAGOUT" plan -o json -i fleet.yaml written.yaml
expect_out "$preset"
sed 's/canary:/canray:/' preset.yaml >wrong.yaml
run "$TAGOUT" plan -i fleet.yaml wrong.yaml
expect_status 65
expect_err 'there is no preset "canray" of stages'
expect_err 'did you mean "canary"?'
