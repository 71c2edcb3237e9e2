"""The machine: events in, effects out, no clock, no chance, no I/O.

Rules:
1. `advance` takes one event, runs every thread that can run until all wait or have ended, and returns the effects
   asked for. The same events in the same order give the same state and the same effects, whatever happened in between.
2. A thread runs until it has to wait, so what it does between two waits is atomic to the others. Threads run in the
   order in which they became ready.
3. An outcome whose effect is not under way is ignored: replies may come twice, or after a cancel.
4. The step limit ends an execution at once. Every loop contains a step, so `advance` always returns.
"""

from typing import Any

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.effects import Effect, EffectKind, kind_of, prepared
from jubako.boxes.workflows.language.errors import (
    Exhausted,
    Raised,
    describe,
    failure,
    type_error,
)
from jubako.boxes.workflows.language.events import Cancel, Continue, EffectDone, EffectFailed, Event, Start
from jubako.boxes.workflows.language.inspection import effect_of
from jubako.boxes.workflows.language.library import FUNCTIONS
from jubako.boxes.workflows.language.limits import (
    CALL_DEPTH_MAX,
    CONCURRENCY_MAX,
    MEMORY_BYTES_MAX,
    NEAR_SHARE,
    SLICE_WORK_BYTES_PER_STEP,
    STEPS_MAX,
    WORK_BYTES_MAX,
)
from jubako.boxes.workflows.language.operations import CALL_KEY, close_blocks
from jubako.boxes.workflows.language.program import PARK, Program, Suspend, Unit
from jubako.boxes.workflows.language.results import keep_error, raisable, result_of
from jubako.boxes.workflows.language.retrying import SLEEP_KEY
from jubako.boxes.workflows.language.state import Frame, State, Status, Thread, held_by
from jubako.boxes.workflows.language.storing import put
from jubako.boxes.workflows.language.values import SCALARS, admitted, copied, measured, size_of
from jubako.core.errors import InvalidArgument

MAIN = "main"
_STEPS_NEAR = int(NEAR_SHARE * STEPS_MAX)
_CALLS_NEAR = int(NEAR_SHARE * CALL_DEPTH_MAX)


def initial_state(program: Program, argument: Data = None) -> State:
    """Return the state before `Start`.

    Args:
        program: A compiled source.
        argument: The value main's parameter receives; ignored if it has none.

    Raises:
        InvalidArgument: The argument is no value of the language, or too large.

    """
    state = State()
    unit = program.units[MAIN]
    frame = Frame(state, unit, 0, f"{MAIN}/")
    try:
        value = admitted(argument)
        for name, default in unit.params.items():
            given = default(frame) if value is None and default is not None else value
            put(state, frame, name, given)
    except Raised as raised:
        raise InvalidArgument(f"argument: {raised.value['message']}") from None
    state.threads[MAIN] = Thread(MAIN, None, 0, [frame])
    return state


def advance(
    program: Program, state: State, event: Event, *, slice_steps: int | None = None
) -> tuple[State, list[Effect]]:
    """Feed one event and run until every thread waits.

    Args:
        program: The program the state belongs to.
        state: Changed in place.
        event: What happened.
        slice_steps: Stop after about so many steps, leaving ``state.ready`` not empty; then feed `Continue` until it is
            empty before anything else. Slicing does not change what happens, only when `advance` returns.

    Returns:
        The state, and the effects to carry out, in order. Effects of kind ABANDON come when the execution ends while
        others are under way.

    """
    machine = Machine(program, state)
    if state.status is Status.ACTIVE:
        machine.take(event)
        machine.run(slice_steps)
    return state, machine.effects


class Machine:
    """One call of `advance`; operations reach the state and the thread through it."""

    def __init__(self, program: Program, state: State) -> None:
        self.program = program
        self.state = state
        self.effects: list[Effect] = []
        self.steps_stop = STEPS_MAX
        self.work_stop = WORK_BYTES_MAX
        self.thread = state.threads.get(MAIN) or Thread(MAIN, None, 0, [])

    def take(self, event: Event) -> None:
        """Apply an event; threads that can run now become ready."""
        state = self.state
        if isinstance(event, Cancel):
            self._end(Status.CANCELLED)
            return
        assert isinstance(event, Continue) or not state.ready, (
            "outcomes wait until the slice has been finished"
        )
        if isinstance(event, Start):
            if state.steps == 0 and not state.waiting:
                state.ready.append(MAIN)
        elif isinstance(event, EffectDone | EffectFailed):
            self._outcome(event)

    def _outcome(self, event: EffectDone | EffectFailed) -> None:
        name = self.state.waiting.pop(event.name, None)
        if name is None:
            return
        thread = self.thread = self.state.threads[name]
        assert thread.waiting is not None
        key = thread.waiting["key"]
        thread.waiting = None
        if isinstance(event, EffectFailed):
            self._unwind(Raised(raisable(event.error)))
        else:
            self._take_value(thread.frames[-1], key, event.value)
        if thread.frames:
            self.state.ready.append(name)

    def _take_value(self, frame: Frame, key: str, value: Data) -> None:
        try:
            frame.memo[key] = admitted(value)
        except Raised as raised:
            self._unwind(raised)

    def run(self, slice_steps: int | None) -> None:
        """Run threads until none is ready, or the slice is over."""
        state = self.state
        if slice_steps is not None:
            self.steps_stop = min(STEPS_MAX, state.steps + slice_steps)
            self.work_stop = min(WORK_BYTES_MAX, state.work + slice_steps * SLICE_WORK_BYTES_PER_STEP)
        while state.ready and state.status is Status.ACTIVE:
            self.thread = state.threads[state.ready.popleft()]
            try:
                self._run_thread()
            except Exhausted:
                if state.steps <= STEPS_MAX and state.work <= WORK_BYTES_MAX:
                    state.ready.appendleft(self.thread.name)
                    return
                self._exhausted()

    def _run_thread(self) -> None:
        thread = self.thread
        while thread.frames and thread.waiting is None:
            frame = thread.frames[-1]
            if self.state.steps >= _STEPS_NEAR:
                self.state.come_near("steps", self.state.steps, STEPS_MAX, frame)
            try:
                pc = self._run_frame(frame)
            except Suspend as question:
                self._ask_or_raise(frame, question)
            except Raised as raised:
                self._unwind(raised)
            else:
                if pc == PARK:
                    return

    def _run_frame(self, frame: Frame) -> int:
        state, code, pc = self.state, frame.unit.code, frame.pc
        stop, work_stop = self.steps_stop, self.work_stop
        while pc >= 0:
            frame.pc = pc
            if state.steps > stop or state.work > work_stop:
                raise Exhausted
            state.work_before = state.work
            pc = code[pc](self, frame)
        return pc

    # What operations ask of the machine.

    def visit(self, frame: Frame, pc: int) -> str:
        """Return the name of this visit to an operation: its path, and #n from the second visit on."""
        path = frame.unit.wheres[pc].path
        count = self._count(frame, f"{path}/")
        return f"{frame.prefix}{path}#{count}" if count else f"{frame.prefix}{path}"

    def _count(self, frame: Frame, key: str) -> int:
        count = frame.visits.get(key, 0)
        frame.visits[key] = count + 1
        return count

    def give_back(self, value: Data) -> None:
        """End the top frame; the caller's memo gets a copy of the value, or the execution ends with it."""
        thread = self.thread
        frame = thread.frames[-1]
        if len(thread.frames) == 1:
            assert thread.parent is None, thread.name
            result = result_of(self.state, frame, value)
            self._close_frame(thread)
            self.state.result = result
            self._end(Status.SUCCEEDED)
            return
        memo = thread.frames[-2].memo
        if type(value) not in SCALARS:
            room = MEMORY_BYTES_MAX - sum(map(size_of, memo.values()))
            value, _, work = measured(value, room)
            self.state.spend(work)
        self._close_frame(thread)
        memo[frame.into] = value

    def _close_frame(self, thread: Thread) -> None:
        frame = thread.frames.pop()
        self.state.bytes -= frame.bytes
        if frame.blocks:
            self.state.hold(-sum(map(held_by, frame.blocks)))

    def start_branches(self, parent: Thread, frame: Frame) -> None:
        """Start as many branches of the frame's innermost block as may run at once."""
        block = frame.blocks[-1]
        _, label, items, total, _, _, limit, _, prefix = block[:9]
        known = frame.unit.branches[label]
        while block[4] < total and block[5] < limit:
            index = block[4]
            block[4] += 1
            block[5] += 1
            is_loop = items is not None
            branch, start = known[0 if is_loop else index]
            name = f"{prefix}[{index}]" if is_loop else f"{prefix}/{branch}"
            inner = Frame(self.state, frame.unit, frame.unit.positions[start], f"{name}/", frame)
            inner.blocks.append(["branch", label, index])
            self.state.threads[name] = Thread(name, parent.name, parent.depth + 1, [inner])
            self.state.ready.append(name)
        self.state.come_near("concurrency", block[5], CONCURRENCY_MAX, frame)

    def finish_branch(self) -> None:
        """End the current thread, a branch, without error."""
        self._close_frame(self.thread)
        self._leave_parallel(None)

    def _leave_parallel(self, error: list[Any] | None) -> None:
        thread = self.thread
        assert thread.parent is not None
        del self.state.threads[thread.name]
        parent = self.state.threads[thread.parent]
        frame = parent.frames[-1]
        block = frame.blocks[-1]
        block[5] -= 1
        if error is not None:
            keep_error(self.state, block, [thread.name[len(block[8]) :].strip("/[]"), *error])
        self.start_branches(parent, frame)
        if block[5] == 0:
            self.state.ready.append(parent.name)

    # Questions: subworkflows and effects.

    def _ask_or_raise(self, frame: Frame, question: Suspend) -> None:
        try:
            unit = self.program.units.get(question.function)
            if unit is not None:
                self._enter(frame, unit, question)
            else:
                self._emit(frame, question)
        except Raised as raised:
            self._unwind(raised)

    def _enter(self, frame: Frame, unit: Unit, question: Suspend) -> None:
        thread = self.thread
        if len(thread.frames) > CALL_DEPTH_MAX:
            raise failure("RecursionError", f"calls are nested deeper than {CALL_DEPTH_MAX} levels")
        given = _by_name(list(unit.params), question.given)
        inner = Frame(self.state, unit, 0, f"{self.visit(frame, frame.pc)}/{unit.name}()/", into=question.key)
        try:
            for name, default in unit.params.items():
                if name not in given and default is None:
                    raise type_error(f"{unit.name} needs argument {name}")
                put(self.state, inner, name, given[name] if name in given else default(inner))  # type: ignore[misc]
        except Raised:
            self.state.bytes -= inner.bytes
            raise
        thread.frames.append(inner)
        if len(thread.frames) >= _CALLS_NEAR:
            self.state.come_near("call_depth", len(thread.frames), CALL_DEPTH_MAX, inner)

    def _emit(self, frame: Frame, question: Suspend) -> None:
        function, where = question.function, frame.unit.wheres[frame.pc]
        args = (
            _by_name(list(FUNCTIONS[function].parameters), question.given)
            if function in FUNCTIONS
            else question.given
        )
        assert isinstance(args, dict)
        args = copied(prepared(function, args))
        suffix = {CALL_KEY: "", SLEEP_KEY: "~retry"}.get(question.key, f"~{function}")
        path = where.path + suffix
        name = f"{frame.prefix}{path}#{self._count(frame, path)}"
        self.thread.waiting = {
            "name": name,
            "kind": kind_of(function).value,
            "function": function,
            "args": args,
            "step": where.step,
            "routine": frame.unit.name,
            "key": question.key,
        }
        self.state.waiting[name] = self.thread.name
        self.effects.append(effect_of(self.thread))

    # Errors and the end.

    def _unwind(self, raised: Raised) -> None:
        thread = self.thread
        trace = raised.trace if raised.trace is not None else self._trace()
        while thread.frames:
            frame = thread.frames[-1]
            frame.memo.clear()
            while frame.blocks:
                block = frame.blocks[-1]
                if block[0] == "try" and block[3] is None:
                    block[3] = [raised.value, trace]
                    frame.pc = frame.unit.handlers[block[1]]
                    return
                close_blocks(self, frame, len(frame.blocks) - 1)
            self._close_frame(thread)
        if thread.parent is not None:
            self._leave_parallel([raised.value, trace])
        else:
            self._fail(raised.value, trace)

    def _trace(self) -> list[dict[str, Any]]:
        elements = []
        for frame in reversed(self.thread.frames):
            where = frame.unit.wheres[frame.pc]
            position = {"line": where.line, "column": where.column, "length": where.length}
            elements.append({"step": where.step, "routine": frame.unit.name, "position": position})
        return elements

    def _fail(self, value: Data, trace: list[dict[str, Any]]) -> None:
        self.state.error_value = value
        self.state.error = describe(value, trace)
        self._end(Status.FAILED)

    def _exhausted(self) -> None:
        what = f"{STEPS_MAX} steps" if self.state.steps > STEPS_MAX else "4 GB of work on values"
        error = failure("ResourceLimitError", f"execution exceeded {what}")
        self._fail(error.value, self._trace())

    def _end(self, status: Status) -> None:
        """End the execution; what is under way is abandoned."""
        state = self.state
        state.status = status
        for thread in state.threads.values():
            if thread.waiting is not None:
                held = thread.waiting
                self.effects.append(
                    Effect(
                        held["name"], EffectKind.ABANDON, held["function"], {}, held["step"], held["routine"]
                    )
                )
        state.threads.clear()
        state.ready.clear()
        state.waiting.clear()
        state.bytes = state.held = 0


def _by_name(parameters: list[str], args: dict[str, Any] | list[Any]) -> dict[str, Any]:
    return args if isinstance(args, dict) else dict(zip(parameters, args, strict=False))
