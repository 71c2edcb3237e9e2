"""What the base package weighs above an empty virtual environment, by distribution; needs a package index.

Usage: python tools/measure_install.py; exit code 1 if it is above the budget.
"""

import subprocess
import sys
import tempfile
import venv
from collections import Counter
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUDGET_MB = 60
BLOCK = 4096
EMPTY = frozenset({"pip", "setuptools"})
"""In an empty environment too."""


def main() -> int:
    """Install, weigh, tell."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", ROOT], check=True)
        site = next((Path(folder) / "lib").glob("python*/site-packages"))
        sizes = weighed(site)
    total = sum(sizes.values())
    for name, size in sizes.most_common():
        print(f"{name:24} {size / 1e6:6.1f} MB")
    print(
        f"{'all':24} {total / 1e6:6.1f} MB of a budget of {BUDGET_MB}, files as the disk's blocks of {BLOCK} hold them"
    )
    return total > BUDGET_MB * 1e6


def weighed(site: Path) -> Counter[str]:
    """Return the bytes of each distribution, compiled modules included."""
    sizes: Counter[str] = Counter()
    for distribution in metadata.distributions(path=[str(site)]):
        name = distribution.metadata["Name"]
        if name in EMPTY:
            continue
        files = (Path(str(distribution.locate_file(file))) for file in distribution.files or ())
        sizes[name] = sum(-(-file.stat().st_size // BLOCK) * BLOCK for file in files if file.is_file())
    return sizes


if __name__ == "__main__":
    sys.exit(main())
