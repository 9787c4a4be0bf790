#!/usr/bin/env bash
# Before unlock, on real hosts over SSH: what would Puppet (an agent's run, with corrective changes), Salt and Ansible revert of what was
# done by hand under the lock? Refused with the file named, unlocked with --accept-revert, at once when there is nothing; a host that
# can't be told of is never taken for fine (P12). Puppet is held by its hook meanwhile, and the gate's own dry-run passes it by the token.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need puppet ansible-playbook python3 openssl

salt=$("$TAGOUT_SOURCE/contrib/test-tools/salt") || skip "no Salt: $salt"
fleet_up --hosts 'pup1 pup2 salt1 ans1 off1' --tagout "$TAGOUT" --mount "$salt"
fleet_site "local:$fleet/shared/store.db" \
    'before-unlock:' \
    '  - {targets: "@pup or @off", puppet: {}}' \
    '  - {targets: "@salt", salt: {local: true, config-dir: /srv/salt}}' \
    '  - {targets: "@ans", ansible: {playbook: /srv/play/site.yml}}'

# ---- Puppet's agent, without a server: its cached catalog, and certificates of a CA of its own
puppet_host() {
    fleet exec "$1" bash -eu -s >"$tmp/puppet-$1.log" 2>&1 <<'TEXT'
h=$(hostname)
[[ $h == *.* ]] || h=$h.example.com
ssl=/var/lib/puppet/ssl catalogs=/var/cache/puppet/client_data/catalog
mkdir -p "$ssl/certs" "$ssl/private_keys" "$ssl/ca" "$catalogs" /etc/puppet/code/environments/production/manifests
printf '[main]\ncertname = %s\n[agent]\nuse_cached_catalog = true\nreport = false\n' "$h" >/etc/puppet/puppet.conf
cd "$ssl/ca"
key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
openssl req -x509 "${key[@]}" -days 30 -subj '/CN=Test CA' -keyout ca.key -out ca.pem -addext keyUsage=critical,keyCertSign,cRLSign
openssl req "${key[@]}" -subj "/CN=$h" -keyout h.key -out h.csr
openssl x509 -req -in h.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out h.pem
: >index.txt
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=30\n' >c.cnf
openssl ca -gencrl -config c.cnf -keyfile ca.key -cert ca.pem -out "$ssl/crl.pem"
cp ca.pem "$ssl/certs/ca.pem"
cp h.pem "$ssl/certs/$h.pem"
cp h.key "$ssl/private_keys/$h.pem"
chown -R puppet: "$ssl"
cat >/srv/site.pp <<'PP'
file { '/srv/conf': content => "one\ntwo\nthree\n", mode => '0644' }
file { '/srv/other': content => "x\n" }
PP
puppet catalog compile "$h" --manifest /srv/site.pp --render-as json | sed -n '/^{/,$p' >"$catalogs/$h.json"
puppet agent --onetime --no-daemonize --detailed-exitcodes --color=false && exit 1 || [ $? = 2 ]
# from now on it is held by locks, as the module sets it up
sed -i '/^.main/a prerun_command = /usr/local/bin/tagout check --actor config-management' /etc/puppet/puppet.conf
TEXT
}
salt_host() {
    fleet exec "$1" bash -eu -s -- "$salt" >"$tmp/salt-$1.log" 2>&1 <<'TEXT'
ln -s "$1/bin/salt-call" /usr/local/bin/salt-call
mkdir -p /srv/salt /srv/states /srv/pillar
cat >/srv/salt/minion <<'YAML'
id: salt1
file_client: local
root_dir: /srv/salt/root
file_roots: {base: [/srv/states]}
pillar_roots: {base: [/srv/pillar]}
YAML
printf "base:\n  '*': [web]\n" >/srv/states/top.sls
printf '/srv/conf:\n  file.managed:\n    - contents: |\n        one\n        two\n' >/srv/states/web.sls
salt-call --local -c /srv/salt state.apply
TEXT
}
ansible_host() {
    fleet exec "$1" bash -eu -s >"$tmp/ansible-$1.log" 2>&1 <<'TEXT'
mkdir -p /srv/play
cat >/srv/play/site.yml <<'YAML'
- hosts: all
  gather_facts: false
  tasks:
    - {name: the file, ansible.builtin.copy: {dest: /srv/conf, content: "one\ntwo\n"}}
    - {name: a look, ansible.builtin.command: 'true', changed_when: false}
YAML
cd /srv/play
LC_ALL=C.UTF-8 ansible-playbook -c local -i localhost, site.yml
TEXT
}
waits=()
puppet_host pup1 & waits+=($!)
puppet_host pup2 & waits+=($!)
salt_host salt1 & waits+=($!)
ansible_host ans1 & waits+=($!)
for pid in "${waits[@]}"; do wait "$pid" || { cat "$tmp"/*-*.log; fail "a host could not be set up"; }; done
fleet exec off1 sh -c 'kill $(cat /run/sshd.pid)'

lock() { # SCOPE…: $id
    run tagout lock "$@" --for 1h --reason "work by hand" -o json
    expect_status 0
    id=$(python3 -c 'import json,sys; print(json.load(sys.stdin)["id"])' <<<"$out")
}
holds() { run tagout locks -o json; expect_out "\"$1\""; }
gone() { run tagout locks -o json; expect_no_out "\"$1\""; }

note "nothing was changed by hand: unlocked at once, four hosts, three tools"
lock group:pup group:salt group:ans
run fleet exec pup1 puppet agent --onetime --no-daemonize --verbose --noop --color=false
expect_match 'TAGOUT-HELD' # the hook holds, so what the gate asks has passed by its token
run tagout unlock "$id"
expect_status 0
expect_out 'Automation would revert nothing.  (dry-run on 4 hosts'
expect_out "Released  $id"
gone "$id"

note "changed by hand on each: refused, the files named, equal hosts folded"
lock group:pup group:salt group:ans
for host in pup1 pup2; do fleet exec "$host" sh -c 'printf "one\nmanual\nmore\nthree\n" >/srv/conf'; done
for host in salt1 ans1; do fleet exec "$host" sh -c 'printf "one\nmanual\n" >/srv/conf'; done
run tagout unlock "$id"
expect_status 75
expect_out '2 hosts  pup[1-2].example.com   puppet would undo 1 manual change:  /srv/conf  (+1 −2)'
expect_out '1 host  salt1.example.com   salt would change 1 thing, manual or not:  /srv/conf  (+1 −1)'
expect_out '1 host  ans1.example.com   ansible would change 1 thing, manual or not:  /srv/conf  (+1 −1)'
expect_out "Not unlocked. Put the change into config management, or accept the loss: tagout unlock $id --accept-revert"
holds "$id"

note "accepted: unlocked, as programs see it, and the log says what and where"
expect_equal "$(fleet exec pup1 sed -n 2p /srv/conf)" manual "what asking left of the change"
run tagout unlock "$id" --accept-revert --reason "it is in git" -o json --diff
expect_status 0
cat >"$tmp/look.py" <<'PY'
import json, sys
lock, = json.load(sys.stdin)
g = lock["gate"]
assert lock["released"] is True and lock["state"] == "released", lock
assert (g["revert"], g["unknown"], g["pending"], g["still-held"]) == (4, 0, 0, []), g
h = {x["host"].split(".")[0]: x for x in g["hosts"]}
assert h["pup1"]["manual"] == 1 and h["pup1"]["changes"] == [{"what": "/srv/conf", "added": 1, "removed": 2, "manual": True}], h["pup1"]
assert h["salt1"]["manual"] is None and h["salt1"]["tool"] == "salt" and "-manual" in h["salt1"]["diff"], h["salt1"]
assert h["ans1"]["outcome"] == "would-change" and "+two" in h["ans1"]["diff"], h["ans1"]
PY
expect_true "the JSON is another" python3 "$tmp/look.py" <<<"$out"
gone "$id"
run tagout log
expect_match "released $id .*: it is in git; accepted: .*puppet undoes 1 manual change on pup\[1-2\].example.com"
run fleet exec pup1 puppet agent --onetime --no-daemonize --color=false
expect_equal "$(fleet exec pup1 sed -n 2p /srv/conf)" two "what Puppet made of it then"

note "what is new is no one's loss: a change that is only pending is shown, and does not stand in the way"
lock host:pup1.example.com
fleet exec pup1 sed -i 's/"x\\n"/"y\\n"/' /var/cache/puppet/client_data/catalog/pup1.example.com.json
run tagout unlock "$id"
expect_status 0
expect_out 'puppet has 1 pending change, none of a manual one:  /srv/other  (+1 −1)'
gone "$id"

note "P12: a host that is down, one that Puppet is switched off on, one without a record: not known, so not fine"
lock group:off group:pup
fleet exec pup2 sh -c 'printf "one\ntwo\nthree\n" >/srv/conf; puppet agent --disable "bob: leave it"'
fleet exec pup1 rm /var/cache/puppet/state/transactionstore.yaml
run tagout unlock "$id" --accept-revert --connect-timeout 3s
expect_status 69
expect_match "1 host  off1.example.com   can't be told: .*refused"
expect_match "1 host  pup2.example.com   can't be told: .*bob: leave it"
expect_match "1 host  pup1.example.com   puppet would change 1 thing, manual or not"
expect_out "tagout unlock $id --accept-revert --accept-unknown"
holds "$id"
run tagout unlock "$id" --accept-revert --accept-unknown --connect-timeout 3s
expect_status 0
expect_match "1 host  pup1.example.com   puppet would change 1 thing, manual or not" # and not "pending" the second time
run tagout log
expect_match "released $id .*accepted: .*not known of off1.example.com"

note "another lock still holds the host: its unlock will ask"
lock host:salt1.example.com
first=$id
lock group:salt
run tagout unlock "$first"
expect_status 0
expect_out "1 host  salt1.example.com   still held by $id (alice@ops1): not asked, its unlock will"
run tagout unlock "$id" --no-gate
expect_status 0
run tagout log
expect_match "released $id .*: config management was not asked"

note "a lock that left config management alone, and one of a command, ask nothing"
lock host:salt1.example.com --hold reboot
run tagout unlock "$id"
expect_status 0
expect_equal "$out" "Released  $id  host:salt1.example.com"
run tagout lock host:salt1.example.com --for 1h --reason r -- true
expect_status 0

note "another's lock is refused before anything is asked, and asked about when it is broken"
lock host:salt1.example.com
sed 's/alice@ops1/bob@ops2/' "$tmp/site.yaml" >"$tmp/bob.yaml"
run "$TAGOUT" --config "$tmp/bob.yaml" unlock "$id"
expect_status 77
run "$TAGOUT" --config "$tmp/bob.yaml" unlock "$id" --force --reason "alice is away"
expect_status 75
expect_out "tagout unlock $id --force --reason \"…\" --accept-revert"

note "Ctrl-C in the middle of a dry-run: the lock stays, and nothing is left at work on the host"
fleet exec salt1 sh -c 'printf "wait:\n  cmd.run:\n    - name: sleep 1\n    - onlyif: touch /srv/begun; sleep 600\n" >/srv/states/web.sls'
start interrupted "$TAGOUT" --config "$tmp/site.yaml" unlock "$id"
unlocking=$pid
await 60 fleet exec salt1 test -e /srv/begun
kill -INT "$unlocking"
status=0
wait "$unlocking" || status=$?
expect_equal "$status" 130 "status of the interrupted unlock"
expect_file_has "$tmp/interrupted.log" interrupted
holds "$id"
quiet() { ! fleet exec salt1 pgrep -f 'salt-call|sleep 600'; }
expect_true "salt-call is still at work" await 30 quiet

note "mistakes in the rules have a place; without asking it goes all the same"
sed -i 's/@salt"/@sal"/; s/local: true/locl: true/' "$tmp/site.yaml"
run tagout unlock "$id"
expect_status 65
expect_err 'site.yaml:8:16: targets: '
expect_err 'did you mean'
expect_err '"locl" of salt is not known; salt takes state, '
run tagout unlock "$id" --no-gate
expect_status 0
