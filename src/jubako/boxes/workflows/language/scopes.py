"""Which variable a name means: worked out before anything runs.

Rules:
1. A routine, a `for` body, a branch and an iteration of a parallel `for` each open a scope; `steps`, `switch`, `try`
   and `except` do not.
2. A write goes to the variable visible at that place of the text; if there is none, it makes one in the own scope.
3. A branch may read what is outside; it may write there only what every `parallel` in between names in `shared`.
4. A read may mean any variable that its scope or an outer one ever gets, wherever in the text, as jumps go backwards.

Source: cloud.google.com/workflows/docs/reference/syntax/variables, "Variable scope", and .../parallel-steps.
"""

from dataclasses import dataclass, field

from jubako.boxes.workflows.language import ast
from jubako.boxes.workflows.language.expressions import Name
from jubako.boxes.workflows.language.problems import Findings
from jubako.boxes.workflows.language.syntax import Node


@dataclass(slots=True, eq=False)
class Scope:
    """The variables of one place.

    Attributes:
        parent: The scope around it, None for a routine's.
        is_frame: Whether variables live in a frame of their own (routine, branch, iteration), not in the parent's.
        keys: Variables by name; the value is the key under which the frame stores it.
        shared: Outer variables that may be written, for a branch or an iteration.
        loop_names: Names of loop variables, which an inner loop may not take again.

    """

    parent: "Scope | None" = None
    is_frame: bool = True
    keys: dict[str, str] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()
    loop_names: set[str] = field(default_factory=set)

    def resolve(self, name: str) -> tuple[int, str] | None:
        """Return how many frames out a variable is and its key there, or None if there is no such variable."""
        scope: Scope | None = self
        depth = 0
        while scope is not None:
            if name in scope.keys:
                return depth, scope.keys[name]
            depth += scope.is_frame
            scope = scope.parent
        return None

    def writable(self, name: str) -> bool:
        """Return whether a visible variable may be written from here."""
        scope: Scope | None = self
        while scope is not None and name not in scope.keys:
            if scope.is_frame and scope.parent is not None and name not in scope.shared:
                return False
            scope = scope.parent
        return True

    def declare(self, name: str) -> None:
        """Make a variable here; it hides one of that name further out."""
        # A loop's variables get keys of their own, so that its end cannot take one of the frame with it.
        if name not in self.keys:
            self.keys[name] = name if self.is_frame else f"{name}@{self._level()}"

    def _level(self) -> int:
        level = 0
        scope = self
        while not scope.is_frame:
            assert scope.parent is not None
            scope = scope.parent
            level += 1
        return level

    def is_loop_name(self, name: str) -> bool:
        """Return whether an enclosing loop has this variable."""
        return name in self.loop_names or (self.parent is not None and self.parent.is_loop_name(name))

    def names(self) -> set[str]:
        """Return every name visible here."""
        return set(self.keys) | (self.parent.names() if self.parent else set())


class Declarer:
    """Walks the text once, in order, and makes every scope."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings

    def routine(self, routine: ast.Routine) -> None:
        """Make the scopes of a routine."""
        scope = Scope()
        for param in routine.params:
            scope.declare(param.name)
        routine.scope = scope
        self.steps(routine.steps, scope)

    def steps(self, steps: list[ast.Step], scope: Scope) -> None:
        """Make the scopes of a list of steps that runs in ``scope``."""
        for step in steps:
            self._step(step, scope)

    def _step(self, step: ast.Step, scope: Scope) -> None:
        body = step.body
        self._writes(step, scope)
        if isinstance(body, ast.For):
            self._loop(step, body, scope, frozenset(), is_frame=False)
        elif isinstance(body, ast.Parallel):
            self._parallel(step, body, scope)
        for steps, inner in ast.nested(body):
            self.steps(steps, inner or scope)

    def _writes(self, step: ast.Step, scope: Scope) -> None:
        match step.body:
            case ast.Assign(entries=entries):
                for target, at, _ in entries:
                    if isinstance(target, Name):
                        self._write(step, at, target.name, scope)
            case ast.Call(result=result) if result is not None:
                self._write(step, result, result.value, scope)
            case ast.Try(error=error) if error is not None:
                scope.declare(error.value)

    def _write(self, step: ast.Step, at: Node, name: str, scope: Scope) -> None:
        if scope.resolve(name) is None:
            scope.declare(name)
        elif not scope.writable(name):
            fix = f"add {name} to shared of the parallel step, or use another name"
            self.findings.error(
                at, step.name, f"variable {name} is not shared and cannot be written in a branch", fix
            )

    def _loop(
        self, step: ast.Step, loop: ast.For, scope: Scope, shared: frozenset[str], *, is_frame: bool
    ) -> None:
        inner = Scope(scope, is_frame, shared=shared)
        for node in (loop.value, loop.index):
            if node is None:
                continue
            if scope.is_loop_name(node.value) or node.value in inner.loop_names:
                message = f"loop variable {node.value} is already a variable of an enclosing loop"
                self.findings.error(node, step.name, message, "use another name")
            inner.loop_names.add(node.value)
            inner.declare(node.value)
        loop.scope = inner

    def _parallel(self, step: ast.Step, body: ast.Parallel, scope: Scope) -> None:
        for node in body.shared:
            if scope.resolve(node.value) is None:
                message = f"shared variable {node.value} has no value before the parallel step"
                self.findings.warn(node, step.name, message, f"assign {node.value}: null in a step before it")
                scope.declare(node.value)
            elif not scope.writable(node.value):
                fix = "add it to shared of the outer parallel step too"
                self.findings.error(node, step.name, f"variable {node.value} is not writable here", fix)
        shared = frozenset(node.value for node in body.shared)
        for branch in body.branches:
            branch.scope = Scope(scope, shared=shared)
        if body.loop is not None:
            self._loop(step, body.loop, scope, shared, is_frame=True)
