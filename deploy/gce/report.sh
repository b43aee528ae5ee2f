#!/usr/bin/env bash
# What yesterday brought: JSON and HTML in /var/lib/aster/reports, JSON in the journal, and sent to the targets that
# are set (NOTIFY_URLS, NOTIFY_REPORT_URLS, ASTER_EMAIL_*).
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/gce/common.sh
. "$here/common.sh"

program="${ASTER_PROGRAM:-$here/../../.venv/bin/aster-operator}"
day="${1:-$(date --utc --date=yesterday +%F)}"
date --utc --date="$day" +%F >/dev/null 2>&1 || die "'$day' is no day: write YYYY-MM-DD"
until="$(date --utc --date="$day + 1 day" +%F)"
folder="$STATE_DIR_HERE/reports"
mkdir -p "$folder"
unset "${KIT_KEYS[@]}"
arguments=(report --day "$day" --json --html "$folder/$day.html" --sweeps "$STATE_DIR_HERE/backtests" --session-log -)
# Who set a target wants it sent; without one the report is kept here only.
if [[ -n "${NOTIFY_URLS:-}${NOTIFY_REPORT_URLS:-}" || -e "${CREDENTIALS_DIRECTORY:-/nowhere}/NOTIFY_URLS" ||
	"${ASTER_EMAIL_PROD_ENABLE:-false}" == true ]]; then
	arguments+=(--send)
fi
session_log() { journalctl --quiet -u aster --since "$day UTC" --until "$until UTC" -o cat 2>/dev/null || true; }
verdict=0
session_log | "$program" "${arguments[@]}" >"$folder/$day.json.new" || verdict=$?
# 1: a target did not take it; the report itself is complete.
((verdict <= 1)) || exit "$verdict"
mv "$folder/$day.json.new" "$folder/$day.json"
cat "$folder/$day.json"
exit "$verdict"
