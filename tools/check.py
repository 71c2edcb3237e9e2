"""Everything that must be green, in the order in which it fails fastest: the one command of CONTRIBUTING and CI."""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECKS = {
    "format": ["ruff", "format", "--check", "--quiet", "."],
    "lint": ["ruff", "check", "--quiet", "."],
    "types": ["mypy"],
    "tests": ["pytest", "-q", "-n", "2", "--dist", "worksteal"],
}


def main() -> int:
    """Run the checks; return 0 if all of them passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=CHECKS, action="append", help="run just this check")
    parser.add_argument("--nightly", action="store_true", help="run the long tests too")
    given = parser.parse_args()
    failed = []
    for name in given.only or CHECKS:
        command = [sys.executable, "-m", *CHECKS[name]]
        if name == "tests" and given.nightly:
            command += ["-m", "nightly or not nightly"]
        print(f"== {name}: {' '.join(command[2:])}", flush=True)
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
