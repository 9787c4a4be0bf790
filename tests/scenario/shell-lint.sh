#!/usr/bin/env bash
# Every shell script of ours passes shellcheck and parses; and lib.sh stops no process but its own.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need shellcheck

cd "$TAGOUT_SOURCE"
is_script() { [[ $(sed 1q "$1" | tr -d '\0') =~ ^#!\ ?/(usr/)?bin/(env )?(ba)?sh|^#\ shellcheck\ shell= ]]; }
mapfile -t scripts < <(find contrib plugins tests docs .ci -type f ! -path '*/corpus/*' | sort | while read -r file; do
    if is_script "$file"; then echo "$file"; fi
done)
expect_true "no scripts were found" [ ${#scripts[@]} -gt 5 ]
for script in "${scripts[@]}"; do
    run shellcheck -x "$script"
    if [ "$status" = 0 ]; then ok; else fail "$script" "$out"; fi
done

# Under pipefail, which lib.sh sets, a pipe into grep -q fails now and then although it finds: who writes meets a closed pipe.
# Instead: grep -q TEXT < <(COMMAND).
run grep -nE "[^|]\\| *(head|sed [0-9]+q|grep -[a-zA-Z]*[qm])" "${scripts[@]}"
expect_equal "$out" "" "pipes into what stops reading"

# What lib.sh starts it ends, and not somebody else's process that was given the same number since.
start own sleep 600
stop "$pid"
if kill -0 "$pid" 2>/dev/null; then fail "its own goes on"; else ok; fi
# shellcheck disable=SC2317 # stop calls it
killed=$(kill() { echo "$*"; } && stop "$PPID")
expect_equal "$killed" "" "what is killed of others"
