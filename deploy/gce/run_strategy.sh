#!/usr/bin/env bash
# What aster.service runs. Settings come from the environment (EnvironmentFile), secrets from systemd
# credentials, which aster-operator reads by itself; none of them is an argument, so none is in `ps`.
#
#   ASTER_STRATEGY                        strategy to run (default delta-neutral)
#   ASTER_YES_REAL_MONEY                  I-AGREE lets it trade on mainnet with nobody there to confirm
#   ASTER_I_UNDERSTAND_HEDGED_FARMING     I-AGREE says to know what the venue says of hedged pairs
#   ON_STOP                               keep or flatten, at an ordered end
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/gce/common.sh
. "$here/common.sh"

program="${ASTER_PROGRAM:-$here/../../.venv/bin/aster-operator}"
[[ -x "$program" ]] || die "the program is not here, $program: run release.sh install REVISION"

arguments=(run --strategy "${ASTER_STRATEGY:-delta-neutral}" --json)
[[ "${ASTER_YES_REAL_MONEY:-}" == I-AGREE ]] && arguments+=(--yes-real-money)
[[ "${ASTER_I_UNDERSTAND_HEDGED_FARMING:-}" == I-AGREE ]] && arguments+=(--i-understand-hedged-farming)
unset "${KIT_KEYS[@]}"
exec "$program" "${arguments[@]}"
