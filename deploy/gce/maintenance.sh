#!/usr/bin/env bash
# The daily window: upload what was recorded, stop in good order, back up the books, tidy, take a verified update,
# start again.
#
# Entries halt and positions close before it by the strategy's own clock (ASTER_ENTRY_HALT_UTC,
# ASTER_FORCE_EXIT_UTC) or by ON_STOP=flatten. The update is what ASTER_UPDATE_REVISION pins in aster.env, a
# signed tag or a commit id; empty means none. A release that does not start is taken back.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/gce/common.sh
. "$here/common.sh"

need_root
retention="$(setting ASTER_LOG_RETENTION_DAYS)"
retention="${retention:-7}"
[[ "$retention" =~ ^[1-9][0-9]{0,3}$ ]] || die "ASTER_LOG_RETENTION_DAYS is no number of days, $ENV_FILE"
backtest_retention="$(setting ASTER_BACKTEST_RETENTION_DAYS)"
backtest_retention="${backtest_retention:-28}"
[[ "$backtest_retention" =~ ^[1-9][0-9]{0,3}$ ]] || die "ASTER_BACKTEST_RETENTION_DAYS is no number of days, $ENV_FILE"
was_active=no
if systemd_runs && systemctl is-active --quiet aster.service; then was_active=yes; fi

stop() {
	[[ "$was_active" == yes ]] || return 0
	say "stopping the session"
	systemctl stop aster.service
}

start() {
	[[ "$was_active" == yes ]] || return 0
	systemctl start aster.service && say "the session runs again"
}

back_up() {
	if ! systemd_runs; then
		say "systemd does not run here: no backup was made"
		return
	fi
	# A unit of its own: it runs as the service's user, with the credentials of the database.
	systemctl start aster-backup.service ||
		die "the books could not be backed up, nothing else was done: see journalctl -u aster-backup -n 20"
}

# Where a store or BigQuery is set, what was recorded goes there before anything is removed here.
upload() {
	systemd_runs || return 0
	# A unit of its own, as the backup is. It does nothing where nothing is set.
	systemctl start aster-upload.service && return 0
	say "the upload failed, nothing is removed this time: see journalctl -u aster-upload -n 20"
	return 1
}

tidy() {
	local folder
	for folder in backups reports runs/journals; do
		[[ -d "$STATE_DIR_HERE/$folder" ]] || continue
		find "$STATE_DIR_HERE/$folder" -xdev -type f -mtime "+$retention" -delete
	done
	# Tables and verdicts of the weekly back-test are removed by itself, which knows what was uploaded; here go
	# its answers, weekly-DAY.json and DAY.json.
	if [[ -d "$STATE_DIR_HERE/backtests" ]]; then
		find "$STATE_DIR_HERE/backtests" -xdev -type f \( -name 'weekly-*.json' -o -name '[0-9]*.json' \) \
			-mtime "+$backtest_retention" -delete
	fi
	find "$ASTER_ROOT/var/log/aster" -xdev -type f -mtime "+$retention" -delete 2>/dev/null || true
}

update() {
	local revision before
	revision="$(setting ASTER_UPDATE_REVISION)"
	[[ -n "$revision" ]] || return 0
	before="$(readlink "$APP_DIR/current")"
	"$here/release.sh" install "$revision" || {
		say "the update was refused; the release stays as it was"
		return 0
	}
	[[ "$(readlink "$APP_DIR/current")" != "$before" ]] || return 0
	if systemd_runs; then systemctl daemon-reload; fi
	updated=yes
}

updated=no uploaded=yes
# Before the session is stopped: an upload may take its time.
upload || uploaded=no
trap 'start || true' EXIT
stop
back_up
[[ "$uploaded" == no ]] || tidy
update
trap - EXIT
if ! start; then
	[[ "$updated" == yes ]] || die "the session did not start: see journalctl -u aster -n 50"
	say "the new release did not start: taking it back"
	"$here/release.sh" rollback
	systemctl daemon-reload
	start || die "the session did not start with the release before either: see journalctl -u aster -n 50"
fi
