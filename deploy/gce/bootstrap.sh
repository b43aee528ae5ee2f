#!/usr/bin/env bash
# From a bare Debian or Ubuntu machine to an installed service. Run it again whenever you like: what is there
# already stays, settings and secrets above all.
#
#   sudo bootstrap.sh --repository URL --revision REVISION [--signers FILE] [--no-start]
#
# REVISION is a signed tag (then --signers names the file of allowed SSH signers, the first time) or a full
# commit id of 40 digits. Where systemd runs, timers are enabled and the service is started once its settings
# say VENUE; elsewhere the script ends there and says so.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/gce/common.sh
. "$here/common.sh"

PACKAGES=(ca-certificates git openssh-client python3 python3-venv util-linux)
NEEDED_MB=3000
TIMERS=(aster-maintenance.timer aster-report.timer aster-backtest.timer)

repository="" revision="" signers="" start=yes
while [[ $# -gt 0 ]]; do
	case "$1" in
	--repository | --revision | --signers)
		[[ $# -ge 2 && -n "$2" ]] || die "$1 needs a value"
		printf -v "${1#--}" '%s' "$2"
		shift 2
		;;
	--no-start) start=no && shift ;;
	-h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit 0 ;;
	*) die "unknown option $1: see --help" ;;
	esac
done

check_machine() {
	need_root
	[[ -r /etc/debian_version ]] || die "this is no Debian or Ubuntu: use one, or follow docs/how-to/deploy.md by hand"
	[[ -n "$repository" && -n "$revision" ]] || die "--repository and --revision are needed: see --help"
	[[ -z "$signers" || -r "$signers" ]] || die "the signers cannot be read, $signers: check the path"
	local free
	free="$(df --output=avail -m /opt 2>/dev/null | tail -1 || echo "$NEEDED_MB")"
	((free >= NEEDED_MB)) || die "$free MB are free in /opt, $NEEDED_MB are needed: give the machine a larger disk"
}

install_packages() {
	local package missing=()
	for package in "${PACKAGES[@]}"; do
		dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
	done
	if ((${#missing[@]})); then
		say "installing ${missing[*]}"
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -qq
		apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
	fi
	"${ASTER_PYTHON:-python3}" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' ||
		die "Python 3.11, 3.12 or 3.13 is needed: use Debian 12 or 13, Ubuntu 24.04, or set ASTER_PYTHON"
}

make_user_and_folders() {
	getent group aster >/dev/null || groupadd --system aster
	getent passwd aster >/dev/null ||
		useradd --system --gid aster --home-dir /var/lib/aster --no-create-home --shell /usr/sbin/nologin aster
	install -d -m 0755 "$APP_DIR" "$APP_DIR/releases"
	install -d -m 0750 -o root -g aster "$ETC_DIR"
	install -d -m 0700 -o aster -g aster /var/lib/aster /var/log/aster /var/cache/aster
}

install_settings() {
	if [[ ! -e "$ENV_FILE" ]]; then
		install -m 0640 -o root -g aster "$APP_DIR/current/deploy/gce/env.sample" "$ENV_FILE"
		say "settings: $ENV_FILE is new, edit it"
	fi
}

prepare_repository() {
	if [[ ! -d "$REPOSITORY" ]]; then
		git init --quiet --bare "$REPOSITORY"
	fi
	git --git-dir="$REPOSITORY" config remote.origin.url "$repository"
}

install_units() {
	local unit
	install -d -m 0755 "$UNIT_DIR"
	for unit in "$APP_DIR"/current/deploy/gce/*.service "$APP_DIR"/current/deploy/gce/*.timer; do
		install -m 0644 "$unit" "$UNIT_DIR/"
	done
}

start_service() {
	if ! systemd_runs; then
		say "systemd does not run here: all is in place, nothing was started"
		return
	fi
	systemctl daemon-reload
	systemctl enable --quiet aster.service "${TIMERS[@]}"
	systemctl start "${TIMERS[@]}"
	if [[ "$start" == no || -z "$(setting VENUE)" ]]; then
		say "not started: edit $ENV_FILE, then run systemctl start aster"
		return
	fi
	systemctl restart aster.service || die "aster.service did not start: see journalctl -u aster -n 50"
	say "aster.service runs: journalctl -u aster -f"
}

check_machine
install_packages
make_user_and_folders
prepare_repository
[[ -z "$signers" ]] || install -m 0644 "$signers" "$SIGNERS_FILE"
"$here/release.sh" install "$revision"
install_settings
install_units
start_service
