"""Resource names: ``projects/P/locations/L/jobs/J`` and the like, parsed and made in one place."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from jubako.core.errors import InvalidArgument

_SEGMENT = re.compile(r"[^/\s\x00-\x1f\x7f]{1,256}\Z")
_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A name pattern such as ``projects/{project}/locations/{location}/jobs/{job}``."""

    template: str

    def format(self, **values: str) -> str:
        """Return the name with ``values`` in place."""
        return self.template.format(**values)

    def parse(self, name: str, field: str = "name") -> Mapping[str, str]:
        """Return the variables of ``name``.

        Raises:
            InvalidArgument: ``name`` does not have this pattern; the message names ``field``.

        """
        values = self.match(name)
        if values is None:
            raise InvalidArgument(f"{field}: {name!r} does not match the pattern {self.template!r}.")
        return values

    def match(self, name: str) -> Mapping[str, str] | None:
        """Return the variables of ``name``, or None if it does not have this pattern."""
        wanted, given = _parts(self.template), name.split("/")
        if len(wanted) != len(given):
            return None
        values = {}
        for (literal, variable), segment in zip(wanted, given, strict=True):
            if variable:
                if not _SEGMENT.match(segment):
                    return None
                values[variable] = segment
            elif literal != segment:
                return None
        return values


@cache
def _parts(template: str) -> list[tuple[str, str]]:
    """Return literal and variable of each segment; one of them is ""."""
    return [("", part[1:-1]) if part.startswith("{") else (part, "") for part in template.split("/")]


LOCATION = Pattern("projects/{project}/locations/{location}")
OPERATION = Pattern("projects/{project}/locations/{location}/operations/{operation}")
JOB = Pattern("projects/{project}/locations/{location}/jobs/{job}")
EXECUTION = Pattern("projects/{project}/locations/{location}/jobs/{job}/executions/{execution}")
TASK = Pattern("projects/{project}/locations/{location}/jobs/{job}/executions/{execution}/tasks/{task}")
SERVICE = Pattern("projects/{project}/locations/{location}/services/{service}")
REVISION = Pattern("projects/{project}/locations/{location}/services/{service}/revisions/{revision}")
WORKFLOW = Pattern("projects/{project}/locations/{location}/workflows/{workflow}")
WORKFLOW_EXECUTION = Pattern(
    "projects/{project}/locations/{location}/workflows/{workflow}/executions/{execution}"
)


def dns_label(text: str, field: str, length_max: int) -> str:
    """Return ``text`` if it can name a job or service.

    Raises:
        InvalidArgument: Not lower-case letters, digits and hyphens beginning with a letter, or too long.

    """
    if len(text) > length_max or not _DNS_LABEL.match(text):
        raise InvalidArgument(
            f"{field}: {text!r} must begin with a lower-case letter, hold only lower-case letters, digits and "
            f"hyphens, not end with a hyphen, and have at most {length_max} characters."
        )
    return text
