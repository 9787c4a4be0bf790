#!/usr/bin/env bash
# Before unlock, asked of Ansible on the controller, where unlock is typed: one real ansible-playbook over real SSH for the hosts of the lock. P12: a host
# that is down, garbage, a flood, a hang and a status that lies are never taken for fine.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ansible-playbook python3

fleet_up --hosts 'ans1 ans2 ans3 off1' --tagout "$TAGOUT"
mkdir "$tmp/ctl"
cat >"$tmp/site.yaml" <<TEXT
store: local:$fleet/shared/store.db
inventory: $fleet/inventory.yaml
state-dir: $tmp/state
owner: alice@ops1
before-unlock:
  - {targets: "@ans or @off", ansible: {playbook: $tmp/ctl/site.yml, from: controller}}
TEXT
cat >"$tmp/ctl/site.yml" <<'YAML'
- hosts: all
  gather_facts: false
  tasks:
    - {name: the file, ansible.builtin.copy: {dest: /srv/central, content: "one\ntwo\n"}}
YAML
{
    printf '[all:vars]\nansible_user=tagout\nansible_become=true\nansible_python_interpreter=/usr/bin/python3\n[fleet]\n'
    for host in ans1 ans2 off1; do # ans3 is missing
        echo "$host.example.com ansible_host=$(fleet list | awk -v h="$host.example.com" '{ for (i = 1; i <= NF; i++) if ($i == h) print $(3 - i) }')"
    done
} >"$tmp/ctl/hosts"
printf '[defaults]\ninventory = hosts\nprivate_key_file = %s\n[ssh_connection]\nssh_args = -o UserKnownHostsFile=%s -o ConnectTimeout=5 -o ControlPath=none -F none\n' \
    "$fleet/ssh/id_ed25519" "$fleet/ssh/known_hosts" >"$tmp/ctl/ansible.cfg"
fake=
tagout() { env PATH="$fake$PATH" "$TAGOUT" --config "$tmp/site.yaml" "$@"; }
tagout init >/dev/null
fleet exec off1 sh -c 'kill $(cat /run/sshd.pid)'
fleet exec ans1 sh -c 'printf "one\nmanual\n" >/srv/central; chmod 644 /srv/central'
fleet exec ans2 sh -c 'printf "one\ntwo\n" >/srv/central; chmod 644 /srv/central'
run tagout lock host:ans1.example.com host:ans2.example.com host:ans3.example.com host:off1.example.com --for 1h --reason 'work by hand'
expect_status 0
id=$(awk '/^Locked/ { print $2 }' <<<"$out")
holds() { run tagout locks; expect_out "$id"; }

note "each host by itself: reverted, nothing, not reached, not in the playbook's inventory"
run tagout unlock "$id" --diff
expect_status 75
expect_out '1 host  ans1.example.com   ansible would change 1 thing, manual or not:  /srv/central  (+1 −1)'
expect_out '+two'
expect_out '1 host  ans2.example.com   nothing'
expect_match "1 host  off1.example.com   can't be told: ansible: the file: .*(refused|timed out)"
expect_match "1 host  ans3.example.com   can't be told: ansible: "
expect_equal "$(fleet exec ans1 sed -n 2p /srv/central)" manual "what asking left of the change"
holds

note "a rollout can't be made like that"
printf 'rollout: x\nchange: {ansible: {playbook: /srv/a.yml, from: controller}}\ntargets: "@ans"\nstages: [{name: all, until: 100%%}]\n' >"$tmp/x.yaml"
run tagout plan "$tmp/x.yaml"
expect_status 65
expect_err 'from the controller can only be asked before an unlock'

note "what it says is believed within bounds: garbage, a flood, a hang, a status that lies"
mkdir "$tmp/fake"
fake=$tmp/fake:
fine='{"tagout": "stats", "hosts": {'
for host in ans1 ans2 ans3 off1; do fine+="\"$host.example.com\": {\"ok\": 1, \"changed\": 0, \"failures\": 0, \"unreachable\": 0}, "; done
fine=${fine%, }'}}'
says() { # SCRIPT: what ansible-playbook does
    printf '#!/bin/sh\n%s\n' "$1" >"$tmp/fake/ansible-playbook"
    chmod 755 "$tmp/fake/ansible-playbook"
    run tagout unlock "$id" --accept-revert
}
lies() { # SCRIPT WHAT-IS-TOLD
    says "$1"
    expect_status 69
    expect_out "4 hosts  ans[1-3].example.com,off1.example.com   can't be told: "
    expect_out "$2"
    holds
}
lies "echo '{\"tagout\": \"stats\", \"hosts\": {{{'; head -c 100000 /dev/urandom" "was not looked at"
lies "echo '$fine'; head -c 100000000 /dev/zero; echo '$fine'" "too much"
sed -i 's/from: controller/from: controller, timeout: 2s/' "$tmp/site.yaml"
lies "echo '$fine'; sleep 600" "not known"
sed -i 's/, timeout: 2s//' "$tmp/site.yaml"
lies "echo '$fine'; exit 3" "exit 3 does not fit"
lies "echo '$fine'; echo '$fine'" "does not fit"
lies "kill -9 \$\$" "exit 137"
says "echo '$fine'"
expect_status 0
