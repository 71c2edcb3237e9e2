"""What the service manager of a user says of a unit: it leaves no mark on its groups, as that of the machine does."""

import subprocess
from pathlib import Path

_ASKED = (".service", ".scope")
_PATIENCE_S = 10.0


def has_delegated(group: Path) -> bool:
    """Return whether ``group`` is of a unit that the user's manager runs with ``Delegate=yes``."""
    is_theirs = any(above.name.startswith("user@") for above in group.parents)
    if not is_theirs or not group.name.endswith(_ASKED):
        return False
    question = ["systemctl", "--user", "show", "--property=Delegate", "--value", "--", group.name]
    try:
        said = subprocess.run(
            question,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.stdout.strip() == b"yes"
