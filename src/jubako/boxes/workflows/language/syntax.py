"""Source text (YAML or JSON) to a tree of nodes with positions.

Rules:
1. Bounds come first: bytes before parsing, depth while parsing, expanded size before any alias is followed.
2. Only the scalars of YAML 1.2's core schema get a type; `yes`, `010`, `12:30:45` and dates stay text.
3. Keys are unique within a map. Explicit tags are refused.
4. The text is parsed as it stands; only if YAML refuses it are lone flow expressions quoted (see `tolerance`).
"""

import math
import re
from dataclasses import dataclass
from typing import Any

import yaml

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.limits import (
    INTEGER_MAX,
    INTEGER_MIN,
    SOURCE_BYTES_MAX,
    SOURCE_DEPTH_MAX,
    SOURCE_NODES_MAX,
)
from jubako.boxes.workflows.language.problems import Findings
from jubako.boxes.workflows.language.tolerance import quote_flow_expressions

_Loader: Any = getattr(yaml, "CLoader", yaml.Loader)

_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_TOO_DEEP = f"nested deeper than {SOURCE_DEPTH_MAX} levels"
_INTEGER = re.compile(r"[-+]?[0-9]{1,40}\Z")
_BASED = re.compile(r"0o[0-7]{1,30}\Z|0x[0-9a-fA-F]{1,30}\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")


@dataclass(slots=True, eq=False)
class Node:
    """One value of the source text.

    Attributes:
        kind: "scalar", "list" or "map".
        value: The scalar; a list of nodes; or a list of (key node, value node).
        line: 1-based line of its start.
        column: 1-based column of its start.
        length: Length of a scalar in characters, 1 otherwise.
        weight: Nodes it expands to when every alias is followed.
        inset: How many characters of the source stand between its start and its text: 1 for a quote.
        tree: The parsed expression of a scalar that is one; filled by `steps`.

    """

    kind: str
    value: Any
    line: int
    column: int
    length: int = 1
    weight: int = 1
    inset: int = 0
    tree: Any = None

    def is_text(self) -> bool:
        """Return whether this is a string scalar."""
        return self.kind == "scalar" and type(self.value) is str

    def expression_at(self, offset: int) -> "Node":
        """Return the place of a character of the expression that this scalar is; 0 is what follows ``${``."""
        spaces = len(self.value) - len(self.value.lstrip())
        return Node("scalar", None, self.line, self.column + self.inset + spaces + len("${") + offset)

    def entries(self) -> dict[str, "Node"]:
        """Return a map node's entries by key; empty for other kinds."""
        return {key.value: item for key, item in self.value} if self.kind == "map" else {}


def read(text: str, findings: Findings) -> Node:
    """Return the tree of a source text.

    Raises:
        SourceRefused: The text is too large, not YAML, or breaks a bound; problems are in ``findings`` too.

    """
    start = Node("scalar", None, 1, 1)
    if len(text) > SOURCE_BYTES_MAX or len(text.encode("utf-8", "surrogatepass")) > SOURCE_BYTES_MAX:
        findings.error(
            start, "", f"source is larger than {SOURCE_BYTES_MAX} bytes", "split it into workflows"
        )
        findings.settle()
    try:
        root = _Composer(text, findings).compose()
    except yaml.YAMLError as refused:
        root = _mended(text, refused, findings)
    if root is None and not findings.errors:
        findings.error(start, "", "source is empty", "give a list of steps, or a map with main")
    findings.settle()
    assert root is not None
    return root


def _mended(text: str, refused: yaml.YAMLError, findings: Findings) -> Node | None:
    mended, mends = quote_flow_expressions(text)
    if not mends:
        _refuse(refused, findings)
        return None
    try:
        root = _Composer(mended, findings).compose()
    except yaml.YAMLError as again:
        _refuse(again, findings)
        return None
    for mend in mends:
        findings.warn(
            mend,
            "",
            f"{mend.expression} stands unquoted inside a flow map or list, which is not valid YAML",
            f"read as '{mend.expression}'; quote it, because the real service refuses it",
        )
    return root


_QUOTE = "quote values that contain : { } [ ] , or #"


def _refuse(refused: yaml.YAMLError, findings: Findings) -> None:
    mark = getattr(refused, "problem_mark", None)
    at = Node("scalar", None, mark.line + 1, mark.column + 1) if mark else Node("scalar", None, 1, 1)
    what = getattr(refused, "problem", None) or getattr(refused, "reason", None) or "unreadable character"
    if "nesting depth" in what:
        # The parser reads ahead, so its own bound of 1,000 can fall before our first event.
        findings.error(at, "", _TOO_DEEP, "use subworkflows")
        return
    fix = "indent with spaces, not with tabs" if "start any token" in what else _QUOTE
    findings.error(at, "", f"not valid YAML: {what}", fix)


class _Composer:
    """Builds the tree from the parser's events, without recursion, refusing what breaks a bound."""

    def __init__(self, text: str, findings: Findings) -> None:
        self.text = text
        self.findings = findings
        self.open: list[Node] = []
        self.open_anchors: list[str | None] = []
        self.open_keys: list[set[str]] = []
        self.anchors: dict[str | None, Node] = {}
        self.root: Node | None = None

    def compose(self) -> Node | None:
        for event in yaml.parse(self.text, Loader=_Loader):
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._begin(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
                self._fail(event, "source holds more than one YAML document", "remove the --- line")
        return self.root

    def _fail(self, event: Data, message: str, fix: str) -> None:
        mark = event.start_mark
        self.findings.error(Node("scalar", None, mark.line + 1, mark.column + 1), "", message, fix)
        self.findings.settle()

    def _scalar(self, event: Data) -> None:
        mark = event.start_mark
        value = self._typed(event) if event.implicit[0] else event.value
        length = max(1, event.end_mark.index - mark.index)
        node = Node("scalar", value, mark.line + 1, mark.column + 1, length)
        node.inset = int(event.style in ("'", '"'))
        if event.tag is not None and event.tag not in ("tag:yaml.org,2002:str", "!"):
            self._fail(event, f"tag {event.tag} is not allowed", "remove it")
        self._anchor(event.anchor, node)
        self._place(node)

    def _typed(self, event: Data) -> Data:
        value = scalar(event.value)
        if type(value) is int and not INTEGER_MIN <= value <= INTEGER_MAX:
            self._fail(event, f"{event.value} does not fit into 64 bits", "quote it to keep it as text")
        if type(value) is float and not math.isfinite(value):
            self._fail(event, f"{event.value[:40]} is not a finite number", "quote it to keep it as text")
        return value

    def _begin(self, event: Data) -> None:
        mark = event.start_mark
        if len(self.open) >= SOURCE_DEPTH_MAX:
            self._fail(event, _TOO_DEEP, "use subworkflows")
        if event.tag is not None:
            self._fail(event, f"tag {event.tag} is not allowed", "remove it")
        is_map = isinstance(event, yaml.MappingStartEvent)
        node = Node("map" if is_map else "list", [], mark.line + 1, mark.column + 1)
        if is_map and self._is_key():
            self._fail(event, "a map cannot be a key", "quote it if it is an expression: '${...}'")
        # The anchor counts only once the collection is complete: an alias inside itself finds nothing.
        self.anchors.pop(event.anchor, None)
        self.open.append(node)
        self.open_anchors.append(event.anchor)
        self.open_keys.append(set())

    def _end(self) -> None:
        node = self.open.pop()
        self.open_keys.pop()
        self._anchor(self.open_anchors.pop(), node)
        self._place(node)

    def _is_key(self) -> bool:
        return bool(self.open) and self.open[-1].kind == "map" and not self._has_key()

    def _has_key(self) -> bool:
        pairs = self.open[-1].value
        return bool(pairs) and pairs[-1][1] is None

    def _anchor(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self.anchors[anchor] = node

    def _alias(self, event: Data) -> None:
        node = self.anchors.get(event.anchor)
        if node is None:
            self._fail(
                event, f"alias *{event.anchor} names nothing complete before it", "write the value out"
            )
            return
        self._place(node)

    def _place(self, node: Node) -> None:
        if not self.open:
            self.root = node
            return
        holder = self.open[-1]
        holder.weight += node.weight
        if holder.weight > SOURCE_NODES_MAX:
            message = f"aliases expand to more than {SOURCE_NODES_MAX} values"
            self.findings.error(holder, "", message, "write the values out, or read them at run time")
            self.findings.settle()
        if holder.kind == "list":
            holder.value.append(node)
        elif self._has_key():
            holder.value[-1] = (holder.value[-1][0], node)
        else:
            self._key(holder, node)

    def _key(self, holder: Node, node: Node) -> None:
        if not node.is_text():
            fix = "quote it" if node.kind == "scalar" else "quote it if it is an expression: '${...}'"
            self.findings.error(node, "", f"map key {node.value!r} is not a string"[:200], fix)
            self.findings.settle()
        seen = self.open_keys[-1]
        if node.value in seen:
            self.findings.error(node, "", f"duplicate key {node.value}"[:200], "rename or remove one of them")
        seen.add(node.value)
        holder.value.append((node, None))


def scalar(text: str) -> Data:
    """Return the value of a plain scalar by YAML 1.2's core schema (section 10.3.2 of the YAML specification)."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return int(text, 0) if _BASED.match(text) else text
