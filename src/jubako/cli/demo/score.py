"""How good the findings on a bundled clip are, by the typos that were planted in it.

The rule is the application's own, and the command line knows the application by its programs only: it asks one.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

PROGRAM: Final = "jubako_apps.telop.score"

Document = Mapping[str, Any]


def score(findings: Sequence[Document], truth: Document) -> dict[str, float]:
    """Return ``found``, ``missed``, ``wrong``, ``precision`` and ``recall``.

    Args:
        findings: As in ``report.json``.
        truth: ``{"telops": [{"start", "end", "text"}], "errors": [{"telop": INDEX, "wrong", "kind"}]}``.

    Raises:
        subprocess.CalledProcessError: The application is not installed with its extra.

    """
    question = json.dumps({"findings": list(findings), "truth": truth}).encode()
    done = subprocess.run(  # noqa: S603 - this interpreter and a module of ours
        [sys.executable, "-m", PROGRAM], input=question, capture_output=True, check=True
    )
    answer: dict[str, float] = json.loads(done.stdout)
    return answer
