#!/usr/bin/env bash
# Bring secrets to the machine as encrypted systemd credentials; they never touch a disk in clear, nor `ps`.
#
#   fetch_secrets.sh fetch            every secret that aster.env names in Google Secret Manager
#   fetch_secrets.sh put NAME         one secret from standard input
#   fetch_secrets.sh units            write the drop-in that hands the credentials to the service
#
# aster.env says where a secret is: ASTER_AGENT_PRIVATE_KEY_SECRET_NAME=name, or with project and version
# projects/P/secrets/NAME/versions/V; likewise ASTER_API_KEY_SECRET_NAME, ASTER_API_SECRET_SECRET_NAME,
# DATABASE_URL_SECRET_NAME, ASTER_EMAIL_SMTP_PASS_SECRET_NAME, NOTIFY_URLS_SECRET_NAME, NOTIFY_REPORT_URLS_SECRET_NAME. After a rotation: fetch, then restart.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/gce/common.sh
. "$here/common.sh"

CREDENTIALS="$ASTER_ROOT/etc/credstore.encrypted"
DROP_IN="$UNIT_DIR/aster.service.d/credentials.conf"
NAMES=(ASTER_AGENT_PRIVATE_KEY ASTER_API_KEY ASTER_API_SECRET ORDER_API_KEY ORDER_SECRET_KEY DATABASE_URL ASTER_EMAIL_SMTP_PASS
	NOTIFY_URLS NOTIFY_REPORT_URLS)

known() {
	local name
	for name in "${NAMES[@]}"; do [[ "$name" == "$1" ]] && return; done
	return 1
}

# Encrypts standard input as the credential $1: complete, or the old one stays.
put() {
	known "$1" || die "'$1' is no secret of aster-operator: one of ${NAMES[*]}"
	command -v systemd-creds >/dev/null || die "systemd-creds is missing: systemd 250 or newer is needed"
	local text target="$CREDENTIALS/$1"
	text="$(cat)"
	[[ -n "$text" ]] || die "the secret $1 is empty: nothing was changed"
	[[ "$text" != *[[:space:]]* ]] || die "the secret $1 holds a space or a line end: nothing was changed"
	install -d -m 0700 "$CREDENTIALS"
	if ! printf '%s' "$text" | systemd-creds encrypt --name="$1" - "$target.new" 2>/dev/null; then
		rm -f "$target.new"
		die "systemd-creds could not encrypt $1: nothing was changed"
	fi
	chmod 0600 "$target.new"
	mv "$target.new" "$target"
	say "$1 is kept, encrypted"
}

fetch() {
	command -v gcloud >/dev/null || die "gcloud is missing: install the Google Cloud CLI, or use: $0 put NAME"
	local name place project version answer found=0
	for name in "${NAMES[@]}"; do
		place="$(setting "${name}_SECRET_NAME")"
		[[ -n "$place" ]] || continue
		project="$(setting ASTER_GCP_PROJECT)" version=latest
		if [[ "$place" =~ ^projects/([a-z0-9:.-]+)/secrets/([A-Za-z0-9_-]+)(/versions/([A-Za-z0-9_-]+))?$ ]]; then
			project="${BASH_REMATCH[1]}" version="${BASH_REMATCH[4]:-latest}" place="${BASH_REMATCH[2]}"
		fi
		[[ "$place" =~ ^[A-Za-z0-9_-]+$ ]] || die "${name}_SECRET_NAME is no name of a secret, $ENV_FILE"
		[[ -z "$project" || "$project" =~ ^[a-z0-9:.-]{4,63}$ ]] || die "ASTER_GCP_PROJECT is no project id, $ENV_FILE"
		# A pipe would hide which side failed: the text goes through a variable, never through a file.
		answer="$(gcloud secrets versions access "$version" --secret="$place" ${project:+--project="$project"} 2>/dev/null)" ||
			die "the secret $place was not given${project:+ by project $project}: check its name, the project's id and the service account's role"
		printf '%s' "$answer" | put "$name"
		found=$((found + 1))
	done
	((found)) || die "no secret is named, $ENV_FILE: set ASTER_AGENT_PRIVATE_KEY_SECRET_NAME, or use: $0 put NAME"
	units
}

units() {
	local file name lines=()
	for file in "$CREDENTIALS"/*; do
		name="$(basename "$file")"
		known "$name" && lines+=("LoadCredentialEncrypted=$name:/etc/credstore.encrypted/$name")
	done
	install -d -m 0755 "$(dirname "$DROP_IN")"
	{
		printf '# Written by fetch_secrets.sh: the credentials of this machine.\n[Service]\n'
		((${#lines[@]})) && printf '%s\n' "${lines[@]}"
		true
	} >"$DROP_IN.new"
	mv "$DROP_IN.new" "$DROP_IN"
	local unit
	for unit in aster-report aster-backup aster-backtest aster-upload; do
		install -d -m 0755 "$UNIT_DIR/$unit.service.d"
		cp "$DROP_IN" "$UNIT_DIR/$unit.service.d/credentials.conf"
	done
	if systemd_runs; then systemctl daemon-reload; fi
	say "${#lines[@]} credentials go to the service; restart it to use them"
}

need_root
case "${1:-}" in
fetch) fetch ;;
put)
	[[ $# == 2 ]] || die "put takes one NAME, the secret comes from standard input"
	put "$2"
	units
	;;
units) units ;;
*) die "unknown command '${1:-}': fetch, put NAME or units" ;;
esac
