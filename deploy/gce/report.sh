#!/usr/bin/env bash
# What yesterday brought, from the books: one JSON object in /var/lib/aster/reports, and in the journal.
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
"$program" db stats --since "$day" --until "$until" --json >"$folder/$day.json.new"
mv "$folder/$day.json.new" "$folder/$day.json"
cat "$folder/$day.json"
