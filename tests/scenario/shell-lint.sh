#!/usr/bin/env bash
# Every shell script of ours passes shellcheck and parses.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need shellcheck

cd "$TAGOUT_SOURCE"
is_script() { head -n 1 "$1" | grep -qaE '^#! ?/(usr/)?bin/(env )?(ba)?sh|^# shellcheck shell='; }
mapfile -t scripts < <(find contrib plugins tests docs .ci -type f ! -path '*/corpus/*' | sort | while read -r file; do
    if is_script "$file"; then echo "$file"; fi
done)
expect_true "no scripts were found" [ ${#scripts[@]} -gt 5 ]
for script in "${scripts[@]}"; do
    run shellcheck -x "$script"
    if [ "$status" = 0 ]; then ok; else fail "$script" "$out"; fi
done
