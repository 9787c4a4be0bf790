#!/usr/bin/env bash
# Verification by a port and by a real Prometheus: what passes, what fails, and what tells nothing, which is never taken for a pass (P12).
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/host
. "$TAGOUT_SOURCE/tests/lib/host"
need puppet python3 curl
if ! prometheus=$(command -v prometheus); then # installed it would be a service of this machine: only its program is taken
    fetch_debs prometheus
    need dpkg-deb
    newest=$(find "$debs" -name 'prometheus_*.deb' -printf '%T@ %p\n' | sort -n | tail -1)
    dpkg-deb -x "${newest#* }" "$tmp/prometheus"
    prometheus=$tmp/prometheus/usr/bin/prometheus
fi

fleet_up 2 --hosts 'web1 web2'
fleet_site "local:$tmp/store.db"

# Each run of Puppet on a host waits in the middle until it may go on.
fleet_change web1 web2
begun() { fleet exec "$1" grep -q begun /srv/p/log; }
changes() { fleet exec "$1" sh -c 'cat /srv/p/log 2>/dev/null | grep -c changed || true'; }
is_changed() { fleet exec "$1" grep -q changed /srv/p/log; }
forget() { for host in web1 web2; do fleet exec "$host" rm -f /srv/p/log; done; }
unlocked() {
    run tagout locks -o json
    expect_no_out '"id"'
}
rollout() { # NAME CHECK [EXTRA LINES]
    forget
    cat >"$tmp/$1.yaml" <<TEXT
rollout: $1
change: {puppet: {manifest: /srv/p/site.pp}}
targets: '*'
stages: [{name: canary, count: 1}, {name: rest}]
verify:
  - $2
${3:-}
TEXT
}

# What the fleet's monitoring would know: one number a host, from a file.
mapfile -t ports < <(free_ports 2)
cat >"$tmp/exporter.py" <<'PY'
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(open(sys.argv[2], "rb").read())
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
PY
errors() { # WEB1 WEB2, and waits until Prometheus has seen them
    printf 'errors{host="web1.example.com"} %s\nerrors{host="web2.example.com"} %s\n' "$1" "$2" >"$tmp/metrics.new"
    mv "$tmp/metrics.new" "$tmp/metrics"
    await 30 is_seen "$1" "$2"
}
is_seen() { # WEB1 WEB2
    grep -q '"value"' < <(curl -sf --data-urlencode "query=errors{host=\"web1.example.com\"} == $1 and on() errors{host=\"web2.example.com\"} == $2" "$url/api/v1/query")
}
prometheus_up() {
    start prometheus "$prometheus" --config.file="$tmp/prometheus.yaml" --storage.tsdb.path="$tmp/tsdb" --web.listen-address="127.0.0.1:${ports[1]}"
    prometheus_pid=$pid
    await 60 curl -sf "$url/-/ready"
}
url=http://127.0.0.1:${ports[1]}
printf 'global: {scrape_interval: 1s}\nscrape_configs:\n  - {job_name: fleet, static_configs: [{targets: ["127.0.0.1:%s"]}]}\n' "${ports[0]}" >"$tmp/prometheus.yaml"
: >"$tmp/metrics"
start exporter python3 "$tmp/exporter.py" "${ports[0]}" "$tmp/metrics"
prometheus_up
errors 1 1

note "tcp: a port where nobody answers"
rollout closed '{tcp: "{address}:23", within: 2s}'
run tagout run --yes "$tmp/closed.yaml"
expect_status 1
expect_out HALTED
expect_match 'refused|onnect'
expect_equal "$(changes web1)$(changes web2)" 10 "changes of web1, web2"
unlocked

note "what a check on the host says is shown as what it is"
rollout words '{command: [sh, -c, "printf \"\\033[2J gone\"; exit 3"], within: 1s}'
run tagout run --yes "$tmp/words.yaml"
expect_status 1
expect_out 'status 3: \x1b[2J gone'
expect_no_out $'\e'
unlocked

note "a port that answers and a metric below its limit pass, on both hosts"
rollout calm "{metric: 'sum(errors{host=\"{host}\"})', at: \"$url\", below: 5, after: 2s, within: 5s}" "  - {tcp: \"{address}:22\", within: 5s}"
run tagout plan "$tmp/calm.yaml"
expect_status 0
expect_out 'sum(errors{host="{host}"}) below 5'
run tagout run --yes "$tmp/calm.yaml"
expect_status 0
expect_equal "$(changes web1)$(changes web2)" 11 "changes of web1, web2"

note "what is measured is seen some time after the change: until then it is not asked"
rollout late "{metric: 'sum(errors{host=\"{host}\"})', at: \"$url\", below: 5, after: 20s, within: 2s}"
start late "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/late.yaml"
driver=$pid
await 60 is_changed web1
errors 7 1
status=0
wait "$driver" || status=$?
expect_equal "$status" 1 "status of the run whose harm shows later"
expect_file_has "$tmp/late.log" HALTED
expect_file_has "$tmp/late.log" '7, not below 5'
expect_equal "$(changes web1)$(changes web2)" 10 "changes of web1, web2"
unlocked

note "compared with what it was before the change of this host"
errors 10 100
rollout rise "{metric: 'errors{host=\"{host}\"}', at: \"$url\", rise: 20%, after: 3s, within: 2s}"
fleet exec web1 rm /srv/p/go
start rise "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/rise.yaml"
driver=$pid
await 60 begun web1
errors 13 100
fleet exec web1 touch /srv/p/go
status=0
wait "$driver" || status=$?
expect_equal "$status" 1 "status of the run that made it worse"
expect_file_has "$tmp/rise.log" '13, and before the change 10: a rise of 30%, more than 20%'
expect_equal "$(changes web1)$(changes web2)" 10 "changes of web1, web2"
unlocked

note "compared with hosts that are not changed yet; the last one has none"
ratio='errors{host="{host}"} / on() avg(errors{host=~"({unchanged})"})'
errors 15 10
rollout worse "{metric: '$ratio', at: \"$url\", below: 1.2, after: 0s, within: 2s}"
run tagout run --yes "$tmp/worse.yaml"
expect_status 1
expect_out '1.5, not below 1.2'
expect_equal "$(changes web1)$(changes web2)" 10 "changes of web1, web2"
errors 11 10
rollout alike "{metric: '$ratio', at: \"$url\", below: 1.2, after: 0s, within: 2s}"
run tagout run --yes "$tmp/alike.yaml"
expect_status 0
expect_equal "$(changes web1)$(changes web2)" 11 "changes of web1, web2"
errors 13 100

note "the tool's own report: its dry-run must find nothing left to change"
rollout busybody "{report: unchanged, within: 1s}" # an exec runs each time
run tagout run --yes "$tmp/busybody.yaml"
expect_status 1
expect_out 'after the change puppet'
expect_equal "$(changes web1)$(changes web2)" 10 "changes of web1, web2"
unlocked
for host in web1 web2; do
    fleet exec "$host" sh -c 'cat >/srv/p/settled.pp' <<'TEXT'
file { '/srv/p/settled': content => "yes\n" }
TEXT
done
rollout settled "{report: unchanged, within: 1s}"
sed -i s,site.pp,settled.pp, "$tmp/settled.yaml"
run tagout run --yes "$tmp/settled.yaml"
expect_status 0
expect_equal "$(fleet exec web2 cat /srv/p/settled)" yes "what was changed on web2"

note "P12: no data, several series: the run waits for a person, who may end it"
is_held() { grep -q 'paused: .*no verdict' < <(tagout status "$1"); } # RUN
no_verdict() { # NAME QUERY WHY: leaves it on hold, in $driver and $id
    rollout "$1" "{metric: '$2', at: \"$url\", below: 500, after: 0s, within: 1s}"
    start "$1" "$TAGOUT" --config "$tmp/site.yaml" run --yes "$tmp/$1.yaml"
    driver=$pid
    await 60 test -s "$tmp/$1.log"
    id=$(head -1 "$tmp/$1.log")
    await 60 is_held "$id"
    expect_file_gets "$tmp/$1.log" "$3"
    expect_equal "$(changes web1)$(changes web2)" 10 "changes of web1, web2"
}
given_up() { # NAME QUERY WHY
    no_verdict "$@"
    run tagout abort "$id" --reason "nothing to go by"
    expect_status 0
    status=0
    wait "$driver" || status=$?
    expect_equal "$status" 1 "status of the aborted run"
    expect_equal "$(changes web1)$(changes web2)" 10 "changes of web1, web2"
    unlocked
}
given_up nothing 'errors{host="{host}", zone="b"}' 'no data'
given_up several 'errors' '2 series, not one'

note "P12: Prometheus away; once it is back, and somebody has looked, the run goes on"
stop "$prometheus_pid"
no_verdict away 'errors{host="{host}"}' 'onnect'
prometheus_up
await 30 is_seen 13 100
run tagout resume "$id"
expect_status 0
status=0
wait "$driver" || status=$?
expect_equal "$status" 0 "status of the resumed run"
expect_equal "$(changes web1)$(changes web2)" 11 "changes of web1, web2"
unlocked
