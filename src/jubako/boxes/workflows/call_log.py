"""Call logging: which calls a traced program makes, and how they end.

1. Only call steps are told, not calls inside of expressions. A library function that is computed on the spot is
   computed twice then: its values are nowhere else.
2. The entries of a turn are committed with it. After a restart the calls under way are known again from the state;
   their beginnings were told before.

Sources: cloud.google.com/workflows/docs/log-workflow, "Call logging"; google/cloud/workflows/type/engine_call.proto.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jubako.boxes.workflows.language.errors import Raised
from jubako.boxes.workflows.language.operations import CALL_KEY, WORK
from jubako.boxes.workflows.language.program import Program, Suspend
from jubako.boxes.workflows.language.state import Frame, State
from jubako.boxes.workflows.language.values import to_data
from jubako.boxes.workflows.resources import Execution
from jubako.boxes.workflows.step_entries import FAILED, SUCCEEDED, Entry
from jubako.boxes.workflows.step_recorder import OpenStep, StepRecorder, place_of
from jubako.core.timestamps import format_timestamp, from_micros

if TYPE_CHECKING:
    from jubako.boxes.workflows.language.machine import Machine

Level = Execution.CallLogLevel
_CALLS = frozenset({"STEP_STD_LIB_CALL", "STEP_CONNECTOR_CALL", "STEP_SUBWORKFLOW_CALL"})
TEXT_CHARS_MAX = 4_096
"""Ours: of longer arguments, responses and exceptions the beginning is kept."""
_HIDDEN = "REDACTED"


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One entry of the log; ``time`` in microseconds since 1970, ``details`` as EngineCallLog has them."""

    number: int
    """Of the call within what this recorder has seen."""
    state: str
    step: str
    callee: str
    time: int
    details: Mapping[str, Any]


class CallRecorder(StepRecorder):
    """See the module; ``take`` gives what was told since."""

    def __init__(self, program: Program, level: Level) -> None:
        """Only exceptions are told at LOG_ERRORS_ONLY."""
        super().__init__(program)
        self._units = program.units
        self._tells_all = level is Level.LOG_ALL_CALLS
        self._events: list[CallEvent] = []
        self._callees: dict[int, str] = {}
        self._answers: dict[int, Any] = {}
        self._failed: dict[str, tuple[Entry, str]] = {}

    def take(self) -> list[CallEvent]:
        """Return what was told since the last time."""
        events, self._events = self._events, []
        self.entries.clear()
        return events

    def resume(self, state: State) -> None:
        """Take up the calls under way in a state that was loaded."""
        for thread in state.threads.values():
            if self._open.get(thread.name):
                continue
            self._open[thread.name] = []
            for frame in thread.frames:
                path, what = place_of(frame, frame.pc)
                if what == "call":
                    entry = self._push(thread.name, frame, path, self._type(frame, frame.pc, what))
                    self._callees[entry.id] = frame.unit.wheres[frame.pc].callee
                    self._open[thread.name][-1].is_asking = True

    # What the recorder below it sees of calls.

    def before(self, machine: "Machine", frame: Frame, pc: int) -> None:
        """See Tracer."""
        stack = self._open.get(machine.thread.name)
        if stack and stack[-1].frame is frame and CALL_KEY in frame.memo:
            self._answers[stack[-1].entry.id] = frame.memo[CALL_KEY]
        super().before(machine, frame, pc)
        top = self._open[machine.thread.name]
        if top and top[-1].entry.type in _CALLS and top[-1].entry.id not in self._callees:
            self._callees[top[-1].entry.id] = frame.unit.wheres[pc].callee
            self._compute(machine, frame, pc, top[-1].entry)

    def _compute(self, machine: "Machine", frame: Frame, pc: int, entry: Entry) -> None:
        """Tell the beginning of a call that is computed on the spot; nothing of the machine changes by it."""
        work = getattr(self._units[frame.unit.name].code[pc], WORK, None)
        if work is None or not self._tells_all:
            return
        spent = machine.state.work
        given: dict[str, Any] = {}
        arguments, answer = work
        try:
            given = arguments(frame)
            self._answers[entry.id] = answer(given)
        except Suspend:  # an argument waits for an answer; the operation comes again with it
            del self._callees[entry.id]
            return
        except Raised:  # the operation itself will raise it
            pass
        finally:
            machine.state.work = spent
        self._tell("BEGUN", entry, {"begun": {"namedArgs": _arguments(given)}})

    def asked(self, machine: "Machine", frame: Frame, pc: int, question: Suspend) -> None:
        """See Tracer."""
        super().asked(machine, frame, pc, question)
        stack = self._open[machine.thread.name]
        if question.key == CALL_KEY and stack and isinstance(question.given, dict):
            self._tell("BEGUN", stack[-1].entry, {"begun": {"namedArgs": _arguments(question.given)}})

    def _close(self, one: OpenStep, state: str, error: object = None) -> None:
        super()._close(one, state, error)
        entry = one.entry
        if entry.id not in self._callees:
            return
        began = format_timestamp(from_micros(entry.created))
        if state == FAILED:
            self._failed[entry.thread] = (entry, self._callees[entry.id])
            self._tell("EXCEPTION_RAISED", entry, {"exceptionRaised": _exception(entry, began)})
        elif state == SUCCEEDED:
            response = _text(self._answers.pop(entry.id, None))
            self._tell("SUCCEEDED", entry, {"succeeded": {"callStartTime": began, "response": response}})
        del self._callees[entry.id]

    def _after_handle(self, thread: str, frame: Frame, path: str, target: str) -> None:
        super()._after_handle(thread, frame, path, target)
        failed = self._failed.pop(thread, None)
        if failed is not None and not target.startswith(f"{path}~try"):
            entry, callee = failed
            self._callees[entry.id] = callee
            began = format_timestamp(from_micros(entry.created))
            self._tell("EXCEPTION_HANDLED", entry, {"exceptionHandled": _exception(entry, began)})
            del self._callees[entry.id]

    def _tell(self, state: str, entry: Entry, details: Mapping[str, Any]) -> None:
        if self._tells_all or state.startswith("EXCEPTION"):
            callee = self._callees[entry.id]
            self._events.append(CallEvent(entry.id, state, entry.step, callee, self.now, details))


def recorder_of(program: Program, level: Level) -> CallRecorder | None:
    """Return who tells the calls of an execution; None if nobody is to."""
    return CallRecorder(program, level) if level in {Level.LOG_ALL_CALLS, Level.LOG_ERRORS_ONLY} else None


def _exception(entry: Entry, began: str) -> dict[str, Any]:
    return {"callStartTime": began, "exception": (entry.payload or "")[:TEXT_CHARS_MAX], "origin": entry.step}


def _arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as the log shows them: long ones as the beginning of their text, no credentials."""
    shown: dict[str, Any] = {}
    for name, value in given.items():
        told = to_data(_without_credentials(value) if name == "headers" else value)
        text = json.dumps(told, ensure_ascii=False)
        shown[name] = told if len(text) <= TEXT_CHARS_MAX else text[:TEXT_CHARS_MAX]
    return shown


def _without_credentials(headers: object) -> object:
    if not isinstance(headers, dict):
        return headers
    return {name: _HIDDEN if name.lower() == "authorization" else value for name, value in headers.items()}


def _text(value: object) -> str:
    return json.dumps(to_data(value), ensure_ascii=False)[:TEXT_CHARS_MAX]
