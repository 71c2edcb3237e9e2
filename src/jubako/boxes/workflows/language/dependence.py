"""Which steps of a list need which earlier ones, by the variables they read and write.

Rules:
1. A later step needs an earlier one if it reads or writes what that one writes, or writes what that one reads.
2. A step that may jump, return or raise, or that is jumped to, is a wall: it needs all before it, all after need it.
3. What steps do to each other outside of the workflow (files, services) is not seen here.
"""

from collections.abc import Iterable, Mapping

from jubako.boxes.workflows.language import ast
from jubako.boxes.workflows.language.expressions import Name, walk
from jubako.boxes.workflows.language.problems import Findings
from jubako.boxes.workflows.language.steps import StepReader
from jubako.boxes.workflows.language.syntax import Node, read


def read_source(source_text: str) -> ast.Source:
    """Return the tree of a source text; only its form is checked.

    Raises:
        SourceRefused: It is no workflow.

    """
    findings = Findings()
    source = StepReader(findings).source(read(source_text, findings))
    findings.settle()
    return source


def needs(steps: list[ast.Step]) -> Mapping[str, frozenset[str]]:
    """Return for each step of a list, in order, the earlier steps it needs, those they need included."""
    targets = {step.next.value for step in ast.every(steps) if step.next is not None}
    found: dict[str, frozenset[str]] = {}
    for number, step in enumerate(steps):
        direct = [
            earlier.name
            for earlier in steps[:number]
            if _is_wall(step, targets) or _is_wall(earlier, targets) or _clash(earlier, step)
        ]
        found[step.name] = frozenset(direct).union(*(found[name] for name in direct))
    return found


def _is_wall(step: ast.Step, targets: set[str]) -> bool:
    return step.name in targets or any(
        inner.next is not None or isinstance(inner.body, ast.Return | ast.Raise)
        for inner in ast.every([step])
    )


def _clash(earlier: ast.Step, later: ast.Step) -> bool:
    before, after = _writes(earlier), _writes(later)
    return bool(before & _reads(later) or before & after or _reads(earlier) & after)


def _writes(step: ast.Step) -> set[str]:
    found: set[str] = set()
    for inner in ast.every([step]):
        if isinstance(inner.body, ast.Assign):
            found |= {_names(target)[0] for target, _, _ in inner.body.entries}
        elif isinstance(inner.body, ast.Call) and inner.body.result is not None:
            found.add(inner.body.result.value)
    return found


def _reads(step: ast.Step) -> set[str]:
    found: set[str] = set()
    for inner in ast.every([step]):
        for node in ast.own_values(inner.body):
            found |= _in_node(node)
        if isinstance(inner.body, ast.Assign):
            # A chain such as ``m.key`` also reads what it changes.
            found |= {
                name
                for target, _, _ in inner.body.entries
                if not isinstance(target, Name)
                for name in _names(target)
            }
    return found


def _in_node(node: Node) -> set[str]:
    if node.kind == "list":
        return _union(_in_node(item) for item in node.value)
    if node.kind == "map":
        return _union(_in_node(part) for pair in node.value for part in pair)
    return set(_names(node.tree)) if node.tree is not None else set()


def _names(tree: object) -> list[str]:
    return [part.name for part in walk(tree) if isinstance(part, Name)]  # type: ignore[arg-type]


def _union(parts: Iterable[set[str]]) -> set[str]:
    return set().union(*parts)
