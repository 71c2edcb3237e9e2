"""Paths into documents: ``template.taskCount``, ``conditions[0].state``, ``name.basename():label=JOB``.

The words are gcloud's (``gcloud topic projections``). A path through a list goes through all its items, so
``containers.image`` and ``containers[].image`` are the images of all containers.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jubako.cli.errors import UsageError
from jubako.cli.terminal import clean
from jubako.cli.transforms import TRANSFORMS, Document, bound

_STEP = re.compile(
    r"""\.?(?:
        (?P<call>[a-z]+)\((?P<args>(?:[^()'"]|'[^']*'|"[^"]*")*)\)
      | (?P<name>[A-Za-z_@$][\w@/-]*)
      | \[(?P<index>(?:-?\d{1,9})?)\]
      | '(?P<single>[^']*)' | "(?P<double>[^"]*)"
    )""",
    re.VERBOSE,
)
_LOOKS = frozenset({"align", "optional", "width", "wrap"})
"""Attributes of columns that change nothing here: tables fit themselves to the terminal."""
Step = str | int | Callable[[Any], Any]


class Path:
    """Where in a document a value stands, and what its column is called."""

    def __init__(
        self, label: str, steps: Sequence[Step], *, rank: int = 0, is_reversed: bool = False
    ) -> None:
        """``rank`` says as which key documents are sorted by it, from 1; 0: not at all."""
        self.label = label
        self.steps = steps
        self.rank = rank
        self.is_reversed = is_reversed

    @classmethod
    def computed(cls, label: str, read: Callable[[Any], Any]) -> "Path":
        """Return a column whose cells a function makes from the document."""
        return cls(label, [read])

    def read(self, document: Document) -> Document:
        """Return the value, or None where the path leads nowhere."""
        for step in self.steps:
            if document is None and not callable(step):
                return None
            document = _take(document, step)
        return document

    def cut(self, document: Document) -> Document:
        """Return the document with what is on the path alone; None where the path leads nowhere."""
        return _cut(document, self.steps)

    def spread(self, document: Document) -> Iterator[Document]:
        """Yield the document once for each item of the lists on the path; the item stands in the list's place."""
        return _spread(document, [step for step in self.steps if isinstance(step, str)])


def _take(value: Document, step: Step) -> Document:
    if callable(step):
        return step(value)
    if isinstance(step, int):
        return value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
    if isinstance(value, list):
        return [_take(item, step) for item in value]
    return value.get(step) if isinstance(value, dict) else None


def _cut(value: Document, steps: Sequence[Step]) -> Document:
    if not steps:
        return value
    step, *others = steps
    if callable(step):
        return _cut(step(value), others)
    if isinstance(step, int):
        return None if (item := _take(value, step)) is None else [_cut(item, others)]
    if isinstance(value, list):
        return [_cut(item, steps) for item in value]
    inner = None if (found := _take(value, step)) is None else _cut(found, others)
    return None if inner is None else {step: inner}


def _spread(value: Document, names: Sequence[str]) -> Iterator[Document]:
    if isinstance(value, list):
        for item in value or [None]:
            yield from _spread(item, names)
    elif names and isinstance(value, dict):
        for item in _spread(value.get(names[0]), names[1:]):
            changed = type(value)(value)
            changed[names[0]] = item
            yield changed
    else:
        yield value


def merged(one: Document, other: Document) -> Document:
    """Return two cuts of one document as one."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            key: merged(one.get(key), other.get(key)) for key in [*one, *(k for k in other if k not in one)]
        }
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [merged(a, b) for a, b in zip(one, other, strict=True)]
    return other if one is None else one


def scalar(value: Document) -> str:
    """Return a value as one word: lists joined by ``;``, maps as ``k=v``, booleans as Python and gcloud write them."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ";".join(scalar(item) for item in value)
    if isinstance(value, dict):
        return ";".join(f"{key}={scalar(item)}" for key, item in value.items())
    return clean(str(value))


def sort(documents: Sequence[Document], paths: Sequence[Path]) -> list[Document]:
    """Return documents by the first path, then the second, and so on.

    Numbers compare as numbers, everything else as text; what has no value comes first. Source: ``gcloud topic flags``.
    """
    found = list(documents)
    for path in reversed(paths):
        ranks = {id(document): _rank(scalar(path.read(document))) for document in found}
        found.sort(key=lambda document: ranks[id(document)], reverse=path.is_reversed)
    return found


def _rank(value: str) -> tuple[int, float, str]:
    if not value:
        return 0, 0.0, ""
    try:
        return 1, float(value), ""
    except ValueError:
        return 2, 0.0, value


def split_list(text: str, at: str = ",") -> list[str]:
    """Return the parts between commas that stand in no quotes or brackets."""
    parts, depth, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "([":
            depth += 1
        elif sign in ")]":
            depth -= 1
        if sign == at and not quote and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def parse_path(text: str, flag: str = "--format") -> Path:
    """Return the path of ``conditions[0].state:label=STATE:sort=1``.

    Raises:
        UsageError: The text is not a path, or names a function or attribute that we do not have.

    """
    expression, *options = split_list(text.strip(), ":")
    steps = list(_steps(expression, flag))
    attributes = _attributes(options, flag)
    names = [step for step in steps if isinstance(step, str)]
    rank = attributes.get("sort", "0")
    return Path(
        attributes.get("label", names[-1].upper() if names else expression.upper()),
        steps,
        rank=int(rank) if rank.isdecimal() else 0,
        is_reversed="reverse" in attributes,
    )


def parse_keys(text: str) -> list[Path]:
    """Return the keys of ``--sort-by=PATH,~PATH``; a tilde turns the order round.

    Raises:
        UsageError: One is not a path.

    """
    keys = []
    for part in filter(None, split_list(text)):
        key = parse_path(part.removeprefix("~"), "--sort-by")
        key.is_reversed = part.startswith("~")
        keys.append(key)
    return keys


def _steps(expression: str, flag: str) -> Iterator[Step]:
    position = 0
    while position < len(expression):
        match = _STEP.match(expression, position)
        if match is None:
            raise UsageError(
                f"{flag}: {expression!r} is not a path.", "A path looks like template.taskCount."
            )
        position = match.end()
        if match["call"]:
            yield _function(match["call"], match["args"], flag)
        elif match["index"] is None:
            yield match["name"] or match["single"] or match["double"] or ""
        elif match["index"]:
            yield int(match["index"])


def _function(name: str, arguments: str, flag: str) -> Callable[[Any], Any]:
    if name not in TRANSFORMS:
        known = ", ".join(f"{one}()" for one in TRANSFORMS)
        raise UsageError(f"{flag}: there is no function {name}().", f"There are: {known}.")
    try:
        return bound(name, split_list(arguments) if arguments.strip() else [])
    except TypeError:
        raise UsageError(f"{flag}: {name}({arguments}) has arguments that {name}() does not take.") from None


def _attributes(options: Sequence[str], flag: str) -> Mapping[str, str]:
    found = {}
    for option in options:
        name, _, value = option.partition("=")
        if name not in {"label", "reverse", "sort", *_LOOKS}:
            raise UsageError(f"{flag}: a path has no attribute {name!r}.", "It has label, sort and reverse.")
        found[name] = value.strip("'\"")
    return found
