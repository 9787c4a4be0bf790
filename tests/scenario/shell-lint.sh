#!/usr/bin/env bash
# Every shell script of ours passes shellcheck and parses.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need shellcheck

cd "$TAGOUT_SOURCE"
mapfile -t scripts < <(grep -rlE '^#! ?/(usr/)?bin/(env )?(ba)?sh|^# shellcheck shell=' contrib plugins tests docs .ci --include='*' 2>/dev/null | sort)
expect_true "no scripts were found" [ ${#scripts[@]} -gt 5 ]
for script in "${scripts[@]}"; do
    run shellcheck -x "$script"
    if [ "$status" = 0 ]; then ok; else fail "$script" "$out"; fi
done
