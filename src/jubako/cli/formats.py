"""``--format``: json, yaml, flattened, list, table, csv, value, get, shell or none; most of them with (PATH,...).

The words are gcloud's (``gcloud topic formats``). Paths are explained in paths.py.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from jubako.cli.errors import UsageError
from jubako.cli.paths import Path, merged, parse_path, scalar, sort, split_list
from jubako.cli.tables import table
from jubako.cli.terminal import Terminal
from jubako.cli.transforms import Document

_PROJECTION = re.compile(r"([a-z]+)(?:\[([^\]]*)\])?(?:\((.*)\))?\Z", re.DOTALL)
_OPTION = re.compile(r"(separator|delimiter)=(?:'([^']*)'|\"([^\"]*)\"|([^,]+))")
_KNOWN = (
    "It is json, yaml, flattened, list, value(PATH,...), table(PATH,...), csv(PATH,...), get(PATH) or none."
)


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
    """``json``, ``json(...)``: indented JSON, of the whole or of what is on the paths."""

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        self.paths = paths

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        del terminal
        yield json.dumps(_projected(value, self.paths), indent=2, ensure_ascii=False)


SHELLS: Mapping[str, tuple[str, str]] = {
    "sh": ("export {}={}", "unset {}"),
    "fish": ("set -gx {} {}", "set -e {}"),
}
"""How each sets a variable, and takes one away."""


class Shell(Format):
    """``shell``: a map as commands that set its variables; null takes one away."""

    def __init__(self, shell: str = "sh") -> None:
        self._set, self._unset = SHELLS[shell]

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        del terminal
        for name, text in (value if isinstance(value, dict) else {}).items():
            yield self._unset.format(name) if text is None else self._set.format(name, shlex.quote(str(text)))


class Yaml(Format):
    """``yaml``, ``yaml(...)``: a list becomes one document for each item, as gcloud writes it."""

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        self.paths = paths

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        del terminal
        import yaml  # noqa: PLC0415 - slow to import

        for document in _documents(_projected(value, self.paths)):
            if isinstance(value, list):
                yield "---"
            yield yaml.safe_dump(_plain(document), allow_unicode=True, sort_keys=False, width=10_000).rstrip(
                "\n"
            )


class Flattened(Format):
    """``flattened``: a line for each value, with the path that leads to it."""

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        self.paths = paths

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        del terminal
        for document in _documents(_projected(value, self.paths)):
            rows = [(f"{name}:", scalar(leaf)) for name, leaf in _leaves(document, "")]
            room = max((len(name) for name, _ in rows), default=0)
            yield "---"
            yield from (f"{name:{room}} {leaf}".rstrip() for name, leaf in rows)


class Items(Format):
    """``list``: a dash before each document, its values below one another."""

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        self.paths = paths

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        del terminal
        for document in _documents(value):
            whole = (f"{key}: {scalar(one)}" for key, one in sorted(document.items()))
            words = [scalar(path.read(document)) for path in self.paths] or list(whole)
            yield from (f"{'   ' if at else ' - '}{word}" for at, word in enumerate(words))


def _documents(value: Document) -> list[Document]:
    return value if isinstance(value, list) else [value]


def _projected(value: Document, paths: Sequence[Path]) -> Document:
    """Return documents with what is on the paths alone; the whole if there are none."""
    if not paths:
        return value
    if isinstance(value, list):
        return [_projected(document, paths) for document in value]
    return reduce(merged, (path.cut(value) for path in paths), None) or {}


def _leaves(value: Document, name: str) -> Iterator[tuple[str, Document]]:
    if isinstance(value, list) and value:
        for at, item in enumerate(value):
            yield from _leaves(item, f"{name}[{at}]")
    elif isinstance(value, dict) and value:
        for key, item in sorted(value.items()):
            yield from _leaves(item, f"{name}.{key}" if name else key)
    else:
        yield name, value


def _plain(document: Document) -> Document:
    return dict(document) if isinstance(document, dict) else document


class Values(Format):
    """``value(...)``: the bare values, tabs between them, one line for each document."""

    def __init__(self, paths: Sequence[Path], separator: str = "\t") -> None:
        self.paths = paths
        self.separator = separator

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        del terminal
        for document in _documents(value):
            yield self.separator.join(scalar(path.read(document)) for path in self.paths)


class Csv(Format):
    """``csv(...)``: a line of names, then one line for each document, quoted where it must be (RFC 4180)."""

    def __init__(self, paths: Sequence[Path], separator: str, *, has_heading: bool) -> None:
        self.paths = paths
        self.separator = separator
        self.has_heading = has_heading

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        del terminal
        if self.has_heading:
            yield self._line([path.label.lower() for path in self.paths])
        for document in _documents(value):
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

    def __init__(
        self, paths: Sequence[Path], empty: str = "Listed 0 items.", *, has_heading: bool = True
    ) -> None:
        self.paths = paths
        self.empty = empty
        self.has_heading = has_heading

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        documents = _documents(value)
        if not documents:
            yield self.empty
            return
        rows = [[scalar(path.read(document)) for path in self.paths] for document in documents]
        heading = [path.label if self.has_heading else "" for path in self.paths]
        lines = table(heading, rows, terminal)
        yield from lines if self.has_heading else lines[1:]


class Each(Format):
    """A line for each document."""

    def __init__(self, line: Callable[[Any], str]) -> None:
        self.line = line

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        del terminal
        yield from map(self.line, _documents(value))


class Text(Format):
    """A command's own words about a document."""

    def __init__(self, describe: Callable[[Any, Terminal], Iterator[str]]) -> None:
        self.describe = describe

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        return self.describe(value, terminal)


class Sorted(Format):
    """A format whose paths say ``:sort=N``."""

    def __init__(self, form: Format, keys: Sequence[Path]) -> None:
        self.form = form
        self.keys = keys

    def lines(self, value: Document, terminal: Terminal) -> Iterator[str]:
        """See Format."""
        return self.form.lines(sort(_documents(value), self.keys), terminal)


_WHOLE: dict[str, Callable[[], Format]] = {
    "default": Yaml,
    "disable": Nothing,
    "flattened": Flattened,
    "json": Json,
    "list": Items,
    "none": Nothing,
    "shell": Shell,
    "text": Flattened,
    "yaml": Yaml,
}
_ON_PATHS: dict[str, Callable[[Sequence[Path], str], Format]] = {
    "csv": lambda paths, options: Csv(paths, _option(options, ","), has_heading="no-heading" not in options),
    "flattened": lambda paths, _: Flattened(paths),
    "get": lambda paths, _: Values(paths),
    "json": lambda paths, _: Json(paths),
    "list": lambda paths, _: Items(paths),
    "table": lambda paths, options: Columns(paths, has_heading="no-heading" not in options),
    "text": lambda paths, _: Flattened(paths),
    "value": lambda paths, options: Values(paths, _option(options, "\t")),
    "yaml": lambda paths, _: Yaml(paths),
}


def parse_format(text: str) -> Format:
    """Return the format that ``--format`` names.

    Raises:
        UsageError: There is no such format.

    """
    match = _PROJECTION.match(text.strip())
    if match is not None and match[3] is None and match[1] in _WHOLE:
        return _WHOLE[match[1]]()
    if match is None or match[1] not in _ON_PATHS or not (match[3] or "").strip():
        raise UsageError(f"--format: {text!r} is not known.", _KNOWN)
    paths = [parse_path(part) for part in split_list(match[3])]
    form = _ON_PATHS[match[1]](paths, match[2] or "")
    keys = sorted((path for path in paths if path.rank), key=lambda path: path.rank)
    return Sorted(form, keys) if keys else form


def _option(options: str, default: str) -> str:
    """Return the separator that stands in brackets behind a format's name."""
    match = _OPTION.search(options)
    return next(filter(None, match.groups()[1:]), default) if match else default
