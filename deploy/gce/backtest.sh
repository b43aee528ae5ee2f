#!/usr/bin/env bash
# The recorded market once more with today's settings: what each way of execution would have cost.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/gce/common.sh
. "$here/common.sh"

program="${ASTER_PROGRAM:-$here/../../.venv/bin/aster-operator}"
folder="$STATE_DIR_HERE/backtests"
mkdir -p "$folder"
day="$(date --utc +%F)"
unset "${KIT_KEYS[@]}"
"$program" backtest compare --strategy delta-neutral --executions maker-first,taker --json >"$folder/$day.json.new"
mv "$folder/$day.json.new" "$folder/$day.json"
cat "$folder/$day.json"
