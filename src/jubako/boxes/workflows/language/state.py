"""The state of a running workflow: plain data on an explicit stack, and its stored form.

Rules:
1. Everything a run needs to go on is here; an operation keeps nothing between two steps.
2. A *thread* is the main line or one branch or iteration of a parallel step; its name is its path, and so unique.
3. A *frame* holds the variables of one call of a routine, or of one branch; `outer` is the frame a branch stands in.
4. A *block* is a loop, try or parallel step that a frame is inside of: a short list, its kind and label first.
5. An operation that needs an answer (an effect's, a subworkflow's) leaves its thread, and runs again when the answer
   is in the frame's `memo`. So a position in the code and the memo are all there is to store.
6. In stored form a position is the label of its operation, not a number, so that it survives a change of the compiler.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from jubako.boxes.workflows.language.errors import TooLarge, failure
from jubako.boxes.workflows.language.limits import (
    MEMORY_BYTES_MAX,
    NEAR_SHARE,
    STEP_WORK_BYTES_MAX,
    is_near,
)
from jubako.boxes.workflows.language.values import SCALARS, from_data, size_of, to_data
from jubako.core.errors import FailedPrecondition

if TYPE_CHECKING:
    from jubako.boxes.workflows.language.program import Program, Unit

FORMAT = 1
"""Version of the stored form; an older program refuses a newer one."""


class Status(StrEnum):
    """Where an execution stands."""

    ACTIVE = "ACTIVE"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(slots=True, eq=False)
class Frame:
    """One call of a routine, or one branch.

    Attributes:
        state: The execution.
        unit: The compiled routine.
        pc: Index of the operation that runs now or next.
        prefix: What the names of effects begin with, such as ``main/`` or ``main/analyze/ocr_branch/``.
        outer: The frame around a branch; None for a routine.
        into: Key of the caller's memo that takes the returned value.
        vars: Variables.
        bytes: What the variables count for.
        sizes: What each variable that is no scalar counts for.
        blocks: The blocks that are open, outermost first.
        visits: How many effects each path has made.
        memo: Answers the current operation has so far.

    """

    state: "State"
    unit: "Unit"
    pc: int
    prefix: str
    outer: "Frame | None" = None
    into: str = ""
    vars: dict[str, Any] = field(default_factory=dict)
    bytes: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    blocks: list[list[Any]] = field(default_factory=list)
    visits: dict[str, int] = field(default_factory=dict)
    memo: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Thread:
    """A line of execution; ``waiting`` is the effect under way, in stored form, with the memo key for its answer."""

    name: str
    parent: str | None
    depth: int
    frames: list[Frame]
    waiting: dict[str, Any] | None = None


@dataclass(slots=True, eq=False)
class State:
    """An execution.

    Attributes:
        status: ACTIVE until the end.
        result: The returned value once SUCCEEDED.
        error: ``payload``, ``context`` and ``stackTrace`` once FAILED.
        error_value: The raised string or map itself once FAILED.
        threads: Lines of execution by name, in the order of their start.
        ready: Names of threads that can run, in the order in which they will.
        waiting: Name of each effect under way, to the name of its thread.
        steps: Steps executed so far.
        bytes: What all variables count for.
        held: What the lists that loops go through, and the errors that parallel steps keep, count for; as much as the
            variables may.
        work: Bytes that copying, comparing and library calls went over so far.
        work_before: ``work`` when the current operation began.
        slack: Bytes that variables may go over the limit just now.
        near: Limits of which 80 % were used, each with the most that was, the limit, and the step (``routine/step``)
            where that was; not stored.
        next_near: From how many bytes on `near` has more to tell.

    """

    status: Status = Status.ACTIVE
    result: Any = None
    error: dict[str, Any] | None = None
    error_value: Any = None
    threads: dict[str, Thread] = field(default_factory=dict)
    ready: deque[str] = field(default_factory=deque)
    waiting: dict[str, str] = field(default_factory=dict)
    steps: int = 0
    bytes: int = 0
    held: int = 0
    work: int = 0
    work_before: int = 0
    slack: int = 0
    near: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    next_near: int = int(NEAR_SHARE * MEMORY_BYTES_MAX)

    def come_near(self, limit: str, used: int, most: int, frame: Frame) -> None:
        """Note how much of a limit is used, if that is much and the most so far."""
        if is_near(used, most) and used > self.near.get(limit, (0,))[0]:
            self.near[limit] = used, most, f"{frame.unit.name}/{frame.unit.wheres[frame.pc].step}"

    def hold(self, size: int) -> None:
        """Count what a block holds (or, negative, lets go); raise MemoryLimitExceededError over the limit."""
        if size > 0 and self.held + size > MEMORY_BYTES_MAX:
            raise TooLarge
        self.held += size

    def spend(self, size: int) -> None:
        """Count work on values; raise ResourceLimitError if one step does too much of it."""
        self.work += size
        if self.work - self.work_before > STEP_WORK_BYTES_MAX:
            raise failure("ResourceLimitError", "step works on more than 16 MB of values")


def held_by(block: list[Any]) -> int:
    """Return what the list that a block goes through, and the errors that it keeps, count for."""
    if block[0] == "for":
        return 0 if block[2] is None else int(block[4])
    return sum(block[9:]) if block[0] == "parallel" else 0


def dump(state: State) -> dict[str, Any]:
    """Return the state as data that JSON can hold: ``{"format", "status", "steps", "threads", ...}``."""
    return {
        "format": FORMAT,
        "status": state.status.value,
        "result": to_data(state.result),
        "error": to_data(state.error),
        "errorValue": to_data(state.error_value),
        "steps": state.steps,
        "work": state.work,
        "ready": list(state.ready),
        "threads": [_dump_thread(thread) for thread in state.threads.values()],
    }


def _dump_thread(thread: Thread) -> dict[str, Any]:
    return {
        "name": thread.name,
        "parent": thread.parent,
        "depth": thread.depth,
        "waiting": to_data(thread.waiting),
        "frames": [_dump_frame(frame) for frame in thread.frames],
    }


def _dump_frame(frame: Frame) -> dict[str, Any]:
    return {
        "routine": frame.unit.name,
        "at": frame.unit.labels[frame.pc],
        "prefix": frame.prefix,
        "into": frame.into,
        "bytes": frame.bytes,
        "vars": to_data(frame.vars),
        "blocks": to_data(frame.blocks),
        "visits": dict(frame.visits),
        "memo": to_data(frame.memo),
    }


def load(program: "Program", data: dict[str, Any]) -> State:
    """Return the state that `dump` wrote; it goes on exactly as the original would have.

    Raises:
        FailedPrecondition: The data has a newer format, or belongs to another source.

    """
    if data.get("format") != FORMAT:
        raise FailedPrecondition(f"state has format {data.get('format')}; this version reads {FORMAT}.")
    state = State(
        status=Status(data["status"]),
        result=from_data(data["result"]),
        error=from_data(data["error"]),
        error_value=from_data(data["errorValue"]),
        ready=deque(data["ready"]),
        steps=data["steps"],
        work=data["work"],
    )
    for item in data["threads"]:
        _load_thread(program, state, item)
    return state


def _load_thread(program: "Program", state: State, item: dict[str, Any]) -> None:
    thread = Thread(item["name"], item["parent"], item["depth"], [], from_data(item["waiting"]))
    outer = state.threads[thread.parent].frames[-1] if thread.parent is not None else None
    for frame in item["frames"]:
        loaded = _load_frame(state, program, frame, outer)
        state.bytes += loaded.bytes
        state.held += sum(map(held_by, loaded.blocks))
        thread.frames.append(loaded)
        outer = None
    state.threads[thread.name] = thread
    if thread.waiting is not None:
        state.waiting[thread.waiting["name"]] = thread.name


def _load_frame(state: State, program: "Program", item: dict[str, Any], outer: Frame | None) -> Frame:
    unit = program.units.get(item["routine"])
    pc = unit.positions.get(item["at"]) if unit is not None else None
    if unit is None or pc is None:
        raise FailedPrecondition(
            f"state stands at {item['at']} of {item['routine']}, which the program does not have."
        )
    held = from_data(item["vars"])
    return Frame(
        state=state,
        unit=unit,
        pc=pc,
        prefix=item["prefix"],
        outer=outer,
        into=item["into"],
        vars=held,
        sizes={key: size_of(value) for key, value in held.items() if type(value) not in SCALARS},
        bytes=item["bytes"],
        blocks=from_data(item["blocks"]),
        visits=dict(item["visits"]),
        memo=from_data(item["memo"]),
    )
