# shellcheck shell=bash disable=SC2034
# What the scripts of this folder share. Sourced, never run.
#
# ASTER_ROOT is put in front of every path: empty on a machine, a directory in the tests.

ASTER_ROOT="${ASTER_ROOT:-}"
APP_DIR="$ASTER_ROOT/opt/aster"
ETC_DIR="$ASTER_ROOT/etc/aster"
STATE_DIR_HERE="$ASTER_ROOT/var/lib/aster"
UNIT_DIR="$ASTER_ROOT/etc/systemd/system"
ENV_FILE="$ETC_DIR/aster.env"
SIGNERS_FILE="$ETC_DIR/allowed_signers"
REPOSITORY="$APP_DIR/repository.git"

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# One line that says what is wrong and what to do, then the end.
die() {
	say "$*"
	exit 2
}

need_root() { [[ "$(id -u)" == 0 ]] || die "must be root: run it with sudo"; }

# Value of a key of the settings file, empty when there is none. The file is read, never executed.
setting() {
	local line value=""
	[[ -r "$ENV_FILE" ]] || die "the settings file cannot be read, $ENV_FILE: copy env.sample there"
	while IFS= read -r line || [[ -n "$line" ]]; do
		[[ "$line" == "$1="* ]] && value="${line#*=}"
	done <"$ENV_FILE"
	value="${value%$'\r'}"
	if [[ ${#value} -ge 2 && "$value" == [\"\']* && "${value: -1}" == "${value:0:1}" ]]; then
		value="${value:1:${#value}-2}"
	fi
	printf '%s' "$value"
}

# True where systemd runs this machine.
systemd_runs() { [[ -d "$ASTER_ROOT/run/systemd/system" ]]; }

# Keys of the settings file that mean something to these scripts only.
KIT_KEYS=(
	ASTER_ROOT ASTER_PROGRAM ASTER_PYTHON
	ASTER_STRATEGY ASTER_YES_REAL_MONEY ASTER_I_UNDERSTAND_HEDGED_FARMING ASTER_UPDATE_REVISION ASTER_GCP_PROJECT
	ASTER_AGENT_PRIVATE_KEY_SECRET_NAME DATABASE_URL_SECRET_NAME
	NOTIFY_URLS_SECRET_NAME NOTIFY_REPORT_URLS_SECRET_NAME ORDER_API_KEY_SECRET_NAME ORDER_SECRET_KEY_SECRET_NAME
)
