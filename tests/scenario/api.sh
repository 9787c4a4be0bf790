#!/usr/bin/env bash
# libtagout, for others' programs: the examples in C, Python and shell, built and run against an installed tree, a real agent and a real store.
# P1: a lock waits for who holds a permit; P2: without agent and store nothing acts; P4: an agent that dies takes its permits along.
. "$(dirname "$0")/lib.sh"
need pkg-config python3 cmake
need_build_compiler

root=$tmp/prefix
run cmake --install "$TAGOUT_BUILD" --prefix "$root"
expect_status 0
PKG_CONFIG_PATH=$(dirname "$(find "$root" -name tagout.pc)")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir tagout)
export TAGOUT_LIBRARY=$libdir/libtagout.so.1 TAGOUT_PROGRAM=$root/bin/tagout TAGOUT=$root/bin/tagout
examples=$TAGOUT_SOURCE/contrib/examples/api

note "built with pkg-config, as C11 and as C++"
sanitizers
read -ra flags < <(pkg-config --cflags --libs tagout)
run "$cc" -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -pedantic "${sanitize[@]}" "$examples/scaler.c" -o "$tmp/scaler" "${flags[@]}" "-Wl,-rpath,$libdir"
expect_status 0
run "$cc" -std=c++17 -Wall -Wextra -Werror -pedantic -fsyntax-only -x c++ "$root/include/tagout/tagout.h"
expect_status 0
# Python is not built with the sanitizers: their runtime must be there before the library is. It is for the interpreter itself: what the
# PATH has under that name may be a script that looks for one.
python=("$(python3 -c 'import sys; print(sys.executable)')" -W error "$examples/scaler.py")
if [ ${#sanitize[@]} -gt 0 ]; then
    runtime=$(ldd "$libdir/libtagout.so" | awk '/libasan|libclang_rt\.asan/ { print $3 }')
    expect_true "the library tells which runtime it needs" test -e "$runtime"
    python=(env "LD_PRELOAD=$runtime" "ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0" "${python[@]}")
fi

mkdir -p "$tmp/state"
export TAGOUT_STATE_DIR=$tmp/state TAGOUT_STORE=local:$tmp/store.db TAGOUT_AGENT_SOCKET=$tmp/agent.sock PYTHONDONTWRITEBYTECODE=1
run "$TAGOUT" init
expect_status 0

agent_start() {
    start agent "$TAGOUT" agent
    agent=$pid
    await 20 "$TAGOUT" agent --status
}

lock_it() {
    run "$TAGOUT" lock "$1" --for 1h --reason "move the ensemble" "${@:2}"
    expect_status 0
    lock=$(grep -o 'Locked  [A-Z0-9]*' <<<"$out" | cut -c9-)
}

each() { # STATUS TEXT: all three programs end like this
    local program
    for program in "$tmp/scaler" "${python[*]}" "$examples/scaler.sh"; do
        # shellcheck disable=SC2086 # words on purpose
        run $program web1.example.com web2.example.com
        expect_status "$1"
        if [ "$1" = 0 ]; then expect_out "$2"; else expect_err "$2"; expect_no_out terminating; fi
    done
}

note "no agent: permits of the library are UNKNOWN, and tagout exec does without"
for program in "$tmp/scaler" "${python[*]}"; do
    # shellcheck disable=SC2086 # words on purpose
    run $program web1.example.com
    expect_status 69
    expect_err "TAGOUT-UNKNOWN cause=no-agent"
done
run "$examples/scaler.sh" web1.example.com
expect_status 0

note "nothing is locked"
agent_start
each 0 "terminating web2.example.com"

note "held, by the scope of one of the hosts"
lock_it host:web2.example.com
each 75 "TAGOUT-HELD lock=$lock"
run "$TAGOUT" unlock "$lock"
expect_status 0
each 0 "terminating web1.example.com"

note "P1: a lock waits for the permit"
mkfifo "$tmp/go"
printf '#!/bin/sh\necho "acting $1" >>%s\nread -r _ <%s\n' "$tmp/acts" "$tmp/go" >"$tmp/act"
chmod +x "$tmp/act"
"$tmp/scaler" --run "$tmp/act" web1.example.com >"$tmp/scaled" 2>&1 &
scaler=$!
await 20 grep -q acting "$tmp/acts"
run "$TAGOUT" lock service:autoscaler --for 1h --reason "too early" --wait 1s
expect_status 75
expect_err "scale in"
"$TAGOUT" lock service:autoscaler --for 1h --reason "patient" --wait 60s >"$tmp/locked" 2>&1 &
locker=$!
await 20 grep -q "scale in" "$tmp/locked"
echo >"$tmp/go"
wait "$scaler" && status=0 || status=$?
expect_equal "$status" 0 "the scaler's status"
wait "$locker" && status=0 || status=$?
expect_equal "$status" 0 "the locker's status"
run "$TAGOUT" unlock "$(grep -o 'Locked  [A-Z0-9]*' "$tmp/locked" | cut -c9-)"
expect_status 0

note "P4: the agent is killed between two acts: the second is not begun"
rm -f "$tmp/acts"
"$tmp/scaler" --run "$tmp/act" web1.example.com web2.example.com >"$tmp/scaled" 2>&1 &
scaler=$!
await 20 grep -q "acting web1" "$tmp/acts"
kill -9 "$agent"
wait "$agent" 2>/dev/null || true
echo >"$tmp/go"
wait "$scaler" && status=0 || status=$?
expect_equal "$status" 69 "the scaler's status"
expect_file_has "$tmp/scaled" "stopped: the permit is lost; 1 of 2 were ended"
expect_equal "$(wc -l <"$tmp/acts")" 1 "acts"

note "a check without an agent asks the store through the program"
cat >"$tmp/check.c" <<'C'
#include <tagout/tagout.h>
#include <stdio.h>
int main(void)
{
    struct tagout_ask ask = TAGOUT_ASK_INIT;
    struct tagout_verdict *why = NULL;
    ask.actor = "autoscaler";
    const char *scopes[] = {"service:autoscaler"};
    ask.scopes = scopes;
    ask.n_scopes = 1;
    ask.timeout_ms = 20000;
    int answer = tagout_check(&ask, &why);
    printf("%d %s\n", answer, tagout_verdict_line(why));
    tagout_verdict_free(why);
    return answer;
}
C
run "$cc" -std=c11 -Wall -Wextra -Werror "${sanitize[@]}" "$tmp/check.c" -o "$tmp/check" "${flags[@]}" "-Wl,-rpath,$libdir"
expect_status 0
run "$tmp/check"
expect_status 0
lock_it service:autoscaler
run "$tmp/check"
expect_status 75
expect_out "75 TAGOUT-HELD lock=$lock"
mv "$tmp/store.db" "$tmp/gone.db"
run "$tmp/check"
expect_status 69
expect_out "69 TAGOUT-UNKNOWN"
