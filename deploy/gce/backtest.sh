#!/usr/bin/env bash
# The weekly back-test. With ASTER_BACKTEST_CONFIG_FILE: that grid over the days that were just recorded, ranked,
# judged, uploaded and sent as the settings say (aster-operator backtest weekly). Without: the recorded market once
# more with today's settings, to see what each way of execution would have cost.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/gce/common.sh
. "$here/common.sh"

program="${ASTER_PROGRAM:-$here/../../.venv/bin/aster-operator}"
folder="$STATE_DIR_HERE/backtests"
mkdir -p "$folder"
day="$(date --utc +%F)"
unset "${KIT_KEYS[@]}"
if [[ -n "${ASTER_BACKTEST_CONFIG_FILE:-}" ]]; then
	answer="$folder/weekly-$day.json"
	arguments=(backtest weekly --out "$folder" --json)
else
	answer="$folder/$day.json"
	arguments=(backtest compare --strategy delta-neutral --executions "maker-first,taker" --json)
fi
verdict=0
"$program" "${arguments[@]}" >"$answer.new" || verdict=$?
# What was found before something failed (an upload, a message) is kept; nothing at all is no answer.
if [[ -s "$answer.new" ]]; then
	mv "$answer.new" "$answer"
	cat "$answer"
else
	rm -f "$answer.new"
fi
exit "$verdict"
