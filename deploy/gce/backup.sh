#!/usr/bin/env bash
# A copy of the books in /var/lib/aster/backups; aster-operator db restore takes it back.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/gce/common.sh
. "$here/common.sh"

program="${ASTER_PROGRAM:-$here/../../.venv/bin/aster-operator}"
folder="$STATE_DIR_HERE/backups"
mkdir -p "$folder"
unset "${KIT_KEYS[@]}"
exec "$program" db backup --out "$folder/books-$(date --utc +%Y%m%dT%H%M%SZ).backup"
