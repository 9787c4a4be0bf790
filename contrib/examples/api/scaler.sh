#!/bin/sh
# An autoscaler that asks before it acts, in shell: the work runs under tagout exec, which takes the permit, ends the work when
# the permit is lost, and gives its exit status.  scaler.sh HOST…
#
# 75 (held) and 69 (unknown) are no failures of the work: it was not begun. The reason is on stderr, in one line.
[ $# -gt 0 ] || { echo "Usage: scaler.sh HOST…" >&2; exit 64; }
scopes=service:autoscaler
for host; do scopes="$scopes host:$host"; done
# shellcheck disable=SC2086 # words on purpose
exec "${TAGOUT:-tagout}" exec --actor autoscaler $scopes -- sh -c 'for host; do echo "terminating $host"; done' sh "$@"
