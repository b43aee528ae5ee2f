#!/usr/bin/env bash
# The recorded days to object storage (CATALOG_URL) and BigQuery (ASTER_BQ_ENABLE_DAILY_BATCH), then those that are
# safely in the store and older than ASTER_LOG_RETENTION_DAYS out of the catalog. Without either: nothing.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/gce/common.sh
. "$here/common.sh"

program="${ASTER_PROGRAM:-$here/../../.venv/bin/aster-operator}"
catalog="${CATALOG_DIR:-catalog}"
retention="${ASTER_LOG_RETENTION_DAYS:-7}"
unset "${KIT_KEYS[@]}"
case "${ASTER_BQ_ENABLE_DAILY_BATCH:-false}" in
[Tt]rue | 1 | [Yy]es | [Oo]n) into_bigquery=yes ;;
*) into_bigquery=no ;;
esac
if [[ -z "${CATALOG_URL:-}" && "$into_bigquery" == no ]]; then
	say "nowhere to upload to is set (CATALOG_URL, ASTER_BQ_ENABLE_DAILY_BATCH): nothing was done"
	exit 0
fi
if [[ ! -d "$catalog" ]]; then
	say "nothing is recorded here, $catalog"
	exit 0
fi
verdict=0
"$program" data upload --json || verdict=$?
# 1: the store has more of some days than this machine, and keeps it; all else has arrived.
((verdict <= 1)) || exit "$verdict"
[[ -n "${CATALOG_URL:-}" ]] || exit 0
"$program" data prune --older-than-days "$retention" --json ||
	say "some days stay in the catalog: the store does not have them as they are here, or somebody records"
