# shellcheck shell=bash disable=SC2034 # what is set here is used there
# What scenarios share. Source it first:   . "$(dirname "$0")/lib.sh"
# It gives: $tmp (a folder of this run's own), cleanup in reverse order at any end, awaiting with a bound, free ports, assertions
# that print what was got, skipping. Variables from ctest: TAGOUT (the program), TAGOUT_BUILD, TAGOUT_SOURCE.
set -euo pipefail

TAGOUT_SOURCE=${TAGOUT_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
TAGOUT_BUILD=${TAGOUT_BUILD:-$TAGOUT_SOURCE/build/asan}
TAGOUT=${TAGOUT:-$TAGOUT_BUILD/bin/tagout}
export TAGOUT TAGOUT_BUILD TAGOUT_SOURCE LC_ALL=C.UTF-8 TZ=UTC
# Nothing of the machine's own configuration gets in.
unset TAGOUT_STORE TAGOUT_TOKEN TAGOUT_CONFIG TAGOUT_INVENTORY

tmp=$(mktemp -d "${TMPDIR:-/tmp}/tagout-test.XXXXXX")
export TAGOUT_AGENT_SOCKET=$tmp/agent.sock # no agent answers there unless the scenario starts one
lib_cleanups=()
lib_checks=0
lib_failed=0

# Runs COMMAND… at the end of the script, however it ends; the last one given first.
at_exit() { lib_cleanups+=("$(printf '%q ' "$@")"); }

lib_end() {
    local status=$? i
    trap - EXIT
    set +e
    for ((i = ${#lib_cleanups[@]} - 1; i >= 0; i--)); do eval "${lib_cleanups[i]}"; done
    if [ -n "${KEEP_TMP:-}" ]; then echo "kept: $tmp"; else rm -rf "$tmp"; fi
    [ $status -ne 0 ] || [ $lib_failed -eq 0 ] || status=1
    echo "$lib_checks checks, $lib_failed failed"
    exit $status
}
trap lib_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# SENTENCE: the test needs something that is not here. With CI=true that is a failure: nothing is skipped there.
skip() {
    if [ "${CI:-}" = true ]; then
        echo "FAILED, not skipped, because CI=true: $1"
        exit 1
    fi
    echo "SKIPPED: $1"
    exit 77
}

need_root() { [ "$(id -u)" = 0 ] || skip "needs root"; }
need() { # PROGRAM…
    local program
    for program; do command -v "$program" >/dev/null || skip "needs $program (contrib/install-packages)"; done
}

# What the build was configured with: "built TAGOUT_SANITIZE" prints ON.
built() { sed -n "s/^$1:[A-Z]*=//p" "$TAGOUT_BUILD/CMakeCache.txt"; }
need_build_compiler() { # $cc: whatever else is called cc here, programs that link our libraries are built by the compiler that built those
    cc=$(built CMAKE_C_COMPILER)
    need "${cc:-cc}"
}
sanitizers() { # $sanitize: the options of a program that links a library of this build
    sanitize=()
    [ "$(built TAGOUT_SANITIZE)" != ON ] || sanitize=(-fsanitize=address -fsanitize=undefined)
}

note() { printf -- '-- %s\n' "$*"; }

# ---- assertions: they count, print what was got, and let the script go on; its end tells

ok() { lib_checks=$((lib_checks + 1)); }
fail() { # SENTENCE [DETAIL]
    local i=0
    lib_checks=$((lib_checks + 1))
    lib_failed=$((lib_failed + 1))
    while [[ ${BASH_SOURCE[i + 1]:-} == "${BASH_SOURCE[0]}" ]]; do i=$((i + 1)); done
    printf 'FAILED %s:%s: %s\n' "$(basename "${BASH_SOURCE[i + 1]:-$0}")" "${BASH_LINENO[i]}" "$1"
    [ $# -lt 2 ] || printf '    | %s\n' "${2//$'\n'/$'\n    | '}"
}

# Runs COMMAND… and puts what came of it into $status, $out and $err.
run() {
    status=0
    "$@" >"$tmp/.out" 2>"$tmp/.err" </dev/null || status=$?
    out=$(<"$tmp/.out")
    err=$(<"$tmp/.err")
}

# As run, of a check. It ends a quarter of a second behind its time-out, whatever it is at: one that a busy machine has cut off so is asked once more.
run_check() {
    local try
    for try in 1 2 3 4 5; do
        run "$@"
        if [ "$status" != 69 ] || [[ $err != "" && $err != *"something hangs"* ]]; then break; fi
        note "cut off, try $try: $err"
    done
}

# What the last run() gave.
got() { printf 'status %s\nstdout: %s\nstderr: %s' "$status" "$out" "$err"; }
expect_status() { if [ "$status" = "$1" ]; then ok; else fail "status $status, expected $1" "$(got)"; fi; }
expect_out() { if [[ $out == *"$1"* ]]; then ok; else fail "stdout lacks \"$1\"" "$(got)"; fi; }
expect_err() { if [[ $err == *"$1"* ]]; then ok; else fail "stderr lacks \"$1\"" "$(got)"; fi; }
expect_no_out() { if [[ $out != *"$1"* ]]; then ok; else fail "stdout has \"$1\"" "$(got)"; fi; }
expect_no_err() { if [[ $err != *"$1"* ]]; then ok; else fail "stderr has \"$1\"" "$(got)"; fi; }
expect_match() { if [[ $out$'\n'$err =~ $1 ]]; then ok; else fail "no match for /$1/" "$(got)"; fi; }
expect_equal() { # GOT EXPECTED [WHAT]
    if [ "$1" = "$2" ]; then ok; else fail "${3:-value}: got \"$1\", expected \"$2\""; fi
}
expect_true() { # SENTENCE COMMAND…
    local what=$1
    shift
    if "$@" >"$tmp/.out" 2>&1; then ok; else fail "$what" "$(<"$tmp/.out")"; fi
}
expect_file_has() { # FILE TEXT
    if grep -qF -- "$2" "$1" 2>/dev/null; then ok; else fail "$1 lacks \"$2\"" "$(cat "$1" 2>&1)"; fi
}
# What somebody who still runs is about to write: he has done it, as was seen elsewhere, and says so a moment later.
expect_file_gets() { # FILE TEXT
    await 20 grep -qF -- "$2" "$1" || true
    expect_file_has "$1" "$2"
}

on_terminal() { # COLUMNS COMMAND…: its output is $tmp/screen, and $widest how wide it was
    python3 - "$@" >"$tmp/screen" <<'PYTHON'
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
    os.environ.update(TERM="xterm", NO_COLOR="1")
    os.execvp(sys.argv[2], sys.argv[2:])
out = b""
while True:
    try:
        part = os.read(fd, 65536)
    except OSError:
        break
    if not part:
        break
    out += part
os.waitpid(pid, 0)
sys.stdout.write(out.decode().replace("\r\n", "\n"))
PYTHON
    widest=$(wc -L <"$tmp/screen")
}

# ---- time, ports, processes

# Until COMMAND… is true, at most SECONDS of a machine that has nothing else to do, $patience times as many here: a bound for what hangs, no
# claim on speed.
patience=${TAGOUT_TEST_PATIENCE:-4}
await() {
    local limit=$(($1 * patience)) deadline
    shift
    deadline=$((${EPOCHREALTIME/[.,]/} + limit * 1000000))
    until "$@" >/dev/null 2>&1; do
        if [ "${EPOCHREALTIME/[.,]/}" -ge $deadline ]; then
            printf 'waited %s s in vain for: %s\n' "$limit" "$*"
            return 1
        fi
        sleep 0.05
    done
}

# Free TCP ports of the loopback, all different, below the range that connections take theirs from.
free_ports() { # [COUNT]
    local want=${1:-1} port got=0
    for port in $(shuf -i 20000-31999 -n 2000); do
        [ $got -lt "$want" ] || return 0
        if ! listens "$port"; then
            echo "$port"
            got=$((got + 1))
        fi
    done
    [ $got -ge "$want" ]
}
free_port() { free_ports 1; }
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; } # PORT

# Starts COMMAND… with its output in $tmp/NAME.log; its process id is in $pid, and it is ended with the script.
start() { # NAME COMMAND…
    local name=$1
    shift
    : >"$tmp/$name.log" # now: who awaits a line in it must not find that of the last one of this name
    "$@" >"$tmp/$name.log" 2>&1 </dev/null &
    pid=$!
    at_exit stop "$pid"
}
# Is PID a child of this script still? One that has ended may have its number given to somebody else's process, of another test.
is_ours() {
    local key value
    while read -r key value; do
        [ "$key" != PPid: ] || break
    done 2>/dev/null <"/proc/$1/status" || return 1
    [ "$value" = $$ ]
}
stop() { # PID
    is_ours "$1" || return 0
    kill "$1" 2>/dev/null || return 0
    wait "$1" 2>/dev/null || true
}
# What comes before a COMMAND… that is killed at whatever moment, and be it in its very end: its leaks are looked for elsewhere. Who is killed while he looks
# leaves a sanitizer's report: of threads whose registers can't be read any more, or, when he had just opened it, without a byte.
mortal=(env "ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0")
kill_behind() { # NAME TEXT: kills -9 what was started last, as soon as its log has TEXT
    until grep -q "$2" "$tmp/$1.log" 2>/dev/null || ! kill -0 "$pid" 2>/dev/null; do :; done
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}

# ---- a fleet of this script's own: fleet_up N [OPTION…], then fleet exec HOST CMD…; $fleet is its folder. Ended with the script.

fleet() { "$TAGOUT_SOURCE/contrib/fleet" "$@"; }
fleet_end() { fleet down >/dev/null; }
# A site over it, in $tmp/site.yaml: with STORE, the inventory of the fleet unless $inventory is another (likewise $known_hosts), and LINE… more. Its store
# is made.
fleet_site() { # STORE [LINE…]
    printf '%s\n' "store: $1" "inventory: ${inventory:-$fleet/inventory.yaml}" "state-dir: $tmp/state" 'owner: alice@ops1' \
        "ssh: {identity: $fleet/ssh/id_ed25519, known-hosts: ${known_hosts:-$fleet/ssh/known_hosts}, config: none}" "${@:2}" >"$tmp/site.yaml"
    tagout() { "$TAGOUT" --config "$tmp/site.yaml" "$@"; }
    tagout init >/dev/null
}
# What Puppet does on HOST…, /srv/p/site.pp: a line in /srv/p/log when it begins, one when it is through. Until there is a file "go" it waits in between, and
# where there is one "bad" it fails.
fleet_change() {
    local host
    for host; do
        fleet exec "$host" sh -c 'mkdir -p /srv/p; touch /srv/p/go; cat >/srv/p/site.pp' <<'TEXT'
exec { 'change':
  command  => 'echo begun >>/srv/p/log; until [ -e /srv/p/go ]; do sleep 0.1; done; [ ! -e /srv/p/bad ] && echo changed >>/srv/p/log',
  provider => shell,
}
TEXT
    done
}
# A script that is killed, as ctest does when its time is over, ends nothing: somebody else ends this fleet then, and removes the folder.
fleet_watch() {
    # shellcheck disable=SC2016 # for the inner shell
    setsid bash -c 'tail --pid="$1" -f /dev/null; "$2/contrib/fleet" down; rm -rf --one-file-system "$3"' _ $$ "$TAGOUT_SOURCE" "$tmp" </dev/null >/dev/null 2>&1 &
    at_exit kill $!
    disown
}
fleet_up() {
    export FLEET_DIR=$tmp/fleet FLEET_NAME=t
    fleet=$FLEET_DIR/$FLEET_NAME
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null || skip "needs root, or sudo without a password"
    fleet_watch
    at_exit fleet_end
    if ! fleet up "$@" >"$tmp/.fleet" 2>&1; then
        case $(<"$tmp/.fleet") in
        *"allows no"* | *"is missing"*) skip "$(<"$tmp/.fleet")" ;;
        *) cat "$tmp/.fleet"; return 1 ;;
        esac
    fi
}
