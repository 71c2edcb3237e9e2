"""The operations that compiled routines consist of: each function returns a closure over what is known beforehand.

Rules:
1. An operation that begins a step counts it, unless it runs again to pick up an answer (its memo is not empty).
2. An operation may run again from its start after `Suspend`; so it changes nothing before its last question.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from jubako.boxes.workflows.language.closures import effort_of, extent
from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.errors import Raised, failure, type_error
from jubako.boxes.workflows.language.library import FUNCTIONS, Kind
from jubako.boxes.workflows.language.limits import CONCURRENCY_MAX, ERROR_SLACK_BYTES, PARALLEL_DEPTH_MAX
from jubako.boxes.workflows.language.program import PARK, SWITCH, Operation, Suspend, Value
from jubako.boxes.workflows.language.results import branch_error
from jubako.boxes.workflows.language.state import Frame, held_by
from jubako.boxes.workflows.language.storing import Store, drop
from jubako.boxes.workflows.language.values import copied, is_number, measured, type_name

if TYPE_CHECKING:
    from jubako.boxes.workflows.language.machine import Machine

CALL_KEY = "call"


def assign(entries: Sequence[tuple[Store, Value]], after: int) -> Operation:
    """Evaluate and store, one after the other."""
    if len(entries) == 1:
        ((store, value),) = entries

        def assign_one(machine: "Machine", frame: Frame) -> int:
            machine.state.steps += 1
            store(machine.state, frame, value(frame))
            return after

        return assign_one

    def assign_all(machine: "Machine", frame: Frame) -> int:
        state = machine.state
        state.steps += 1
        for store, value in entries:
            store(state, frame, value(frame))
        return after

    return assign_all


def assign_asking(store: Store, value: Value, after: int, *, begins: bool) -> Operation:
    """Evaluate one value that may need answers, and store it."""

    def run(machine: "Machine", frame: Frame) -> int:
        if begins and not frame.memo:
            machine.state.steps += 1
        store(machine.state, frame, value(frame))
        frame.memo.clear()
        return after

    return run


def call(function: str, args: dict[str, Value], result: Store | None, after: int) -> Operation:
    """Ask for the answer of a subworkflow or an effect, and store it."""

    def run(machine: "Machine", frame: Frame) -> int:
        memo = frame.memo
        if CALL_KEY not in memo:
            machine.state.steps += not memo
            raise Suspend(CALL_KEY, function, {name: value(frame) for name, value in args.items()})
        if result is not None:
            result(machine.state, frame, memo[CALL_KEY])
        memo.clear()
        return after

    return run


WORK = "work"
"""Attribute of an operation that computes: how it gets its arguments and their value, for whoever logs calls."""


def compute(function: str, args: dict[str, Value], result: Store | None, after: int) -> Operation:
    """Run a pure library function as a step."""
    known = FUNCTIONS[function]
    assert known.kind is Kind.PURE
    run_function = known.run
    assert run_function is not None
    parameters = known.parameters
    effort = effort_of(known)

    def arguments(frame: Frame) -> dict[str, Data]:
        return {name: value(frame) for name, value in args.items()}

    def answer(given: dict[str, Data]) -> Data:
        return run_function(*[given.get(name, default) for name, default in parameters.items()])

    def run(machine: "Machine", frame: Frame) -> int:
        machine.state.steps += not frame.memo
        given = arguments(frame)
        machine.state.spend(sum(map(effort, given.values())))
        value = answer(given)
        machine.state.spend(extent(value))
        if result is not None:
            result(machine.state, frame, value)
        frame.memo.clear()
        return after

    run.__dict__[WORK] = arguments, answer
    return run


def switch(cases: Sequence[tuple[Value, int]], otherwise: int) -> Operation:
    """Go to the first case whose condition is true."""

    def run(machine: "Machine", frame: Frame) -> int:
        machine.state.steps += not frame.memo
        for condition, target in cases:
            held = condition(frame)
            if held is True:
                frame.memo.clear()
                return target
            if held is not False:
                raise type_error(f"condition must be boolean; got: {type_name(held)}")
        frame.memo.clear()
        return otherwise

    return run


def begin(after: int) -> Operation:
    """Begin a step that only holds others, or only jumps."""

    def run(machine: "Machine", _frame: Frame) -> int:
        machine.state.steps += 1
        return after

    return run


def begin_branch(after: int) -> Operation:
    """Begin a branch: forget which one it is, which only its start needs."""

    def run(_machine: "Machine", frame: Frame) -> int:
        frame.blocks.pop()
        return after

    return run


def give_back(value: Value) -> Operation:
    """Return from the routine."""

    def run(machine: "Machine", frame: Frame) -> int:
        machine.state.steps += not frame.memo
        machine.give_back(value(frame))
        return SWITCH

    return run


def finish(machine: "Machine", _frame: Frame) -> int:
    """End the routine without a value."""
    machine.give_back(None)
    return SWITCH


def finish_branch(machine: "Machine", _frame: Frame) -> int:
    """End a branch."""
    machine.finish_branch()
    return PARK


def throw(value: Value) -> Operation:
    """Raise a string or a map."""

    def run(machine: "Machine", frame: Frame) -> int:
        machine.state.steps += not frame.memo
        raised = copied(value(frame))
        if type(raised) not in (str, dict):
            raise type_error(f"only a string or a map can be raised; got: {type_name(raised)}")
        raise Raised(raised)

    return run


def leave(depth: int, target: int) -> Operation:
    """Leave blocks until ``depth`` are open, and go to a target further out."""

    def run(machine: "Machine", frame: Frame) -> int:
        close_blocks(machine, frame, depth)
        return target

    return run


def close_blocks(machine: "Machine", frame: Frame, depth: int) -> None:
    """Close the innermost blocks of a frame until ``depth`` are open; variables of loops end."""
    while len(frame.blocks) > depth:
        block = frame.blocks.pop()
        machine.state.hold(-held_by(block))
        for key in frame.unit.loop_keys.get(block[1], ()):
            drop(machine.state, frame, key)


def loop_begin(label: str, items: Value | None, bounds: Value | None, after: int) -> Operation:
    """Open a loop block: ``["for", label, null, position, low, high]`` or ``[..., items, position, bytes, 0]``."""

    def run(machine: "Machine", frame: Frame) -> int:
        machine.state.steps += not frame.memo
        block = loop_block(label, items, bounds, frame)
        machine.state.hold(held_by(block))
        frame.blocks.append(block)
        frame.memo.clear()
        return after

    return run


def loop_block(label: str, items: Value | None, bounds: Value | None, frame: Frame) -> list[Any]:
    """Return a new loop block; raise TypeError unless there is a list, or two numbers."""
    if items is not None:
        held = items(frame)
        if type(held) is not list:
            raise type_error(f"for in needs a list; got: {type_name(held)} (to go through a map, use keys)")
        copy, size, work = measured(held)
        frame.state.spend(work)
        return ["for", label, copy, 0, size, 0]
    assert bounds is not None
    pair = bounds(frame)
    if type(pair) is not list or len(pair) != 2 or not all(map(is_number, pair)):
        raise type_error("range needs a list of two numbers")
    return ["for", label, None, 0, *pair]


def loop_next(value: Store, index: Store | None, body: int, after: int) -> Operation:
    """Begin the next iteration, or close the loop."""

    def run(machine: "Machine", frame: Frame) -> int:
        block = frame.blocks[-1]
        _, _, items, position, low, high = block
        if items is None:
            if low + position > high:
                close_blocks(machine, frame, len(frame.blocks) - 1)
                return after
            item = low + position
        elif position < len(items):
            item = items[position]
        else:
            close_blocks(machine, frame, len(frame.blocks) - 1)
            return after
        value(machine.state, frame, item)
        if index is not None:
            index(machine.state, frame, position)
        block[3] = position + 1
        return body

    return run


def parallel_begin(
    label: str, make: Callable[[Frame], tuple[list[Any] | None, int, int]], limit: Value | None, join: int
) -> Operation:
    """Open a parallel block and start what may run at once.

    The block is ``["parallel", label, items or null, total, next, running, limit, errors, prefix, bytes]``; ``next`` is
    the first that has not been started, ``errors`` a list of ``[name, value, trace]``, ``bytes`` what items and errors
    count for.
    """

    def run(machine: "Machine", frame: Frame) -> int:
        machine.state.steps += not frame.memo
        if machine.thread.depth >= PARALLEL_DEPTH_MAX:
            message = f"parallel steps are nested deeper than {PARALLEL_DEPTH_MAX} levels"
            raise failure("ParallelNestingError", message)
        items, total, size = make(frame)
        most = CONCURRENCY_MAX if limit is None else _concurrency(limit(frame))
        machine.state.hold(size)
        prefix = machine.visit(frame, join)
        frame.memo.clear()
        frame.blocks.append(["parallel", label, items, total, 0, 0, most, [], prefix, size])
        frame.pc = join
        machine.start_branches(machine.thread, frame)
        return PARK if total else join

    return run


def _concurrency(limit: Data) -> int:
    if type(limit) is not int:
        raise type_error(f"concurrency_limit must be an integer; got: {type_name(limit)}")
    if limit < 1:
        raise failure("ValueError", f"concurrency_limit must be positive; got: {limit}")
    return min(limit, CONCURRENCY_MAX)


def parallel_items(
    items: Value | None, bounds: Value | None
) -> Callable[[Frame], tuple[list[Any] | None, int, int]]:
    """Return what a parallel loop goes through: a list or the ends of a range, how many, and the bytes of the list."""

    def make(frame: Frame) -> tuple[list[Any] | None, int, int]:
        _, _, held, _, low, high = loop_block("", items, bounds, frame)
        if held is None:
            count = max(0, int((high - low) // 1) + 1)
            return [low, high], count, 0
        return held, len(held), low

    return make


def iteration_begin(value: Store, index: Store | None, after: int, *, is_range: bool) -> Operation:
    """Begin one iteration of a parallel loop: take its item out of the outer frame's block."""

    def run(machine: "Machine", frame: Frame) -> int:
        position = frame.blocks.pop()[2]
        assert frame.outer is not None
        items = frame.outer.blocks[-1][2]
        value(machine.state, frame, items[0] + position if is_range else items[position])
        if index is not None:
            index(machine.state, frame, position)
        return after

    return run


def parallel_end(after: int) -> Operation:
    """Close a parallel block; raise UnhandledBranchError if any branch failed."""

    def run(machine: "Machine", frame: Frame) -> int:
        block = frame.blocks.pop()
        machine.state.hold(-held_by(block))
        errors = block[7]
        if errors:
            raise branch_error(errors)
        return after

    return run


def try_begin(label: str, after: int) -> Operation:
    """Open a try block: ``["try", label, retries so far, error or null]``, the error being ``[value, trace]``."""

    def run(machine: "Machine", frame: Frame) -> int:
        machine.state.steps += 1
        frame.blocks.append(["try", label, 0, None])
        return after

    return run


def try_end(after: int) -> Operation:
    """Close a try block whose body went well."""

    def run(_machine: "Machine", frame: Frame) -> int:
        frame.blocks.pop()
        return after

    return run


def handle(retry: Value | None, error: Store | None, body: int, handler: int | None) -> Operation:
    """Decide what follows an error in a try body: again, the handler, or on to the next try further out."""

    def run(machine: "Machine", frame: Frame) -> int:
        block = frame.blocks[-1]
        value, trace = block[3]
        if retry is not None and retry(frame):
            frame.memo.clear()
            block[2] += 1
            block[3] = None
            return body
        frame.memo.clear()
        frame.blocks.pop()
        if handler is None:
            raise Raised(value, trace)
        if error is not None:
            machine.state.slack = ERROR_SLACK_BYTES
            try:
                error(machine.state, frame, value)
            finally:
                machine.state.slack = 0
        return handler

    return run
