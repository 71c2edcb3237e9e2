"""``--format``: json, yaml, value(PATH,...), table(PATH[:label=TEXT],...), csv(PATH,...) or none.

A PATH walks into a document: ``name``, ``template.taskCount``, ``conditions[0].state``, and ``.basename()`` keeps
the part after the last slash. The words are gcloud's (``gcloud topic formats``); of its projections these are the
ones that scripts use.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jubako.cli.errors import UsageError
from jubako.cli.tables import table
from jubako.cli.terminal import Terminal, clean

_PROJECTION = re.compile(r"(value|table|csv)(?:\[([^\]]*)\])?\((.*)\)\Z", re.DOTALL)
_STEP = re.compile(r"\.?([A-Za-z_@$][\w@/-]*\(\)|[A-Za-z_@$][\w@/-]*|\[\d+\]|'[^']*'|\"[^\"]*\")")
Document = Any
"""JSON of any shape."""
Step = str | int | Callable[[Any], Any]


class Format:
    """A way of printing a document or a list of documents."""

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """Yield the lines that show ``value``."""
        raise NotImplementedError


class Nothing(Format):
    """``none``: for commands whose success is all that matters."""

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        del value, terminal
        yield from ()


class Json(Format):
    """Indented JSON."""

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        del terminal
        yield json.dumps(value, indent=2, ensure_ascii=False)


class Shell(Format):
    """``shell``: a map as commands that set its variables; null takes one away."""

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        del terminal
        for name, text in (value if isinstance(value, dict) else {}).items():
            yield f"unset {name}" if text is None else f"export {name}={shlex.quote(str(text))}"


class Yaml(Format):
    """YAML; a list becomes one document for each item, as gcloud writes it."""

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        del terminal
        import yaml  # noqa: PLC0415 - slow to import

        documents = value if isinstance(value, list) else [value]
        for number, document in enumerate(documents):
            if number or isinstance(value, list):
                yield "---"
            yield yaml.safe_dump(_plain(document), allow_unicode=True, sort_keys=False, width=10_000).rstrip(
                "\n"
            )


def _plain(document: Document) -> Document:
    return dict(document) if isinstance(document, dict) else document


class Values(Format):
    """``value(...)``: the bare values, tabs between them, one line for each document."""

    def __init__(self, paths: Sequence["Path"], separator: str = "\t") -> None:
        self.paths = paths
        self.separator = separator

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        del terminal
        for document in value if isinstance(value, list) else [value]:
            yield self.separator.join(scalar(path.read(document)) for path in self.paths)


class Csv(Format):
    """``csv(...)``: a line of names, then one line for each document, quoted where it must be (RFC 4180)."""

    def __init__(self, paths: Sequence["Path"], separator: str, *, has_heading: bool) -> None:
        self.paths = paths
        self.separator = separator
        self.has_heading = has_heading

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        del terminal
        if self.has_heading:
            yield self._line([path.label.lower() for path in self.paths])
        for document in value if isinstance(value, list) else [value]:
            yield self._line([scalar(path.read(document)) for path in self.paths])

    def _line(self, cells: Sequence[str]) -> str:
        special = (self.separator, '"', "\n", "\r")
        quoted = (
            '"{}"'.format(cell.replace('"', '""')) if any(mark in cell for mark in special) else cell
            for cell in cells
        )
        return self.separator.join(quoted)


class Columns(Format):
    """``table(...)``, and the tables that list commands print by themselves."""

    def __init__(self, paths: Sequence["Path"], empty: str = "Listed 0 items.") -> None:
        self.paths = paths
        self.empty = empty

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        documents = value if isinstance(value, list) else [value]
        if not documents:
            yield self.empty
            return
        rows = [[scalar(path.read(document)) for path in self.paths] for document in documents]
        yield from table([path.label for path in self.paths], rows, terminal)


class Text(Format):
    """A command's own words about a document."""

    def __init__(self, describe: Callable[[Any, Terminal], Iterator[str]]) -> None:
        self.describe = describe

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        return self.describe(value, terminal)


class Path:
    """Where in a document a value stands, and what its column is called."""

    def __init__(self, label: str, steps: Sequence[Step]) -> None:
        self.label = label
        self.steps = steps

    @classmethod
    def computed(cls, label: str, read: Callable[[Any], Any]) -> "Path":
        """Return a column whose cells a function makes from the document."""
        return cls(label, [read])

    def read(self, document: Document) -> Document:
        """Return the value, or None where the path leads nowhere."""
        for step in self.steps:
            if document is None:
                return None
            document = _take(document, step)
        return document


def _take(value: Document, step: Step) -> Document:
    if callable(step):
        return step(value)
    if isinstance(step, int):
        return value[step] if isinstance(value, list) and step < len(value) else None
    if isinstance(value, list):
        return [_take(item, step) for item in value]
    return value.get(step) if isinstance(value, dict) else None


def _basename(value: Document) -> Document:
    return value.rsplit("/", 1)[-1] if isinstance(value, str) else value


TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "basename()": _basename,
    "len()": lambda value: len(value) if isinstance(value, str | list | dict) else 0,
}


def scalar(value: Document) -> str:
    """Return a value as one word: lists joined by ``;``, maps as ``k=v``, booleans as Python and gcloud write them."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ";".join(scalar(item) for item in value)
    if isinstance(value, dict):
        return ";".join(f"{key}={scalar(item)}" for key, item in value.items())
    return clean(str(value))


def parse_path(text: str) -> Path:
    """Return the path of ``conditions[0].state:label=STATE``.

    Raises:
        UsageError: The text is not a path, or names a function that we do not have.

    """
    expression, _, options = text.strip().partition(":")
    label = re.search(r"label=['\"]?([^'\":]*)", options)
    steps: list[Step] = []
    position = 0
    while position < len(expression):
        match = _STEP.match(expression, position)
        if match is None:
            raise UsageError(
                f"--format: {text.strip()!r} is not a path.", "A path looks like template.taskCount."
            )
        steps.append(_step(match[1]))
        position = match.end()
    name = [step for step in steps if isinstance(step, str)]
    return Path(label[1] if label else (name[-1].upper() if name else text.upper()), steps)


def _step(token: str) -> Step:
    if token.endswith("()"):
        if token not in TRANSFORMS:
            raise UsageError(
                f"--format: there is no function {token}.", f"There are: {', '.join(TRANSFORMS)}."
            )
        return TRANSFORMS[token]
    if token.startswith("["):
        return int(token[1:-1])
    return token.strip("'\"")


def parse_format(text: str) -> Format:
    """Return the format that ``--format`` names.

    Raises:
        UsageError: There is no such format.

    """
    plain = {"json": Json, "shell": Shell, "yaml": Yaml, "none": Nothing, "disable": Nothing, "default": Yaml}
    if text in plain:
        return plain[text]()
    match = _PROJECTION.match(text.strip())
    if match is None or not match[3].strip():
        raise UsageError(
            f"--format: {text!r} is not known.",
            "It is json, yaml, value(PATH,...), table(PATH,...), csv(PATH,...) or none.",
        )
    paths = [parse_path(part) for part in match[3].split(",")]
    options = match[2] or ""
    separator = re.search(r"(?:separator|delimiter)=(?:'([^']*)'|\"([^\"]*)\"|([^,]+))", options)
    given = next(filter(None, separator.groups()), "") if separator else ""
    if match[1] == "csv":
        return Csv(paths, given or ",", has_heading="no-heading" not in options)
    return Values(paths, given or "\t") if match[1] == "value" else Columns(paths)
