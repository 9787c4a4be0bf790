#!/usr/bin/env bash
# A rollout that drains hosts from a real HAProxy and silences them in a real Alertmanager (P8): a whole run, a controller killed with hosts drained, and
# an HAProxy that is away when it is to be undone.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/host
. "$TAGOUT_SOURCE/tests/lib/host"
# shellcheck source=../lib/haproxy
. "$TAGOUT_SOURCE/tests/lib/haproxy"
need puppet python3 haproxy socat curl unshare dpkg-deb
need_root
fetch_debs prometheus-alertmanager
mapfile -t files < <(find "$debs" -maxdepth 1 -name 'prometheus-alertmanager_*.deb' | sort -V)
[ ${#files[@]} -gt 0 ] || skip "prometheus-alertmanager is installed here, and was not fetched"
dpkg-deb -x "${files[-1]}" "$tmp/deb"

fleet_up 2 --hosts 'web1 web2'
d=.example.com
haproxy_start 2 web
port=$(free_port)
printf 'route: {receiver: none}\nreceivers: [{name: none}]\n' >"$tmp/am.yml"
# its templates have to be where its package puts them: in a /usr/share of its own
# shellcheck disable=SC2016 # for the inner shell
start am unshare -m sh -c 'mount -t tmpfs none /usr/share && cp -r "$1" /usr/share/ && shift && exec "$@"' sh "$tmp/deb/usr/share/prometheus" \
    "$tmp/deb/usr/bin/prometheus-alertmanager" --config.file="$tmp/am.yml" --storage.path="$tmp/am" --web.listen-address="127.0.0.1:$port" --cluster.listen-address=
am=http://127.0.0.1:$port
silences() { curl -sS "$am/api/v2/silences" | python3 -c 'import json, sys; print(sum(s["status"]["state"] != "expired" for s in json.load(sys.stdin)))'; }
expect_state() { expect_equal "$(states), $(silences) silenced" "$1" "the balancer and the alarms"; }

fleet_site "local:$tmp/store.db" 'session: 2s'
fleet_change web1 web2
begun() { fleet exec "$1" grep -q begun /srv/p/log; }
rollout() { # NAME
    for host in web1 web2; do fleet exec "$host" sh -c 'rm -f /srv/p/log /srv/p/go'; done
    cat >"$tmp/$1.yaml" <<TEXT
rollout: $1
change: {puppet: {manifest: /srv/p/site.pp}}
targets: '*'
stages: [{name: all}]
limits: {running: 2}
around:
  - lock
  - drain: {haproxy: {socket: $tmp/lb.sock, backend: web, server: "{short}", wait: 10s, ready-at-least: 0}}
  - silence: {alertmanager: {url: "$am", matchers: ["instance=~\"{host}(:.*)?\""], for: 10m}}
TEXT
}
begin() { # NAME: both hosts are in the middle of their change
    start "$1" "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/$1.yaml"
    driver=$pid
    for host in web1 web2; do await 60 begun $host; done
    id=$(head -1 "$tmp/$1.log")
}
go() { for host in web1 web2; do fleet exec "$host" touch /srv/p/go; done; }
die() { kill -9 "$driver" && { wait "$driver" 2>/dev/null || true; }; }
again() { tagout run --resume "$id" >"$tmp/again.log" 2>&1; }
alone() { tagout doctor >"$tmp/doctor" 2>&1 && grep -q "^$id (" "$tmp/doctor"; }
await 30 curl -sf "$am/-/ready"

note "P7: killed with two hosts drained; taken up again, both are back, and each was changed once"
rollout killed
begin killed
expect_state "88, 2 silenced"
die
await 20 alone
expect_file_has "$tmp/doctor" "web[1-2]$d: drain"
go
await 30 again
expect_file_has "$tmp/again.log" '2 changed · nothing left behind'
expect_state "00, 0 silenced"
for host in web1 web2; do expect_equal "$(fleet exec "$host" grep -c changed /srv/p/log)" 1 "changes of $host"; done

note "P8: an HAProxy that is away when it is to be undone: what is left is listed, and the mends work as they are pasted"
rollout away
begin away
mv "$tmp/lb.sock" "$tmp/lb.away"
go
twice() { [ "$(grep -c 'tried again later' "$tmp/away.log")" -ge 2 ]; }
await 60 twice
die
mv "$tmp/lb.away" "$tmp/lb.sock"
await 20 alone
expect_state "88, 0 silenced"
run tagout status "$id"
expect_out "web[1-2]$d: drain"
while read -r mend; do eval "$mend" >/dev/null; done < <(grep "^    echo 'set server" <<<"$out")
expect_state "00, 0 silenced"
await 30 again
expect_file_has "$tmp/again.log" '2 changed · nothing left behind'
expect_state "00, 0 silenced"
run tagout doctor
expect_out 'no run that nobody drives holds anything on a host'
