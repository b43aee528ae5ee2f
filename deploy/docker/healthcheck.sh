#!/bin/sh
# Is the container's program well? Exit code 0 or 1, one line of why.
#   aster-health session     the session's journal grew within two minutes: its loop handles events
#   aster-health dashboard   the dashboard answers /healthz
set -eu
case "${1:-session}" in
session)
	fresh="$(find "${STATE_DIR:-runs}" -name '*.journal' -mmin -2 2>/dev/null | head -n 1)"
	[ -n "$fresh" ] || { echo "no journal grew within two minutes below ${STATE_DIR:-runs}"; exit 1; }
	echo "the session handles events"
	;;
dashboard)
	exec python -c 'import sys, urllib.request as web; web.urlopen(sys.argv[1], timeout=4); print("it answers")' \
		"http://127.0.0.1:${ASTER_DASHBOARD_PORT:-8765}/healthz"
	;;
*)
	echo "unknown part '$1': session or dashboard"
	exit 1
	;;
esac
