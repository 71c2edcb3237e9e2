"""Tree of nodes to tree of steps: shapes, fields, counts and the syntax of every expression.

Each finding is recorded and reading goes on, so that a person sees all of them at once.
"""

import re

from jubako.boxes.workflows.language import ast
from jubako.boxes.workflows.language.expressions import (
    Const,
    Expr,
    ExpressionError,
    Index,
    Member,
    Name,
    is_expression,
    parse,
)
from jubako.boxes.workflows.language.limits import (
    ASSIGNMENTS_MAX,
    BRANCHES_MAX,
    BRANCHES_MIN,
    CONDITIONS_MAX,
    PARAMS_MAX,
)
from jubako.boxes.workflows.language.reading import NAME, Reader
from jubako.boxes.workflows.language.syntax import Node

_STEP_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_\-]{0,127}\Z")
_RESERVED = frozenset({"end", "break", "continue"})

FIELDS: dict[str, frozenset[str]] = {
    "assign": frozenset({"next"}),
    "call": frozenset({"args", "result", "next"}),
    "switch": frozenset({"next"}),
    "steps": frozenset({"next"}),
    "for": frozenset({"next"}),
    "parallel": frozenset({"next"}),
    "try": frozenset({"retry", "except", "next"}),
    "raise": frozenset(),
    "return": frozenset(),
}
"""Which fields may stand beside the one that names the kind of a step."""

RETRY_FIELDS = frozenset({"predicate", "max_retries", "backoff"})
BACKOFF_FIELDS = frozenset({"initial_delay", "max_delay", "multiplier"})
_LOOP_FIELDS = frozenset({"value", "index", "in", "range", "steps"})
_PARALLEL_FIELDS = frozenset({"branches", "for", "shared", "concurrency_limit", "exception_policy"})


class StepReader(Reader):
    """Reads one source; problems go to the findings it was given."""

    def source(self, root: Node) -> ast.Source:
        """Return the routines of a source: a bare list of steps, or a map with ``main``."""
        if root.kind == "list":
            return ast.Source({"main": ast.Routine("main", root, [], self.steps(root, "main"))})
        entries = root.entries()
        if "main" not in entries:
            self.error(root, "there is no main workflow", "give a list of steps, or a map with main")
        keys = {key.value: key for key, _ in root.value} if root.kind == "map" else {}
        return ast.Source({name: self._routine(keys[name], body) for name, body in entries.items()})

    def _routine(self, key: Node, body: Node) -> ast.Routine:
        self.step = ""
        name = key.value
        if not NAME.match(name):
            self.error(key, f"{name!r} is not a name of a workflow", "use letters, digits and underscores")
        fields = self.fields(body, f"workflow {name}", frozenset({"params", "steps"}))
        params = self._params(name, fields.get("params"))
        if "steps" not in fields:
            self.error(body, f"workflow {name} has no steps", "add steps with at least one step")
            return ast.Routine(name, key, params, [])
        return ast.Routine(name, key, params, self.steps(fields["steps"], f"workflow {name}"))

    def _params(self, routine: str, node: Node | None) -> list[ast.Param]:
        if node is None:
            return []
        if node.kind != "list":
            self.lose(node, "params must be a list of names", "write params: [a, b]")
            return []
        params = [param for item in node.value if (param := self._param(item)) is not None]
        names = [param.name for param in params]
        for param in params:
            if names.count(param.name) > 1:
                self.error(param.at, f"duplicate parameter {param.name}", "rename one of them")
        most = 1 if routine == "main" else PARAMS_MAX
        if len(params) > most:
            message = f"workflow {routine} has {len(params)} params, at most {most} allowed"
            self.error(node, message, "take one map that holds them")
        return params

    def _param(self, item: Node) -> ast.Param | None:
        if item.kind == "map" and len(item.value) == 1:
            key, default = item.value[0]
            self.value(default)
        else:
            key, default = item, None
        name = self.variable(key, "parameter")
        return ast.Param(name.value, key, default) if name else None

    def steps(self, node: Node, what: str) -> list[ast.Step]:
        """Return a list of steps; record a problem if it is empty or none."""
        if node.kind != "list":
            self.lose(node, f"steps of {what} must be a list", "write each step as - name: ...")
            return []
        if not node.value:
            self.error(node, f"steps of {what} are empty", "add at least one step")
        steps = [step for item in node.value if (step := self._named(item)) is not None]
        seen: set[str] = set()
        for step in steps:
            if step.name in seen:
                self.findings.error(
                    step.at, step.name, f"duplicate step name {step.name}", "rename one of them"
                )
            seen.add(step.name)
        return steps

    def _named(self, item: Node) -> ast.Step | None:
        if item.kind != "map" or len(item.value) != 1:
            fix = "write - name: and indent the fields of the step below it"
            self.lose(item, "a step must be a map with one key, its name", fix)
            return None
        key, fields = item.value[0]
        outer, self.step = self.step, key.value
        if not _STEP_NAME.match(key.value) or key.value in _RESERVED:
            self.error(
                key,
                f"{key.value!r} cannot be the name of a step"[:200],
                "use letters, digits and underscores",
            )
        step = self.body(key, fields, frozenset())
        self.step = outer
        return step

    def body(self, at: Node, node: Node, extra: frozenset[str]) -> ast.Step:
        """Return the step that a map of fields describes; ``extra`` names fields the caller reads itself."""
        step = ast.Step(at.value if at.is_text() else self.step, at)
        if node.kind != "map":
            self.lose(node, "a step must have fields", f"give one of {', '.join(FIELDS)}")
            return step
        entries = node.entries()
        kinds = [kind for kind in FIELDS if kind in entries]
        if len(kinds) > 1:
            fix = "split it into several steps"
            self.lose(node, f"a step cannot have both {kinds[0]} and {kinds[1]}", fix)
        kind = kinds[0] if kinds else ""
        allowed = {kind} | FIELDS[kind] if kind else {"next"}
        fields = self.fields(node, f"a {kind} step" if kind else "a step", {*allowed, *extra, *kinds})
        if not kind and "next" not in fields:
            self.error(at, "the step does nothing", f"give one of {', '.join(FIELDS)} or next")
        step.next = self._next(fields.get("next"))
        step.body = getattr(self, f"_read_{kind}")(at, fields) if kind else None
        return step

    def _next(self, node: Node | None) -> Node | None:
        if node is None or node.is_text():
            return node
        self.error(node, "next must be the name of a step", "or end, break, continue")
        return None

    # One method per kind of step, found by name.

    def _read_assign(self, _at: Node, fields: dict[str, Node]) -> ast.Body:
        node = fields["assign"]
        if node.kind != "list" or not node.value:
            self.lose(node, "assign must be a list of assignments", "write - variable: value")
            return None
        if len(node.value) > ASSIGNMENTS_MAX:
            fix = "split it into several steps"
            self.error(
                node, f"{len(node.value)} assignments in one step, at most {ASSIGNMENTS_MAX} allowed", fix
            )
        entries = [entry for item in node.value if (entry := self._assignment(item)) is not None]
        return ast.Assign(entries)

    def _assignment(self, item: Node) -> tuple[Expr, Node, Node] | None:
        if item.kind != "map" or len(item.value) != 1:
            self.lose(item, "an assignment must be a map with one key", "write - variable: value")
            return None
        key, value = item.value[0]
        self.value(value)
        target = self._target(key)
        return (target, key, value) if target is not None else None

    def _target(self, key: Node) -> Expr | None:
        fix = 'assign to a variable, map.key, map["key"] or list[index]'
        try:
            target = parse(key.value)
        except ExpressionError as bad:
            self.lose(key, f"bad assignment target: {bad.message}", fix)
            return None
        start = target
        while isinstance(start, Member | Index):
            start = start.item
        if isinstance(start, Name):
            return target
        self.lose(key, f"cannot assign to {key.value!r}"[:200], fix)
        return None

    def _read_call(self, _at: Node, fields: dict[str, Node]) -> ast.Body:
        function = fields["call"]
        if not function.is_text() or is_expression(function.value):
            self.lose(function, "call must name a function", "an expression cannot choose the function")
            return None
        args = fields.get("args")
        if args is not None and args.kind != "map":
            self.error(args, "args must be a map of argument names to values", "write name: value")
            args = None
        named = args.entries() if args is not None else {}
        for value in named.values():
            self.value(value)
        result = self.variable(fields["result"], "result") if "result" in fields else None
        return ast.Call(function.value.strip(), function, named, result)

    def _read_switch(self, at: Node, fields: dict[str, Node]) -> ast.Body:
        node = fields["switch"]
        if node.kind != "list" or not node.value:
            self.lose(node, "switch must be a list of conditions", "write - condition: ${...}")
            return None
        if len(node.value) > CONDITIONS_MAX:
            message = f"{len(node.value)} conditions in one switch, at most {CONDITIONS_MAX} allowed"
            self.error(node, message, "split it into several steps")
        cases = [case for item in node.value if (case := self._case(at, item)) is not None]
        return ast.Switch(cases)

    def _case(self, at: Node, item: Node) -> ast.Case | None:
        condition = item.entries().get("condition")
        if condition is None:
            self.lose(item, "a switch entry needs a condition", "write - condition: ${...}")
            return None
        self.value(condition)
        literal = condition.kind != "scalar" or (condition.tree is None and type(condition.value) is not bool)
        if literal or (isinstance(condition.tree, Const) and type(condition.tree.value) is not bool):
            self.error(condition, "a condition must be a boolean or an expression", "write ${...}")
        if len(item.value) == 1:
            self.error(item, "a switch entry does nothing", "add next, or the fields of a step")
            return None
        step = self.body(item, item, frozenset({"condition"}))
        return ast.Case(condition, ast.Step(self.step, at, step.body, step.next))

    def _read_steps(self, _at: Node, fields: dict[str, Node]) -> ast.Body:
        return ast.Block(self.steps(fields["steps"], f"step {self.step}"))

    def _read_for(self, at: Node, fields: dict[str, Node]) -> ast.Body:
        return self._loop(at, fields["for"])

    def _loop(self, at: Node, node: Node) -> ast.For | None:
        fields = self.fields(node, "for", _LOOP_FIELDS)
        missing = [name for name in ("value", "steps") if name not in fields]
        if missing or not fields:
            self.lose(
                node, f"for needs {' and '.join(missing)}", "write for: with value, in or range, and steps"
            )
            return None
        if ("in" in fields) == ("range" in fields):
            self.lose(node, "for needs exactly one of in and range", "in goes through a list, range counts")
            return None
        value = self.variable(fields["value"], "value")
        index = self.variable(fields["index"], "index") if "index" in fields else None
        for name in ("in", "range"):
            if name in fields:
                self._iterable(name, fields[name])
        steps = self.steps(fields["steps"], "for")
        if value is None:
            return None
        return ast.For(at, value, index, fields.get("in"), fields.get("range"), steps)

    def _iterable(self, name: str, node: Node) -> None:
        self.value(node)
        is_list = node.kind == "list" and (name == "in" or len(node.value) == 2)
        if not is_list and node.tree is None:
            shape = "a list or an expression" if name == "in" else "[begin, end] or an expression"
            self.error(node, f"{name} must be {shape}", "to go through a map, use ${keys(map)}")

    def _read_parallel(self, at: Node, fields: dict[str, Node]) -> ast.Body:
        node = fields["parallel"]
        inner = self.fields(node, "parallel", _PARALLEL_FIELDS)
        if ("branches" in inner) == ("for" in inner):
            self.lose(node, "parallel needs exactly one of branches and for", "split it into two steps")
            return None
        limit = inner.get("concurrency_limit")
        if limit is not None:
            self._limit(limit)
        policy = inner.get("exception_policy")
        if policy is not None and policy.value != "continueAll":
            self.error(policy, "exception_policy must be continueAll", "it is the only policy there is")
        shared = self._shared(inner.get("shared"))
        if "for" in inner:
            loop = self._loop(at, inner["for"])
            return ast.Parallel([], loop, shared, limit) if loop else None
        return ast.Parallel(self._branches(inner["branches"]), None, shared, limit)

    def _limit(self, node: Node) -> None:
        self.value(node)
        if node.tree is None and (type(node.value) is not int or node.value < 1):
            self.error(node, "concurrency_limit must be a positive integer or an expression", "write 1 to 20")

    def _shared(self, node: Node | None) -> list[Node]:
        if node is None:
            return []
        if node.kind != "list":
            self.lose(node, "shared must be a list of variables", "write shared: [a, b]")
            return []
        return [name for item in node.value if (name := self.variable(item, "shared")) is not None]

    def _branches(self, node: Node) -> list[ast.Branch]:
        if node.kind != "list":
            self.lose(node, "branches must be a list", "write each branch as - name: with steps")
            return []
        if not BRANCHES_MIN <= len(node.value) <= BRANCHES_MAX:
            fix = f"give {BRANCHES_MIN} to {BRANCHES_MAX}"
            self.error(node, f"{len(node.value)} branches in a parallel step", fix)
        branches = [branch for item in node.value if (branch := self._branch(item)) is not None]
        seen: set[str] = set()
        for branch in branches:
            if branch.name in seen:
                self.error(branch.at, f"duplicate branch name {branch.name}", "rename one of them")
            seen.add(branch.name)
        return branches

    def _branch(self, item: Node) -> ast.Branch | None:
        step = self._named(item)
        if step is None:
            return None
        if isinstance(step.body, ast.Block) and step.next is None:
            return ast.Branch(step.name, step.at, step.body.steps)
        return ast.Branch(step.name, step.at, [step])

    def _read_try(self, at: Node, fields: dict[str, Node]) -> ast.Body:
        if "retry" not in fields and "except" not in fields:
            self.error(at, "try needs retry or except", "add except: with as and steps, or leave out try")
        if "retry" in fields:
            self._retry(fields["retry"])
        body = self.body(at, fields["try"], frozenset())
        error, handler = self._except(fields.get("except"))
        return ast.Try(body, fields.get("retry"), error, handler)

    def _retry(self, node: Node) -> None:
        self.value(node)
        if node.kind == "map":
            rules = self.fields(node, "retry", RETRY_FIELDS)
            if "backoff" in rules and rules["backoff"].kind == "map":
                self.fields(rules["backoff"], "backoff", BACKOFF_FIELDS)
        elif node.tree is None:
            fix = "write ${http.default_retry}, or a map of predicate, max_retries and backoff"
            self.error(node, "retry must be a policy", fix)

    def _except(self, node: Node | None) -> tuple[Node | None, list[ast.Step] | None]:
        if node is None:
            return None, None
        fields = self.fields(node, "except", frozenset({"as", "steps"}))
        error = self.variable(fields["as"], "as") if "as" in fields else None
        if "steps" not in fields:
            self.error(node, "except needs steps", "add steps with at least one step")
            return error, []
        return error, self.steps(fields["steps"], "except")

    def _read_raise(self, _at: Node, fields: dict[str, Node]) -> ast.Body:
        self.value(fields["raise"])
        node = fields["raise"]
        if node.kind == "list" or (node.kind == "scalar" and node.tree is None and not node.is_text()):
            self.error(node, "only a string or a map can be raised", "write a text or a map, or pass on ${e}")
        return ast.Raise(fields["raise"])

    def _read_return(self, _at: Node, fields: dict[str, Node]) -> ast.Body:
        self.value(fields["return"])
        return ast.Return(fields["return"])
