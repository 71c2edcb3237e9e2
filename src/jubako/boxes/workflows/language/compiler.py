"""Tree of steps to operations.

Operations know their successors by index. As jumps go forward too, code is first laid out as makers that take the
finished table of targets, and linked at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from jubako.boxes.workflows.language import ast, operations
from jubako.boxes.workflows.language.closures import ValueCompiler
from jubako.boxes.workflows.language.expressions import Expr
from jubako.boxes.workflows.language.library import FUNCTIONS, Kind
from jubako.boxes.workflows.language.program import Operation, Unit, Value, Where
from jubako.boxes.workflows.language.retrying import retry_decision
from jubako.boxes.workflows.language.scopes import Scope
from jubako.boxes.workflows.language.storing import Store, appended, target_store, variable_store
from jubako.boxes.workflows.language.syntax import Node

Maker = Callable[[list[int]], Operation]
"""Makes an operation when the index of every target is known."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where steps stand while they are compiled.

    Attributes:
        scope: Scope of their variables.
        path: Path within the routine, for labels; "" at the top.
        effects: Path within the frame, for names of effects.
        depth: How many blocks are open in the frame.
        targets: Steps that `next` reaches: target and depth of each.
        loop: Targets of break and continue and the depth of the loop's body, None outside of loops.

    """

    scope: Scope
    path: str
    effects: str
    depth: int
    targets: dict[str, tuple[int, int]] = field(default_factory=dict)
    loop: tuple[int, int, int] | None = None

    def inside(self, part: str) -> "Place":
        """Return the place one level further in."""
        return replace(self, path=_joined(self.path, part), effects=_joined(self.effects, part))


def _joined(path: str, part: str) -> str:
    return f"{path}/{part}" if path and part[0] not in "[~" else path + part


class RoutineCompiler:
    """Compiles one routine; ``routines`` names all of the source."""

    def __init__(self, routine: ast.Routine, routines: frozenset[str]) -> None:
        self.routine = routine
        self.routines = routines
        self.makers: list[Maker] = []
        self.targets: list[int] = []
        self.unit = Unit(routine.name, {param.name: _default(param) for param in routine.params})
        self.handler_targets: dict[str, int] = {}

    def compile(self) -> Unit:
        """Return the finished unit."""
        assert self.routine.scope is not None
        end = self._target()
        self._steps(self.routine.steps, Place(self.routine.scope, "", "", 0), end)
        self._here(end)
        last = Where("end", self.routine.at.line, self.routine.at.column, 1, "", "end")
        self._emit(lambda _targets: operations.finish, last, "end")
        unit = self.unit
        unit.code.extend(make(self.targets) for make in self.makers)
        unit.positions.update({label: index for index, label in enumerate(unit.labels)})
        assert len(unit.positions) == len(unit.labels), unit.labels
        unit.handlers.update({label: self.targets[target] for label, target in self.handler_targets.items()})
        return unit

    def _target(self) -> int:
        self.targets.append(-1)
        return len(self.targets) - 1

    def _here(self, target: int) -> None:
        self.targets[target] = len(self.makers)

    def _emit(self, make: Maker, where: Where, label: str) -> None:
        self.makers.append(make)
        self.unit.wheres.append(where)
        self.unit.labels.append(label)

    def _steps(self, steps: list[ast.Step], place: Place, after: int) -> None:
        """Lay out a list of steps; ``after`` is where the last one goes on."""
        starts = {step.name: (self._target(), place.depth) for step in steps}
        place = replace(place, targets={**place.targets, **starts})
        for number, step in enumerate(steps):
            self._here(starts[step.name][0])
            following = starts[steps[number + 1].name][0] if number + 1 < len(steps) else after
            self._step(step, place.inside(step.name), following, depth_after=place.depth)
        # `after` may lie outside of the block; whoever gave it has seen to that.

    def _step(self, step: ast.Step, place: Place, following: int, *, depth_after: int) -> None:
        """Lay out a step at the current position."""
        del depth_after
        where = Where(
            step.name, step.at.line, step.at.column, step.at.length, place.effects, _kind(step.body)
        )
        after = following
        jump: tuple[int, int] | None = None
        if step.next is not None:
            jump = self._destination(step.next.value, place)
            after = self._target()
        if step.body is None:
            self._emit(lambda targets: operations.begin(targets[after]), where, f"{place.path}:jump")
        else:
            getattr(self, f"_lay_{type(step.body).__name__.lower()}")(step.body, place, after, where)
        if jump is not None:
            self._jump(after, jump, place, where)

    def _destination(self, name: str, place: Place) -> tuple[int, int]:
        if name in ("break", "continue"):
            assert place.loop is not None
            out, again, depth = place.loop
            return (out, depth - 1) if name == "break" else (again, depth)
        if name == "end":
            return -1, 0
        return place.targets[name]

    def _jump(self, start: int, jump: tuple[int, int], place: Place, where: Where) -> None:
        target, depth = jump
        self._here(start)
        label = f"{place.path}:next"
        if target < 0:
            self._emit(lambda _targets: operations.finish, where, label)
        else:
            self._emit(lambda targets: operations.leave(depth, targets[target]), where, label)

    # One method per kind of body, found by name.

    def _lay_assign(self, body: ast.Assign, place: Place, after: int, where: Where) -> None:
        values = ValueCompiler(place.scope)
        pairs = [_assignment(target, value, values) for target, _, value in body.entries]
        if not values.suspends:
            self._emit(
                lambda targets: operations.assign(pairs, targets[after]), where, f"{place.path}:assign"
            )
            return
        # With questions in it, each assignment is an operation of its own: none may happen twice.
        for number, (target, _, value) in enumerate(body.entries):
            values = ValueCompiler(place.scope)
            store, compute = _assignment(target, value, values)
            following = after if number + 1 == len(body.entries) else self._target()
            self._emit(
                lambda targets, store=store, compute=compute, following=following, begins=number == 0: (  # type: ignore[misc]
                    operations.assign_asking(store, compute, targets[following], begins=begins)
                ),
                where,
                f"{place.path}:assign{number}",
            )
            if following != after:
                self._here(following)

    def _lay_call(self, body: ast.Call, place: Place, after: int, where: Where) -> None:
        values = ValueCompiler(place.scope)
        args = {name: values.node(value) for name, value in body.args.items()}
        result = variable_store(place.scope, body.result.value) if body.result is not None else None
        known = None if body.function in self.routines else FUNCTIONS.get(body.function)
        make = operations.compute if known is not None and known.kind is Kind.PURE else operations.call
        self._emit(
            lambda targets: make(body.function, args, result, targets[after]),
            replace(where, callee=body.function),
            f"{place.path}:call",
        )

    def _lay_switch(self, body: ast.Switch, place: Place, after: int, where: Where) -> None:
        values = ValueCompiler(place.scope)
        conditions = [values.node(case.condition) for case in body.cases]
        starts = [self._target() for _ in body.cases]
        self._emit(
            lambda targets: operations.switch(
                [(condition, targets[start]) for condition, start in zip(conditions, starts, strict=True)],
                targets[after],
            ),
            where,
            f"{place.path}:switch",
        )
        for number, (case, start) in enumerate(zip(body.cases, starts, strict=True)):
            inner = place.inside(f"[{number}]")
            if case.step.body is None and case.step.next is not None:
                self._jump(start, self._destination(case.step.next.value, place), inner, where)
            else:
                self._here(start)
                self._step(case.step, inner, after, depth_after=place.depth)

    def _lay_block(self, body: ast.Block, place: Place, after: int, where: Where) -> None:
        inside = self._target()
        self._emit(lambda targets: operations.begin(targets[inside]), where, f"{place.path}:steps")
        self._here(inside)
        self._steps(body.steps, place, after)

    def _lay_for(self, body: ast.For, place: Place, after: int, where: Where) -> None:
        assert body.scope is not None
        values = ValueCompiler(place.scope)
        items = values.node(body.items) if body.items is not None else None
        bounds = values.node(body.range) if body.range is not None else None
        label, again, inside = place.path, self._target(), self._target()
        self._emit(
            lambda targets: operations.loop_begin(label, items, bounds, targets[again]), where, f"{label}:for"
        )
        self._here(again)
        value = variable_store(body.scope, body.value.value)
        index = variable_store(body.scope, body.index.value) if body.index is not None else None
        self._emit(
            lambda targets: operations.loop_next(value, index, targets[inside], targets[after]),
            where,
            f"{label}:again",
        )
        self._here(inside)
        depth = place.depth + 1
        inner = replace(place, scope=body.scope, depth=depth, loop=(after, again, depth))
        self._steps(body.steps, inner, again)
        self.unit.loop_keys[label] = tuple(body.scope.keys.values())

    def _lay_parallel(self, body: ast.Parallel, place: Place, after: int, where: Where) -> None:
        values = ValueCompiler(place.scope)
        limit = values.node(body.limit) if body.limit is not None else None
        label, join = place.path, self._target()
        if body.loop is not None:
            items = values.node(body.loop.items) if body.loop.items is not None else None
            bounds = values.node(body.loop.range) if body.loop.range is not None else None
            make = operations.parallel_items(items, bounds)
        else:
            total = len(body.branches)
            make = lambda _frame: (None, total, 0)  # noqa: E731
        self._emit(
            lambda targets: operations.parallel_begin(label, make, limit, targets[join]),
            where,
            f"{label}:parallel",
        )
        self._here(join)
        self._emit(lambda targets: operations.parallel_end(targets[after]), where, f"{label}:join")
        if body.loop is not None:
            self._lay_iteration(body.loop, place, where)
        for branch in body.branches:
            self._lay_branch(branch, place)

    def _lay_branch(self, branch: ast.Branch, place: Place) -> None:
        assert branch.scope is not None
        path = _joined(place.path, branch.name)
        where = Where(branch.name, branch.at.line, branch.at.column, branch.at.length, "", "branch")
        inside, end = self._target(), self._target()
        self._emit(lambda targets: operations.begin_branch(targets[inside]), where, f"{path}:branch")
        self._here(inside)
        self._steps(branch.steps, Place(branch.scope, path, "", 0), end)
        self._here(end)
        self._emit(lambda _targets: operations.finish_branch, where, f"{path}:end")
        self.unit.branches.setdefault(place.path, []).append((branch.name, f"{path}:branch"))

    def _lay_iteration(self, loop: ast.For, place: Place, where: Where) -> None:
        assert loop.scope is not None
        path = f"{place.path}[]"
        inside, end = self._target(), self._target()
        value = variable_store(loop.scope, loop.value.value)
        index = variable_store(loop.scope, loop.index.value) if loop.index is not None else None
        is_range = loop.range is not None
        self._emit(
            lambda targets: operations.iteration_begin(value, index, targets[inside], is_range=is_range),
            where,
            f"{path}:iteration",
        )
        self._here(inside)
        inner = Place(loop.scope, path, "", 0, {}, (end, end, 0))
        self._steps(loop.steps, inner, end)
        self._here(end)
        self._emit(lambda _targets: operations.finish_branch, where, f"{path}:end")
        self.unit.branches[place.path] = [("", f"{path}:iteration")]

    def _lay_try(self, body: ast.Try, place: Place, after: int, where: Where) -> None:
        label = place.path
        inside, end, handling = self._target(), self._target(), self._target()
        self._emit(lambda targets: operations.try_begin(label, targets[inside]), where, f"{label}:try")
        self._here(inside)
        inner = replace(place, depth=place.depth + 1, path=_joined(place.path, "~try"))
        self._step(body.body, inner, end, depth_after=place.depth)
        self._here(end)
        self._emit(lambda targets: operations.try_end(targets[after]), where, f"{label}:done")
        self._here(handling)
        self.handler_targets[label] = handling
        retry = self._retry(body, place)
        error = variable_store(place.scope, body.error.value) if body.error is not None else None
        handler = self._target() if body.handler is not None else None
        self._emit(
            lambda targets: operations.handle(
                retry, error, targets[inside], targets[handler] if handler is not None else None
            ),
            where,
            f"{label}:handle",
        )
        if handler is not None and body.handler is not None:
            self._here(handler)
            self._steps(body.handler, place.inside("~except"), after)

    def _retry(self, body: ast.Try, place: Place) -> Value | None:
        if body.retry is None:
            return None
        return retry_decision(ValueCompiler(place.scope).node(body.retry), self.routines)

    def _lay_raise(self, body: ast.Raise, place: Place, _after: int, where: Where) -> None:
        value = ValueCompiler(place.scope).node(body.value)
        self._emit(lambda _targets: operations.throw(value), where, f"{place.path}:raise")

    def _lay_return(self, body: ast.Return, place: Place, _after: int, where: Where) -> None:
        value = ValueCompiler(place.scope).node(body.value)
        self._emit(lambda _targets: operations.give_back(value), where, f"{place.path}:return")


def _assignment(target: Expr, value: Node, values: ValueCompiler) -> tuple[Store, Value]:
    return appended(target, value.tree, values) or (target_store(target, values), values.node(value))


def _kind(body: ast.Body) -> str:
    return "next" if body is None else type(body).__name__.lower()


def _default(param: ast.Param) -> Value | None:
    return None if param.default is None else ValueCompiler(Scope()).node(param.default)
