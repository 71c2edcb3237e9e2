"""What the reader of a source does at every place: records problems, reads names, maps of fields, and values."""

import re
from collections.abc import Iterable

from jubako.boxes.workflows.language.expressions import Const, ExpressionError, is_expression, parse_scalar
from jubako.boxes.workflows.language.problems import Findings
from jubako.boxes.workflows.language.syntax import Node

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def _looks_like_expression(text: str) -> bool:
    """Return whether a text holds ``${NAME`` although it is no expression."""
    return re.search(r"\$\{\s*[A-Za-z_0-9\"(]", text) is not None


class Reader:
    """Reads parts of one source; problems go to the findings it was given.

    Attributes:
        is_whole: Whether the tree holds all that the text says. A part that could not be read may have been the one
            that gives a variable or a step its name.

    """

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.step = ""
        self.is_whole = True

    def error(self, at: Node, message: str, fix: str) -> None:
        """Record a problem in the step being read."""
        self.findings.error(at, self.step, message, fix)

    def lose(self, at: Node, message: str, fix: str) -> None:
        """Record a problem because of which a part of the text is left out of the tree."""
        self.is_whole = False
        self.error(at, message, fix)

    def variable(self, node: Node, what: str) -> Node | None:
        """Return the node if it is the name of a variable; record a problem otherwise."""
        if node.is_text() and NAME.match(node.value):
            return node
        shown = node.value if node.kind == "scalar" else f"a {node.kind}"
        self.lose(node, f"{what} must be a name; got {shown!r}"[:200], "use letters, digits and underscores")
        return None

    def fields(self, node: Node, what: str, allowed: Iterable[str]) -> dict[str, Node]:
        """Return the fields of a map that are allowed; record a problem for each other one."""
        if node.kind != "map":
            self.lose(node, f"{what} must be a map", f"known fields: {', '.join(sorted(allowed))}")
            return {}
        for key, _ in node.value:
            if key.value not in allowed:
                fix = f"known fields here: {', '.join(sorted(allowed))}"
                self.lose(key, f"unknown field {key.value!r} in {what}"[:200], fix)
        return {key: item for key, item in node.entries().items() if key in allowed}

    def value(self, node: Node) -> None:
        """Parse every expression in a value, in place."""
        if node.kind == "list":
            for item in node.value:
                self.value(item)
        elif node.kind == "map":
            for key, item in node.value:
                self.value(key)
                self.value(item)
        elif node.tree is None and is_expression(node.value):
            try:
                node.tree = parse_scalar(node.value)
            except ExpressionError as bad:
                self.error(
                    node.expression_at(bad.offset),
                    f"bad expression: {bad.message}: {node.value.strip()[:120]}",
                    bad.fix,
                )
                node.tree = Const(None, 0)
        elif node.tree is None and node.is_text() and _looks_like_expression(node.value):
            self.findings.warn(
                node,
                self.step,
                f"this is text, not an expression: {node.value.strip()[:120]}",
                'an expression is the whole value: ${"text " + name}',
            )
