#!/usr/bin/env bash
# P5: limits by domain and floor on a real ZooKeeper, where what others hold is read by another session than theirs.
limits_on=zk
# shellcheck source=run-limits.sh
. "$(dirname "$0")/run-limits.sh"
