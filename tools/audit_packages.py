"""Ask the advisory database about every pinned package, and count silence as no answer.

`make audit` runs it. The database is asked through pip-audit, which by itself ends well when it could look up
nothing at all; here a package nobody answered for is a failure of its own.

Exit codes: 0 no known vulnerability, 1 there is one, 2 some packages could not be looked up.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

VULNERABLE = 1
NOT_ANSWERED = 2


def look_up(pip_audit: str, lock: Path, service: str) -> list[dict[str, Any]]:
    """What the database says of each package of `lock`. Empty when pip-audit could not run at all."""
    done = subprocess.run(  # noqa: S603 - a program of ours with arguments of ours
        [pip_audit, "--requirement", str(lock), "--require-hashes", "--disable-pip", "--format", "json"]
        + ["--progress-spinner", "off", "--vulnerability-service", service],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError, TypeError):
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        print(f"audit: pip-audit did not answer for {lock}: {last[0][:200]}", file=sys.stderr)
        return []
    return found


def judge(lock: Path, packages: list[dict[str, Any]]) -> int:
    """Print what was found in `lock` and return the exit code for it."""
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    weak = [
        (package["name"], package["version"], weakness)
        for package in packages
        for weakness in package.get("vulns", ())
    ]
    for name, version, weakness in weak:
        mended = ", ".join(weakness.get("fix_versions", ())) or "no version yet"
        print(f"{lock}: {name} {version} has {weakness['id']}, mended in {mended}")
    if weak:
        return VULNERABLE
    if unknown and len(unknown) < len(packages):
        shown = ", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        print(f"{lock}: {len(unknown)} of {len(packages)} packages could not be looked up: {shown}")
    if unknown or not packages:
        return NOT_ANSWERED
    print(f"{lock}: {len(packages)} packages, no known vulnerability")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pip-audit", default="pip-audit", help="the program")
    parser.add_argument("--service", default="pypi", choices=["pypi", "osv"], help="the advisory database")
    parser.add_argument("locks", nargs="+", type=Path)
    arguments = parser.parse_args()
    found = {lock: look_up(arguments.pip_audit, lock, arguments.service) for lock in arguments.locks}
    if not any("vulns" in package for packages in found.values() for package in packages):
        names = ", ".join(map(str, arguments.locks))
        print(
            f"audit: nothing is known of any package, {names}: the advisories ({arguments.service}) were not "
            "reached; run it again with a network",
            file=sys.stderr,
        )
        return NOT_ANSWERED
    codes = [judge(lock, packages) for lock, packages in found.items()]
    return VULNERABLE if VULNERABLE in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main())
