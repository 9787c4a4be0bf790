#!/usr/bin/env bash
# P5: people set the clock of the machine that drives a run, and kill it. A run that waits for its window suspends when that ends and goes on in the next one by itself; whoever
# takes it over waits for the one behind; a clock that is set locks no host, and opens nothing until it has been steady.
# shellcheck disable=SC2154,SC2317 # status, out, err, pid, tmp come from lib.sh; functions are called by name
. "$(dirname "$0")/lib.sh"
need python3
need_build_compiler

cat >"$tmp/clock.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
static volatile int64_t *ahead; /* seconds: of the wall's clock, and of the one that is never set */
__attribute__((constructor)) static void open_it(void)
{
    int fd = open(getenv("AHEAD"), O_RDONLY | O_CLOEXEC);
    void *at = mmap(NULL, 16, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    ahead = at == MAP_FAILED ? NULL : at;
}
int clock_gettime(clockid_t id, struct timespec *at)
{
    int (*real)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
    int rc = real(id, at);
    if (ahead && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        at->tv_sec += ahead[0];
    if (ahead && (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE || id == CLOCK_BOOTTIME))
        at->tv_sec += ahead[1];
    return rc;
}
END
"$cc" -shared -fPIC -o "$tmp/clock.so" "$tmp/clock.c" -ldl
ahead() { python3 -c 'import struct, sys; open(sys.argv[1], "r+b").write(struct.pack("=qq", int(sys.argv[2]), int(sys.argv[3])))' "$tmp/ahead" "$@"; } # WALL MONOTONIC
head -c 16 /dev/zero >"$tmp/ahead"

# What goes by is the same on both of its clocks; who sets the wall's moves that one alone.
set_clock() { python3 -c 'import struct, sys; open(sys.argv[1], "r+b").write(struct.pack("=qq", int(sys.argv[2]), int(sys.argv[3])))' "$tmp/$1" "$2" "${3:-$2}"; } # FILE SECONDS [MONOTONIC]
at() { set_clock ahead "$@"; }
head -c 16 /dev/zero | tee "$tmp/behind" >"$tmp/ahead"

port=$(free_port)
printf 'defaults: {user: nobody, port: %s}\nhosts: {n1: {address: 127.0.0.1}, n2: {address: 127.0.0.1}, n3: {address: 127.0.0.1}}\n' "$port" >"$tmp/fleet.yaml"
: >"$tmp/known_hosts"
printf '%s\n' 'rollout: patch' 'change: {puppet: {}}' 'targets: "*"' 'stages: [{name: all, rate: 1/h}]' 'failure: {failed: 100%}' 'estimate: 4s' >"$tmp/patch.yaml"
site() { # NAME OWNER
    cat >"$tmp/$1.yaml" <<TEXT
store: local:$tmp/store.db
inventory: $tmp/fleet.yaml
calendar: $tmp/calendar.yaml
state-dir: $tmp/state-$1
owner: $2
ssh: {known-hosts: $tmp/known_hosts, config: none}
TEXT
}
site ops1 alice@ops1
site ops2 bob@ops2
began=$(date +%s)
window() { # NAME FROM LENGTH: seconds from now, duration
    printf '  %s: {start: "%s", duration: %s}\n' "$1" "$(date -u -d "@$((began + $2))" '+%Y-%m-%d %H:%M:%S')" "$3"
}
{ echo windows: && window one -60 30m && window two 3600 30m && window three 7200 1h; } >"$tmp/calendar.yaml"
cat >"$tmp/clocked" <<TEXT
#!/usr/bin/env bash
export LD_PRELOAD=$tmp/clock.so AHEAD=\${AHEAD:-$tmp/ahead} ASAN_OPTIONS=\${ASAN_OPTIONS:+\$ASAN_OPTIONS:}verify_asan_link_order=0
exec "$TAGOUT" --config "$tmp/\$1.yaml" "\${@:2}"
TEXT
chmod +x "$tmp/clocked"
clocked() { "$tmp/clocked" "$@"; } # NAME COMMAND…: in that machine's time
clocked ops1 init >/dev/null
says() { grep -Eq "$2" "$tmp/$1.log"; } # LOG PATTERN
untouched() { # LOG HOST
    if says "$1" " $2 +locked"; then fail "$2 was locked" "$(cat "$tmp/$1.log")"; else ok; fi
}

note "a run suspends when its window ends, and goes on in the next one by itself"
start first "$tmp/clocked" ops1 run --yes "$tmp/patch.yaml"
driver=$pid
await 30 says first 'n1 .*not reached'
id=$(head -1 "$tmp/first.log")
at 2000
await 30 says first 'closed until .*: two$'
untouched first n2
at 3700
await 30 says first 'n2 .*not reached'
untouched first n3

note "P7: whoever takes it over between windows waits for the next"
kill -9 "$driver"
wait "$driver" 2>/dev/null || true
at 5600
start again "$tmp/clocked" ops2 run --resume "$id"
follower=$pid
await 60 says again 'taken up again'
waits() { grep -q 'waits for window three, opens' < <(clocked ops2 status "$id" | tr -s ' \n' ' '); }
await 30 waits

note "for somebody whose clock is behind it is as old as when it was heard of last"
set_clock behind -3600
run env AHEAD="$tmp/behind" "$tmp/clocked" ops2 status "$id"
expect_match 'running 1h 3[0-9]m, ends'

note "a clock that is set into its window locks no host, and opens nothing until it has been steady; a rate is as long as it is to be"
at 7400 5600
await 30 says again 'closed: the clock of this machine was set forward by 30m'
untouched again n3
if says again ': open, hosts may start'; then fail "its window opened when the clock was set" "$(cat "$tmp/again.log")"; else ok; fi
run clocked ops2 status "$id"
expect_match 'the clock of this machine was set forward by 30m'
at 9300 7500
gone() { ! kill -0 "$follower" 2>/dev/null; }
await 60 gone
if says again 'n3 .*not reached'; then ok; else fail "n3 was not begun when the clock had been steady" "$(cat "$tmp/again.log")"; fi
