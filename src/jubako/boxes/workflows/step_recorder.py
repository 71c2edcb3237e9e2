"""Makes step entries of what a traced program does: one for each step, and for each block around steps.

1. An entry is open from the operation that begins its step until the thread goes on outside of it; so the end of a
   block needs no operation of its own, and a jump out of three blocks ends three entries.
2. What is inside of what is read from the labels of operations, which are paths: ``outer/inner``, ``try~try``,
   ``switch[2]``.
3. Time stands still while the machine runs: whoever feeds an outcome sets ``now`` before.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jubako.boxes.workflows.language.library import FUNCTIONS
from jubako.boxes.workflows.language.program import PARK, SWITCH, Program, Suspend
from jubako.boxes.workflows.language.state import Frame, State, Status
from jubako.boxes.workflows.language.values import to_data
from jubako.boxes.workflows.step_entries import CANCELLED, FAILED, SUCCEEDED, Entry

if TYPE_CHECKING:
    from jubako.boxes.workflows.language.errors import Raised
    from jubako.boxes.workflows.language.machine import Machine

VALUE_BYTES_MAX = 4_096
"""Ours: a variable that is larger is recorded by its size alone."""
_TYPES: Mapping[str, str] = {
    "assign": "STEP_ASSIGN",
    "switch": "STEP_SWITCH",
    "for": "STEP_FOR",
    "parallel": "STEP_PARALLEL_BRANCH",
    "try": "STEP_TRY_RETRY_EXCEPT",
    "return": "STEP_RETURN",
    "raise": "STEP_RAISE",
    "jump": "STEP_GOTO",
    "steps": "STEP_TYPE_UNSPECIFIED",
    "call": "STEP_STD_LIB_CALL",
}
"""Types by the operation that begins the step; Google has none for a step that only holds others."""


@dataclass(slots=True)
class OpenStep:
    """An entry that has not ended; what is at ``path`` itself is inside of a part of a step, such as its try."""

    entry: Entry
    frame: Frame
    path: str
    is_part: bool = False
    is_asking: bool = False

    def holds(self, path: str) -> bool:
        """Return whether an operation at ``path`` is inside of it."""
        return _contains(self.path, path) or (self.is_part and self.path == path)


class StepRecorder:
    """See language.tracing.Tracer."""

    def __init__(self, program: Program, *, detailed: bool = False) -> None:
        """Say for which program; ``detailed`` records variables and expected iterations too."""
        self.entries: list[Entry] = []
        self.now = 0
        self._count = 0
        self._routines = frozenset(program.units)
        self._detailed = detailed
        self._open: dict[str, list[OpenStep]] = {}
        self._last_child: dict[tuple[int, str], Entry] = {}

    def under_way(self) -> Iterator[Entry]:
        """Yield the entries that are open."""
        for stack in self._open.values():
            for one in stack:
                yield one.entry

    # The tracer's side.

    def before(self, machine: "Machine", frame: Frame, pc: int) -> None:
        """See Tracer."""
        path, what = place_of(frame, pc)
        stack = self._open.setdefault(machine.thread.name, [])
        if stack and stack[-1].is_asking and stack[-1].frame is frame:
            stack[-1].is_asking = False
            if what != "handle":
                return
        if what in _TYPES:
            while stack and stack[-1].frame is frame and not stack[-1].holds(path):
                self._close(stack.pop(), SUCCEEDED)
            self._push(machine.thread.name, frame, path, self._type(frame, pc, what))
        else:
            getattr(self, f"_before_{what}", _nothing)(machine.thread.name, frame, path)

    def after(self, machine: "Machine", frame: Frame, pc: int, following: int) -> None:
        """See Tracer."""
        path, what = place_of(frame, pc)
        thread = machine.thread.name
        if following == SWITCH:
            stack = self._open[thread]
            while stack and stack[-1].frame is frame:
                self._close(stack.pop(), SUCCEEDED)
        elif following == PARK and what == "end":
            self._bury(thread, SUCCEEDED, None)
        else:
            target, _ = place_of(frame, following if following >= 0 else pc)
            if following < 0 or _contains(path, target):
                getattr(self, f"_after_{what}", _nothing)(thread, frame, path, target)

    def asked(self, machine: "Machine", frame: Frame, pc: int, question: Suspend) -> None:
        """See Tracer."""
        del frame, pc, question
        stack = self._open[machine.thread.name]
        if stack:
            stack[-1].is_asking = True

    def raised(self, machine: "Machine", frame: Frame, pc: int, error: "Raised") -> None:
        """See Tracer."""
        del frame, pc
        stack = self._open[machine.thread.name]
        if stack:
            self._close(stack.pop(), FAILED, error.value)

    # The feeder's side.

    def settle(self, state: State) -> None:
        """End what has ended without an operation: branches that failed, and all that an end of the execution ends."""
        for thread in state.threads.values():
            self._bury_failed(thread.frames[-1] if thread.frames else None)
        if state.status is Status.FAILED:
            self._end_all(FAILED, state.error_value)

    def cancel(self, at: int) -> None:
        """End what is open: the execution was cancelled."""
        self.now = at
        self._end_all(CANCELLED, None)

    def _end_all(self, state: str, error: object) -> None:
        for thread in list(self._open):
            self._bury(thread, state, error)

    def _bury_failed(self, frame: Frame | None) -> None:
        """End the entries of the branches that the innermost block of ``frame`` knows to have failed."""
        if frame is None or not frame.blocks or frame.blocks[-1][0] != "parallel":
            return
        _, _, items, _, _, _, _, errors, prefix = frame.blocks[-1][:9]
        for name, value, _ in errors:
            self._bury(f"{prefix}/{name}" if items is None else f"{prefix}[{name}]", FAILED, value)

    def _bury(self, thread: str, state: str, error: object) -> None:
        for one in reversed(self._open.pop(thread, [])):
            self._close(one, state, error)

    # Opening and closing.

    def _push(self, thread: str, frame: Frame, path: str, kind: str, *, is_part: bool = False) -> Entry:
        stack = self._open[thread]
        around = stack[-1].entry if stack else self._around(thread, frame)
        self._count += 1
        entry = Entry(
            id=self._count,
            routine=frame.unit.name,
            step=frame.unit.wheres[frame.pc].step,
            type=kind,
            thread=thread,
            created=self.now,
            updated=self.now,
            parent=around.id if around is not None else 0,
        )
        self.entries.append(entry)
        if around is not None:
            around.children.append(entry.id)
        before = self._last_child.get((entry.parent, thread))
        if before is not None:
            before.next, entry.previous = entry.id, before.id
        self._last_child[entry.parent, thread] = entry
        stack.append(OpenStep(entry, frame, path, is_part))
        return entry

    def _around(self, thread: str, frame: Frame) -> Entry | None:
        """Return the parallel step that the first entry of a branch belongs to."""
        if frame.outer is None:
            return None
        outside = [stack[-1] for name, stack in self._open.items() if name != thread and stack]
        return next((one.entry for one in outside if one.frame is frame.outer), None)

    def _leave_to(self, stack: list[OpenStep], frame: Frame, path: str, error: object, state: str) -> None:
        """Close what is above the entry of a block, in this frame and those it called."""
        places = [at for at, one in enumerate(stack) if one.frame is frame and one.path == path]
        keep = places[0] + 1 if places else len(stack)
        while len(stack) > keep:
            self._close(stack.pop(), state, error)

    def _close(self, one: OpenStep, state: str, error: object = None) -> None:
        entry = one.entry
        entry.state, entry.updated = state, self.now
        if state == FAILED:
            entry.payload = json.dumps(to_data(error), ensure_ascii=False, separators=(",", ":"))
        if self._detailed:
            entry.variables = _variables(one.frame)
        self._last_child.pop((entry.id, entry.thread), None)

    def _expect(self, thread: str, count: int) -> None:
        if self._detailed:
            self._open[thread][-1].entry.expected = count

    def _type(self, frame: Frame, pc: int, what: str) -> str:
        if what != "call":
            return _parallel_type(frame, pc) if what == "parallel" else _TYPES[what]
        callee = frame.unit.wheres[pc].callee
        if callee in self._routines:
            return "STEP_SUBWORKFLOW_CALL"
        return "STEP_STD_LIB_CALL" if callee in FUNCTIONS else "STEP_CONNECTOR_CALL"

    # What some operations mean for the entries around them: one method each, found by name.

    def _before_again(self, thread: str, frame: Frame, path: str) -> None:
        self._leave_to(self._open[thread], frame, path, None, SUCCEEDED)

    _before_done = _before_again

    def _before_join(self, thread: str, frame: Frame, path: str) -> None:
        self._bury_failed(frame)
        self._leave_to(self._open[thread], frame, path, None, SUCCEEDED)

    def _before_handle(self, thread: str, frame: Frame, path: str) -> None:
        self._leave_to(self._open[thread], frame, path, frame.blocks[-1][3][0], FAILED)

    def _before_branch(self, thread: str, frame: Frame, path: str) -> None:
        entry = self._push(thread, frame, path, "STEP_PARALLEL_BRANCH_ENTRY")
        entry.progress = ("PROGRESS_TYPE_PARALLEL_BRANCH", frame.blocks[-1][2] + 1)

    def _before_iteration(self, thread: str, frame: Frame, path: str) -> None:
        entry = self._push(thread, frame, path, "STEP_FOR_ITERATION")
        entry.progress = ("PROGRESS_TYPE_PARALLEL_FOR", frame.blocks[-1][2] + 1)

    def _after_parallel(self, thread: str, frame: Frame, _path: str, _target: str) -> None:
        self._expect(thread, frame.blocks[-1][3])

    def _after_switch(self, thread: str, frame: Frame, path: str, target: str) -> None:
        number = target[len(path) + 1 :].partition("]")[0]
        entry = self._push(thread, frame, f"{path}[{number}]", "STEP_CONDITION", is_part=True)
        entry.progress = ("PROGRESS_TYPE_SWITCH", int(number) + 1)

    def _after_again(self, thread: str, frame: Frame, path: str, _target: str) -> None:
        block = frame.blocks[-1]
        if block[3] == 1:
            self._expect(thread, _iterations(block))
        entry = self._push(thread, frame, path, "STEP_FOR_ITERATION")
        entry.progress = ("PROGRESS_TYPE_FOR", block[3])

    def _after_try(self, thread: str, frame: Frame, path: str, _target: str) -> None:
        self._push(thread, frame, f"{path}~try", "STEP_TRY", is_part=True)

    def _after_handle(self, thread: str, frame: Frame, path: str, target: str) -> None:
        if not target.startswith(f"{path}~try"):
            self._push(thread, frame, f"{path}~except", "STEP_EXCEPT", is_part=True)
            return
        entry = self._push(thread, frame, f"{path}~try", "STEP_RETRY", is_part=True)
        entry.progress = ("PROGRESS_TYPE_RETRY", frame.blocks[-1][2])


def _nothing(*_about: object) -> None:
    """Do nothing: most operations change no entries but their own."""


def place_of(frame: Frame, pc: int) -> tuple[str, str]:
    """Return the path of an operation, and what it does; of the parts of an assign step only the first has a name."""
    path, _, what = frame.unit.labels[pc].rpartition(":")
    return path, "assign" if what == "assign0" else what


def _contains(outer: str, inner: str) -> bool:
    return len(inner) > len(outer) and inner.startswith(outer) and (not outer or inner[len(outer)] in "/[~")


def _parallel_type(frame: Frame, pc: int) -> str:
    path, _ = place_of(frame, pc)
    known = frame.unit.branches.get(path, [])
    return "STEP_PARALLEL_FOR" if known and not known[0][0] else "STEP_PARALLEL_BRANCH"


def _iterations(block: list[Any]) -> int:
    _, _, items, _, low, high = block
    return len(items) if items is not None else max(0, int((high - low) // 1) + 1)


def _variables(frame: Frame) -> str:
    """Return the variables in scope as JSON: those of a branch hide those around it."""
    held: dict[str, Any] = {}
    around: Frame | None = frame
    while around is not None:
        for key, value in around.vars.items():
            held.setdefault(key.partition("@")[0], value)
        around = around.outer
    return json.dumps({name: _shown(value) for name, value in held.items()}, ensure_ascii=False)


def _shown(value: object) -> Any:
    told = to_data(value)
    size = len(json.dumps(told))
    return told if size <= VALUE_BYTES_MAX else f"({size} bytes)"
