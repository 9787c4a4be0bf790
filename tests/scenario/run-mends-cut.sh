#!/usr/bin/env bash
# Ways back into service that are cut short, and two who go them at once: who said it first is killed, taken over, or interrupted, and who says it again brings back all that
# there is (P2, P7, P8, P12). Real Puppet, over a balancer made of files, which can be made to give no answer.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
need puppet python3

export TAGOUT_MODULES=$TAGOUT_BUILD/tests/around
hosts=(web1 web2 web3)
fleet_up 3 --hosts "${hosts[*]}"
d=.example.com
lb=$tmp/lb
mkdir "$lb"
inventory=$fleet/inventory.yaml fleet_site "local:$tmp/store.db" 'session: 2s'
for host in "${hosts[@]}"; do
    fleet exec "$host" sh -c 'mkdir -p /srv/p; for what in change fix; do echo "exec { w: command => \"echo $what >>/srv/p/log; until [ -e /srv/p/go ]; do sleep 0.1; done$([ $what = change ] || echo "; touch /srv/p/well")\", provider => shell }" >/srv/p/$what.pp; done'
done
rollout() { # NAME MANIFEST THEN [MORE LINES]
    cat >"$tmp/$1.yaml" <<TEXT
rollout: $1
change: {puppet: {manifest: /srv/p/$2.pp}}
targets: '*'
stages: [{name: all}]
limits: {running: ${running:-1}}
failure: {failed: 3, then: $3}
around:
  - lock
  - drain: {filelb: {dir: $lb}}
verify:
  - {command: [test, -e, /srv/p/well], within: 3s}
${4:-}
TEXT
}
running=2 rollout bad change halt 'rollback: {puppet: {manifest: /srv/p/fix.pp}}'
sed -i "s/'\*'/'web[1-2]$d'/" "$tmp/bad.yaml"
rollout fixed fix halt
in_force() { (cd "$lb" && printf '%s\n' *.drain | sed '/^[*]/d; s/.example.com//' | tr '\n' ' '); }
forget() { for host in "${hosts[@]}"; do fleet exec "$host" sh -c 'rm -f /srv/p/log /srv/p/well; touch /srv/p/go'; done; }
withdrawn() { # $id: web1 and web2 are out of service
    forget
    run tagout run --yes "$tmp/bad.yaml"
    id=$(head -1 <<<"$out")
    run tagout withdraw "$id" --yes
    expect_status 0
    expect_equal "$(in_force)" "web1.drain web2.drain " "what is drained"
}
well() { for host in web1 web2; do fleet exec "$host" touch /srv/p/well; done; }
nothing_left() {
    expect_equal "$(in_force)" "" "what is drained"
    run tagout locks -o json
    expect_no_out '"id"'
    run tagout doctor
    expect_out 'no run that nobody drives holds anything on a host'
}
begun() { fleet exec "$1" grep -qs fix /srv/p/log; }

note "P2: the way back takes the seat from a run that mends, and lives: that begins no host whom the other has begun to bring back"
withdrawn
fleet exec web1 rm /srv/p/go
start mends "$TAGOUT" --config "$tmp/site.yaml" run --yes --mends "$id" "$tmp/fixed.yaml"
mends=$pid
await 60 begun web1
run tagout return "$id" --yes
expect_status 75
expect_err "web1$d stays out of service: TAGOUT-HELD"
start back "$TAGOUT" --config "$tmp/site.yaml" return "$id" --yes --take-over "web2$d" # which is looked at for 3 s: it is not well
back=$pid
await 30 grep -q "web2$d .*to be brought back" "$tmp/back.log"
fleet exec web1 touch /srv/p/go
status=0; wait "$mends" || status=$?
expect_true "the run that mends ended badly: $status" test "$status" != 0
expect_file_has "$tmp/mends.log" "web2$d         could not be locked: somebody else withdraws or returns hosts now: tagout status $id-withdraw"
status=0; wait "$back" || status=$?
expect_equal "$status" 1 "status of the way back"
expect_true "web2 was not mended" test -z "$(fleet exec web2 sh -c 'grep fix /srv/p/log || true')"
id_mends=$(grep -m 1 "^fixed-" "$tmp/mends.log")
run tagout status "$id_mends"
expect_out "1 of the hosts that it has verified is out of service still. Bring back: tagout run --resume $id_mends"
run tagout run --resume "$id_mends"
expect_equal "$(in_force)" "web2.drain " "what is drained"

note "P7: killed while it brings one back; said again, it is brought back, and not told to be in service"
well
touch "$lb/hang-undo"
start dies "${mortal[@]}" "$TAGOUT" --config "$tmp/site.yaml" return "$id" --yes
kill_behind dies "web2$d .*verified"
rm "$lb/hang-undo"
run tagout return "$id" "web2$d" --yes
expect_status 0
nothing_left

note "P12: a rollback that was interrupted on the way back brings that to its end when it is said again"
withdrawn
touch "$lb/hang-undo"
start dies "${mortal[@]}" "$TAGOUT" --config "$tmp/site.yaml" rollback "$id" --yes
kill_behind dies "web2$d .*to be brought back"
rm "$lb/hang-undo"
run tagout rollback "$id" --yes
expect_out "Brings back"
nothing_left

note "P7: a withdrawal that was killed before it was whole is in nobody's way"
forget
run tagout run --yes "$tmp/bad.yaml"
id=$(head -1 <<<"$out")
echo theirs >"$lb/web2$d.drain"
run tagout withdraw "$id" --yes
run tagout return "$id" --yes --unverified
expect_status 0
expect_out "web2$d: drain by files in $lb was so already, by others, and stays so: it is theirs to undo" # P12: it is back, and serves nobody
expect_equal "$(in_force)" "web2.drain " "what is drained"
rm "$lb/web2$d.drain"
python3 - "$tmp/store.db" "/runs/$id-withdraw" <<'PYTHON'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for below in ("journal", "token", "control"):
    db.execute("DELETE FROM node WHERE path = ?1 OR path LIKE ?1 || '/%'", (sys.argv[2] + "/" + below,))
db.execute("UPDATE node SET children = 1 WHERE path = ?", (sys.argv[2],))
db.commit()
PYTHON
run tagout withdraw "$id" --yes
expect_status 0
expect_out "$id-withdraw-2"
run tagout run --yes --mends "$id" "$tmp/fixed.yaml"
expect_status 0
nothing_left
