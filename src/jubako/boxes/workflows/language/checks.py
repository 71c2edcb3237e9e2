"""Deploy-time refusals: what can be seen to be wrong without running the workflow.

Source: cloud.google.com/workflows/docs/troubleshooting ("failed to build: error in step ...") and the comments in
GoogleCloudPlatform/workflows-samples. Each finding says where, what, and how to mend it.
"""

import difflib
from collections.abc import Iterable

from jubako.boxes.workflows.language import ast
from jubako.boxes.workflows.language.expressions import (
    Expr,
    Index,
    Invocation,
    Member,
    Name,
    children,
    dotted,
)
from jubako.boxes.workflows.language.library import CONSTANTS, FUNCTIONS, Kind
from jubako.boxes.workflows.language.problems import Findings
from jubako.boxes.workflows.language.scopes import Scope
from jubako.boxes.workflows.language.syntax import Node

CONNECTOR = "googleapis."
_CONNECTOR_PARTS_MIN = 4
_SHOWN = 10
_ELSEWHERE = {
    "cloudscheduler": "start the workflow from cron or a timer with jubako workflows execute",
    "cloudtasks": "call the target with http.request",
    "eventarc": "start the workflow with jubako workflows execute, or with workflowexecutions",
    "pubsub": "call the receiver with http.post, or workflows.triggerPubsubExecution of workflowexecutions",
    "secretmanager": "a secret is given to a task or a service as a variable (--set-secrets), never to a workflow",
    "storage": "read and write objects in a task",
}
"""Services that people expect, and that are not played here: what to do instead."""


class Known:
    """Which connectors may be called: those of ``names`` (None: all), and any of services that these do not have."""

    def __init__(self, names: frozenset[str] | None, *, admits_foreign: bool = False) -> None:
        self._names = names
        self._services = {_service(name) for name in names or ()}
        self._admits_foreign = admits_foreign

    def __contains__(self, name: str) -> bool:
        if self._names is None or name in self._names:
            return True
        return self._admits_foreign and _service(name) not in self._services

    def instead(self, name: str) -> str:
        """Return how to mend an unknown one: the method that was meant; else those there are, of this API or of all."""
        known = sorted(self._names or ())
        api = ".".join(name.split(".")[:3]) + "."
        own = [other for other in known if other.startswith(api)]
        there = f"there are {' '.join(grouped(own or known))}"
        service = _service(name)
        if own or not service:
            return _similar(name, own) or there
        aside = f"{_ELSEWHERE[service]}; " if service in _ELSEWHERE else ""
        return f"{service} is not played here: {aside}jubako up --google-credentials lets it go to Google; {there}"


class Checker:
    """Checks one source whose scopes have been made.

    Of a source that is not whole, unknown variables and steps are not told: what makes them may stand in the part that
    could not be read.
    """

    def __init__(self, source: ast.Source, findings: Findings, connectors: Known, *, is_whole: bool) -> None:
        self.source = source
        self.is_whole = is_whole
        self.findings = findings
        self.connectors = connectors
        self.step = ""
        self.steps: list[ast.Step] = []
        self.all_steps: set[str] = set()

    def check(self) -> None:
        """Record every problem of every routine."""
        for name, routine in self.source.routines.items():
            assert routine.scope is not None
            self.step = ""
            if name in FUNCTIONS:
                self._error(routine.at, f"{name} is the name of a library function", "rename the subworkflow")
            for param in routine.params:
                if param.default is not None:
                    self._value(param.default, Scope())
            self.steps = routine.steps
            self.all_steps = {step.name for step in ast.every(routine.steps)}
            self._steps(routine.steps, routine.scope, frozenset(), in_loop=False)

    def _error(self, at: Node, message: str, fix: str) -> None:
        self.findings.error(at, self.step, message, fix)

    def _steps(self, steps: list[ast.Step], scope: Scope, outer: frozenset[str], *, in_loop: bool) -> None:
        reachable = outer | {step.name for step in steps}
        for step in steps:
            self.step = step.name
            self._step(step, scope, reachable, in_loop=in_loop)

    def _step(self, step: ast.Step, scope: Scope, reachable: frozenset[str], *, in_loop: bool) -> None:
        body = step.body
        if step.next is not None:
            self._next(step.next, reachable, scope, in_loop=in_loop)
        for node in ast.own_values(body):
            self._value(node, scope)
        self._body(step, scope)
        apart = isinstance(body, ast.Parallel)
        if isinstance(body, ast.For) or (isinstance(body, ast.Parallel) and body.loop is not None):
            in_loop = True
        elif apart:
            in_loop = False
        for steps, inner in ast.nested(body):
            self._steps(steps, inner or scope, frozenset() if apart else reachable, in_loop=in_loop)
            self.step = step.name

    def _body(self, step: ast.Step, scope: Scope) -> None:
        match step.body:
            case ast.Assign(entries=entries):
                for target, at, _ in entries:
                    self._target(target, at, scope)
            case ast.Call() as call:
                self._call(call)
            case ast.Return() if _in_branch(scope):
                self._error(
                    step.at, "return is not allowed inside a parallel branch", "write to a shared variable"
                )

    def _next(self, node: Node, reachable: frozenset[str], scope: Scope, *, in_loop: bool) -> None:
        target = node.value
        if target in ("break", "continue"):
            if not in_loop:
                fix = "name the step to go on with, or end"
                self._error(node, f"next: {target} is only allowed inside a for loop", fix)
            elif target == "break" and scope.is_frame and scope.loop_names:
                self._error(node, "a parallel for cannot be left with break", "use continue, or a plain for")
        elif target == "end":
            if _in_branch(scope):
                self._error(
                    node, "next: end is not allowed inside a parallel branch", "use continue or a switch"
                )
        elif target not in reachable:
            self._unreachable(node, target, reachable)

    def _unreachable(self, node: Node, target: str, reachable: frozenset[str]) -> None:
        if target in self.all_steps:
            fix = "next reaches steps beside it and steps of enclosing blocks, not out of a parallel branch"
            self._error(node, f"step {target} cannot be reached from here", fix)
        elif self.is_whole:
            fix = _similar(target, reachable) or f"steps that can be reached: {_some(reachable)}"
            self._error(node, f"next names an unknown step {target}", fix)

    def _target(self, target: Expr, at: Node, scope: Scope) -> None:
        if isinstance(target, Name):
            return
        assert isinstance(target, Member | Index)
        if isinstance(target, Index):
            self._expression(target.key, at, scope)
        start: Expr = target.item
        while isinstance(start, Member | Index):
            if isinstance(start, Index):
                self._expression(start.key, at, scope)
            start = start.item
        assert isinstance(start, Name)
        if scope.resolve(start.name) is None:
            if self.is_whole:
                fix = _similar(start.name, scope.names()) or f"assign {start.name}: {{}} before"
                self._error(at, f"variable {start.name} is not defined", fix)
        elif not scope.writable(start.name):
            fix = f"add {start.name} to shared of the parallel step"
            self._error(at, f"variable {start.name} is not shared and cannot be written in a branch", fix)

    def _call(self, body: ast.Call) -> None:
        name = body.function
        if name in self.source.routines or name in FUNCTIONS:
            is_fit = self._fit(body.at, name, 0, body.args)
            if is_fit and name == "sys.log" and len({"data", "text", "json"} & body.args.keys()) != 1:
                fix = "give text for a line, json for a map"
                self._error(body.at, "sys.log needs exactly one of data, text and json", fix)
        elif name.startswith(CONNECTOR):
            if len(name.split(".")) < _CONNECTOR_PARTS_MIN:
                fix = "write googleapis.<service>.<version>.<collection>.<method>"
                self._error(body.at, f"{name} does not name a method of a connector", fix)
            elif name not in self.connectors:
                self._error(body.at, f"unknown connector {name}"[:200], self.connectors.instead(name))
        else:
            self._unknown(body.at, name)

    def _fit(self, at: Node, name: str, positional: int, named: Iterable[str]) -> bool:
        """Return whether a call of a routine or a library function has the arguments it takes."""
        routine = self.source.routines.get(name)
        takes = [param.name for param in routine.params] if routine else list(FUNCTIONS[name].parameters)
        misfit = _misfit(routine, positional, named) if routine else FUNCTIONS[name].misfit(positional, named)
        if misfit:
            fix = f"it takes {', '.join(takes)}" if takes else "it takes none"
            self._error(at, misfit, "call a subworkflow" if name == "main" else fix)
        return not misfit

    def _unknown(self, at: Node, name: str) -> None:
        fix = _similar(name, [*FUNCTIONS, *self.source.routines])
        fix = (
            fix or "call a library function, a subworkflow of this file, or googleapis.SERVICE.VERSION.METHOD"
        )
        self._error(at, f"unknown function {name}"[:200], fix)

    def _value(self, node: Node, scope: Scope) -> None:
        if node.tree is not None:
            self._expression(node.tree, node, scope)
        elif node.kind == "list":
            for item in node.value:
                self._value(item, scope)
        elif node.kind == "map":
            for key, item in node.value:
                self._value(key, scope)
                self._value(item, scope)

    def _expression(self, tree: Expr, at: Node, scope: Scope) -> None:
        pending = [tree]
        while pending:
            node = pending.pop()
            where = at.expression_at(node.offset) if at.tree is tree else at
            if isinstance(node, Invocation):
                self._invocation(node, where)
            if isinstance(node, Name | Member) and self._is_constant(node, scope):
                continue
            if isinstance(node, Name):
                self._symbol(node, where, scope)
            pending.extend(reversed(children(node)))

    def _is_constant(self, node: Name | Member, scope: Scope) -> bool:
        name = dotted(node)
        return name in CONSTANTS and scope.resolve(name.partition(".")[0]) is None

    def _symbol(self, node: Name, at: Node, scope: Scope) -> None:
        if self.is_whole and scope.resolve(node.name) is None and node.name not in self.source.routines:
            message = f"symbol '{node.name}' is neither a variable nor a sub-workflow name"
            fix = _similar(node.name, scope.names()) or self._elsewhere(node.name)
            self._error(at, message, fix or "assign it in a step before")

    def _elsewhere(self, name: str) -> str:
        """Return what to do if the variable exists, but further inside: in a loop or a branch."""
        for step in ast.every(self.steps):
            for _, inner in ast.nested(step.body):
                if inner is not None and name in inner.keys:
                    return f"it lives in step {step.name} only; there assign it to a variable from before that step"
        return ""

    def _invocation(self, node: Invocation, at: Node) -> None:
        name = node.name
        is_library = name in FUNCTIONS and name not in self.source.routines
        if name.startswith(CONNECTOR) and name not in self.connectors:
            self._error(at, f"unknown connector {name}"[:200], self.connectors.instead(name))
        elif name.startswith(CONNECTOR) or (is_library and FUNCTIONS[name].kind is Kind.BLOCKING):
            fix = f"make it a step: call: {name} with result"
            self._error(at, f"{name} is a blocking call and not allowed in an expression", fix)
        elif is_library or name in self.source.routines:
            self._fit(at, name, len(node.arguments), ())
        else:
            self._unknown(at, name)


def _in_branch(scope: Scope) -> bool:
    while not scope.is_frame:
        assert scope.parent is not None
        scope = scope.parent
    return scope.parent is not None


def _similar(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name[:100], sorted(known), n=1)
    return f"did you mean {close[0]}?" if close else ""


def _service(connector: str) -> str:
    return connector.split(".")[1] if "." in connector else ""


def grouped(connectors: Iterable[str]) -> list[str]:
    """Return names of connectors, those of one collection as one: ``googleapis.x.v1.things.{get,list}``."""
    methods: dict[str, list[str]] = {}
    for name in sorted(connectors):
        collection, _, method = name.rpartition(".")
        methods.setdefault(collection, []).append(method)
    return [f"{collection}.{{{','.join(found)}}}" for collection, found in methods.items()]


def _some(names: Iterable[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:_SHOWN]) + (", ..." if len(shown) > _SHOWN else "")


def _misfit(routine: ast.Routine, positional: int, named: Iterable[str]) -> str:
    names = [param.name for param in routine.params]
    if routine.name == "main":
        return "the main workflow cannot be called"
    if positional > len(names):
        return f"{routine.name} takes at most {len(names)} arguments, {positional} given"
    given = {*names[:positional], *named}
    unknown = [name for name in named if name not in names]
    missing = [param.name for param in routine.params if param.default is None and param.name not in given]
    if unknown:
        return f"{routine.name} has no argument {', '.join(unknown)}"
    return f"{routine.name} needs argument {', '.join(missing)}" if missing else ""
