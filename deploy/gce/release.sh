#!/usr/bin/env bash
# Lay out, choose and take back releases. Nothing of a release runs before its revision was verified.
#
#   release.sh install REVISION     verify, lay out beside the others, make it the current one
#   release.sh rollback [REVISION]  make an earlier release the current one again (default: the previous)
#   release.sh list                 what is laid out; * marks the current one
#
# REVISION is a tag whose signature one of /etc/aster/allowed_signers made, or a full commit id (40 digits),
# which pins the content by itself. A branch is never taken: who can push to it could run code as root here.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/gce/common.sh
. "$here/common.sh"

PYTHON="${ASTER_PYTHON:-python3}"
KEEP=4

git_here() { git -c safe.directory='*' --git-dir="$REPOSITORY" "$@"; }

# The commit that REVISION pins. Ends the script when nothing vouches for it.
verified_commit() {
	local revision="$1" commit
	if [[ "$revision" =~ ^[0-9a-f]{40}$ ]]; then
		git_here cat-file -e "$revision^{commit}" 2>/dev/null ||
			die "there is no commit $revision in the repository: check the revision"
		printf '%s' "$revision"
		return
	fi
	[[ "$revision" =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || die "'$revision' is no tag and no commit id of 40 digits"
	git_here show-ref --verify --quiet "refs/tags/$revision" ||
		die "there is no tag $revision (a branch or a short id is not taken): name a signed tag or 40 digits"
	[[ "$(git_here cat-file -t "refs/tags/$revision")" == tag ]] ||
		die "the tag $revision is not signed: sign it (git tag -s), or pin the commit's 40 digits"
	[[ -s "$SIGNERS_FILE" ]] ||
		die "nobody may sign, $SIGNERS_FILE: write the public keys of those who release there, or pin 40 digits"
	git_here -c gpg.format=ssh -c gpg.ssh.allowedSignersFile="$SIGNERS_FILE" verify-tag "$revision" >/dev/null 2>&1 ||
		die "the signature of the tag $revision is not one of $SIGNERS_FILE: do not install it"
	# A signature vouches for the name too: an old tag offered under a new name is an old release.
	[[ "$(git_here cat-file tag "$revision" | sed -n 's/^tag //p;/^$/q')" == "$revision" ]] ||
		die "the tag $revision was signed under another name: do not install it"
	commit="$(git_here rev-parse "refs/tags/$revision^{commit}")"
	printf '%s' "$commit"
}

fetch() {
	local remote
	remote="$(git_here config --get remote.origin.url || true)"
	[[ -n "$remote" ]] || die "the repository has no address, $REPOSITORY: run bootstrap.sh first"
	# Tags are never moved by a fetch: a tag that changed on the other side is refused, not taken.
	git_here fetch --quiet --no-tags origin '+refs/heads/*:refs/remotes/origin/*' 'refs/tags/*:refs/tags/*' ||
		die "the repository cannot be fetched, $remote: check address and network, and whether a tag was moved"
}

lay_out() {
	local commit="$1" target="$APP_DIR/releases/$1" work
	if [[ -f "$target/.complete" ]]; then
		say "release ${commit:0:12} is laid out already"
		return
	fi
	rm -rf "$target"
	mkdir -p "$target"
	git_here archive "$commit" | tar -x -C "$target"
	say "installing the pinned packages of ${commit:0:12}"
	"$PYTHON" -m venv "$target/.venv"
	work="$target/.venv/bin/python"
	# Binary packages with known hashes only: nothing is built, so nothing of theirs runs at installation.
	"$work" -m pip install --quiet --disable-pip-version-check --no-cache-dir --only-binary :all: \
		--require-hashes -r "$target/requirements/build.txt" -r "$target/deploy/gce/requirements.txt"
	"$work" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-index --no-deps \
		--no-build-isolation "$target"
	"$target/.venv/bin/aster-operator" --version >&2
	touch "$target/.complete"
}

# Make a laid out release the current one, at once or not at all; remember which it was before.
choose() {
	local commit="$1" before
	before="$(current)"
	if [[ "$before" != "$commit" ]]; then
		[[ -n "$before" ]] && printf '%s\n' "$before" >"$APP_DIR/previous"
		ln -sfn "releases/$commit" "$APP_DIR/current.new"
		mv -T "$APP_DIR/current.new" "$APP_DIR/current"
	fi
	say "current release: ${commit:0:12}"
}

current() { basename "$(readlink "$APP_DIR/current" 2>/dev/null || true)"; }

# The newest KEEP releases stay, and always the current and the previous one.
tidy() {
	local name
	while IFS= read -r name; do
		[[ "$name" == "$(current)" || "$name" == "$(cat "$APP_DIR/previous" 2>/dev/null || true)" ]] && continue
		rm -rf "${APP_DIR:?}/releases/$name"
	done < <(find "$APP_DIR/releases" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %f\n' | sort -rn | awk -v k="$KEEP" 'NR > k {print $2}')
}

rollback() {
	local commit
	if [[ $# -gt 0 ]]; then
		commit="$(verified_commit "$1")"
		[[ -f "$APP_DIR/releases/$commit/.complete" ]] || lay_out "$commit"
	else
		commit="$(cat "$APP_DIR/previous" 2>/dev/null || true)"
		[[ -n "$commit" && -f "$APP_DIR/releases/$commit/.complete" ]] ||
			die "there is no earlier release here: name a tag or a commit"
	fi
	choose "$commit"
}

main() {
	case "${1:-}" in
	install)
		[[ $# == 2 ]] || die "install takes one REVISION: a signed tag, or a commit id of 40 digits"
		need_root
		local commit
		fetch
		commit="$(verified_commit "$2")"
		lay_out "$commit"
		choose "$commit"
		tidy
		;;
	rollback)
		need_root
		rollback "${@:2}"
		;;
	list)
		local name mark
		for name in "$APP_DIR"/releases/*/; do
			name="$(basename "$name")"
			mark=" "
			[[ "$name" == "$(current)" ]] && mark="*"
			printf '%s %s %s\n' "$mark" "$name" "$(git_here tag --points-at "$name" | tr '\n' ' ')"
		done
		;;
	*) die "unknown command '${1:-}': install REVISION, rollback [REVISION] or list" ;;
	esac
}

main "$@"
