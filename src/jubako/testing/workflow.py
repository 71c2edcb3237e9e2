"""Run a workflow file in a test: no server, stubs for what is outside, and time that passes by itself.

    flow = WorkflowUnderTest.of_file("flow.yaml")
    flow.http("POST", "https://api.test/*", returns={"id": 1})
    flow.connector("googleapis.run.v2.projects.locations.jobs.run", raises="OperationError")
    run = flow.run({"video": "a.mp4"})
    assert run.result == "ok"
    assert run.trace == ["main/prepare", "main/call_it", "main/done"]

1. It is the compiler and the machine of the server; only what an effect meets outside is a stub.
2. Time is virtual: a year of sleep takes no time, and ``run.elapsed`` is what the workflow would have waited.
3. A call without a stub is an error of the test, and says which stub is missing. A stub that answers several times
   does so in the order in which it was given, the last one for ever.
"""

import heapq
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from jubako.boxes.workflows.language import (
    Continue,
    Effect,
    EffectDone,
    EffectFailed,
    EffectKind,
    Program,
    SourceRefused,
    Start,
    State,
    Status,
    advance,
    compile_workflow,
    initial_state,
)
from jubako.boxes.workflows.language.program import Operation, Unit, Where
from jubako.boxes.workflows.messages import failure_map, url_of
from jubako.core.timestamps import EPOCH
from jubako.testing.stubs import Answer, Stub
from jubako.testing.subworkflows import alone, inside

__all__ = ["Answer", "Called", "MissingStub", "Run", "WorkflowFailed", "WorkflowUnderTest"]

Outcome = EffectDone | EffectFailed
START = datetime(2026, 1, 1, tzinfo=UTC)
CALLBACK_TIMEOUT_S = 43_200.0
HTTP_TIMEOUT_S = 1_800.0


class MissingStub(AssertionError):
    """The workflow called something the test has no stub for."""


class WorkflowFailed(AssertionError):
    """``run.result`` was asked for, but the execution failed."""


@dataclass(frozen=True, slots=True)
class Called:
    """One effect the workflow asked for; ``at`` is the virtual time since the start."""

    name: str
    step: str
    function: str
    args: Mapping[str, Any]
    at: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How an execution went."""

    state: str
    """SUCCEEDED or FAILED."""
    value: Any
    error: Any
    """The value that was raised, or None."""
    context: str
    trace: Sequence[str]
    """Paths of the steps that ran, in order: ``main/loop``, ``main/loop/body``, ..."""
    called: Sequence[Called]
    logs: Sequence[Any]
    """Payloads of ``sys.log``."""
    elapsed: timedelta
    steps: int

    @property
    def result(self) -> Any:  # noqa: ANN401 - any value of the language
        """The returned value.

        Raises:
            WorkflowFailed: It returned none; the message says why.

        """
        __tracebackhide__ = True
        if self.state != Status.SUCCEEDED:
            payload = json.dumps(self.error, ensure_ascii=False, default=repr, separators=(",", ":"))
            raise WorkflowFailed(self.context if payload in self.context else f"{self.context} ({payload})")
        return self.value

    def calls(self, function: str) -> list[Called]:
        """Return the calls whose function matches a pattern such as ``http.*`` or ``sys.sleep``."""
        return [call for call in self.called if fnmatchcase(call.function, function)]


class WorkflowUnderTest:
    """A workflow and its stubs."""

    def __init__(self, source: str, *, env: Mapping[str, str] | None = None) -> None:
        """Compile ``source``.

        Args:
            source: The text, YAML or JSON.
            env: What ``sys.get_env`` sees, beside GOOGLE_CLOUD_PROJECT_ID and the like.

        Raises:
            SourceRefused: It is no workflow.

        """
        self._program = compile_workflow(source)
        self._env = {**_ENV, **(env or {})}
        self._http: list[Stub] = []
        self._connectors: list[Stub] = []
        self._callbacks: list[Answer] = []

    @classmethod
    def of_file(cls, path: str | Path, *, env: Mapping[str, str] | None = None) -> Self:
        """Return the workflow of a file.

        Raises:
            SourceRefused: It is no workflow; its notes name the file.

        """
        __tracebackhide__ = True
        try:
            return cls(Path(path).read_text("utf-8"), env=env)
        except SourceRefused as refused:
            refused.add_note(f"in {path}")
            raise

    def http(self, method: str, url: str, *answers: Answer, **answer: Any) -> Self:  # noqa: ANN401
        """Answer HTTP calls whose method and URL (query included) match; ``*`` stands for anything.

        Give keywords of Answer (``returns``, ``code``, ``headers``, ``raises``, ``after``), or several Answers.
        """
        self._http.insert(0, Stub(method.upper(), url, list(answers) or [Answer(**answer)]))
        return self

    def connector(self, name: str, *answers: Answer, **answer: Any) -> Self:  # noqa: ANN401
        """Answer calls of connectors whose name matches; a long-running one is over when it answers."""
        self._connectors.insert(0, Stub(name, "", list(answers) or [Answer(**answer)]))
        return self

    def callback(self, body: Any = None, *, method: str = "POST", after: float = 0.0) -> Self:  # noqa: ANN401
        """Let a callback come ``after`` so many seconds of waiting; without one, waiting times out."""
        self._callbacks.append(Answer(returns={"body": body, "method": method}, after=after))
        return self

    def run(self, argument: object = None) -> Run:
        """Execute the workflow to its end.

        Raises:
            MissingStub: It called something without a stub.

        """
        __tracebackhide__ = True
        return _Execution(self._program, argument, self._answer).run()

    def run_subworkflow(self, name: str, **given: Any) -> Run:  # noqa: ANN401 - any values of the language
        """Execute one subworkflow with the arguments ``given``; its steps are ``NAME/step`` in the trace.

        Raises:
            LookupError: There is no such subworkflow.
            TypeError: It takes other arguments.
            MissingStub: It called something without a stub.

        """
        __tracebackhide__ = True
        run = _Execution(alone(self._program, name, given), given, self._answer).run()
        return replace(run, trace=[own for path in run.trace if (own := inside(path, name)) is not None])

    def _answer(self, effect: Effect, elapsed: float) -> tuple[float, Outcome]:
        """Return after how many seconds an effect has which outcome."""
        __tracebackhide__ = True
        match effect.kind:
            case EffectKind.HTTP:
                return self._answer_http(effect)
            case EffectKind.CONNECTOR:
                return self._answer_connector(effect)
            case EffectKind.SLEEP:
                until = effect.args.get("until")
                wait = effect.args["seconds"] if until is None else until - _seconds(START) - elapsed
                return max(wait, 0.0), EffectDone(effect.name)
            case EffectKind.CALLBACK_AWAIT:
                return self._answer_callback(effect, elapsed)
            case _:
                return 0.0, EffectDone(effect.name, self._instant(effect, elapsed))

    def _instant(self, effect: Effect, elapsed: float) -> Any:  # noqa: ANN401
        match effect.kind:
            case EffectKind.NOW:
                return _seconds(START) + elapsed
            case EffectKind.UUID:
                return _uuid_of(effect.name)
            case EffectKind.ENV:
                return self._env.get(effect.args["name"], effect.args.get("default"))
            case EffectKind.CALLBACK_CREATE:
                return {"url": f"https://callback.test/{effect.name}"}
        return None

    def _answer_http(self, effect: Effect) -> tuple[float, Outcome]:
        __tracebackhide__ = True
        method, url = effect.args["method"], url_of(effect.args)
        for stub in self._http:
            if fnmatchcase(method, stub.function) and fnmatchcase(url, stub.url):
                return _http_outcome(effect, stub.next())
        raise MissingStub(
            f"Step {effect.step} calls {method} {url}; give the test a stub: "
            f"flow.http({method!r}, {url!r}, returns=...)"
        )

    def _answer_connector(self, effect: Effect) -> tuple[float, Outcome]:
        __tracebackhide__ = True
        for stub in self._connectors:
            if fnmatchcase(effect.function, stub.function):
                answer = stub.next()
                if answer.raises is not None:
                    return answer.after, _failed(effect, answer.raises, answer)
                if answer.code >= 400:
                    return answer.after, _failed(effect, "HttpError", answer)
                return answer.after, EffectDone(effect.name, answer.returns)
        raise MissingStub(
            f"Step {effect.step} calls {effect.function}; give the test a stub: "
            f"flow.connector({effect.function!r}, returns=...)"
        )

    def _answer_callback(self, effect: Effect, elapsed: float) -> tuple[float, Outcome]:
        patience = float(effect.args.get("timeout") or CALLBACK_TIMEOUT_S)
        if not self._callbacks or self._callbacks[0].after > patience:
            return patience, EffectFailed(
                effect.name, failure_map("TimeoutError", "no callback came in time")
            )
        answer = self._callbacks.pop(0)
        request = {"headers": {}, "query": {}, "url": "", **answer.returns}
        received = (START + timedelta(seconds=elapsed + answer.after)).isoformat().replace("+00:00", "Z")
        value = {"http_request": request, "received_time": received, "type": "HTTP"}
        return answer.after, EffectDone(effect.name, value)


_ENV = {
    "GOOGLE_CLOUD_PROJECT_ID": "local",
    "GOOGLE_CLOUD_PROJECT_NUMBER": "1",
    "GOOGLE_CLOUD_LOCATION": "asia-northeast1",
    "GOOGLE_CLOUD_WORKFLOW_ID": "workflow",
    "GOOGLE_CLOUD_WORKFLOW_REVISION_ID": "000001-000",
    "GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID": "execution",
    "GOOGLE_CLOUD_SERVICE_ACCOUNT_NAME": "",
}


def _uuid_of(name: str) -> str:
    """Return an id that is the same in every run, and another for every effect."""
    return str(UUID(bytes=sha256(name.encode()).digest()[:16], version=4))


def _http_outcome(effect: Effect, answer: Answer) -> tuple[float, Outcome]:
    patience = float(effect.args.get("timeout") or HTTP_TIMEOUT_S)
    if answer.after > patience:
        return patience, _failed(effect, "TimeoutError", answer)
    if answer.raises is not None:
        return answer.after, _failed(effect, answer.raises, answer)
    reply = {"body": answer.returns, "code": answer.code, "headers": dict(answer.headers)}
    if answer.code >= 400:
        message = f"HTTP server responded with error code {answer.code}"
        return answer.after, EffectFailed(effect.name, failure_map("HttpError", message, **reply))
    return answer.after, EffectDone(effect.name, reply)


def _failed(effect: Effect, tag: str, answer: Answer) -> EffectFailed:
    fields = {"code": answer.code, "body": answer.returns} if tag == "HttpError" else {}
    return EffectFailed(effect.name, failure_map(tag, f"{tag}: stub of {effect.function}", **fields))


def _seconds(instant: datetime) -> float:
    return (instant - EPOCH).total_seconds()


class _Execution:
    """One run: a queue of outcomes by their virtual time, fed one at a time."""

    def __init__(
        self,
        program: Program,
        argument: object,
        answer: Callable[[Effect, float], tuple[float, Outcome]],
    ) -> None:
        self._trace: list[str] = []
        self._program = replace(
            program, units={name: _traced(unit, self._trace) for name, unit in program.units.items()}
        )
        self._state = initial_state(self._program, argument)
        self._answer = answer
        self._queue: list[tuple[float, int, Outcome]] = []
        self._elapsed = 0.0
        self._called: list[Called] = []
        self._logs: list[Any] = []

    def run(self) -> Run:
        """Return how it went."""
        __tracebackhide__ = True
        self._take(advance(self._program, self._state, Start())[1])
        while self._state.status is Status.ACTIVE:
            assert self._queue, "the execution waits for nothing: a bug of the machine"
            self._elapsed, _, outcome = heapq.heappop(self._queue)
            self._take(advance(self._program, self._state, outcome)[1])
            while self._state.ready and self._state.status is Status.ACTIVE:
                self._take(advance(self._program, self._state, Continue())[1])
        told = self._state.error or {"context": ""}
        return Run(
            state=self._state.status.value,
            value=self._state.result,
            error=self._state.error_value,
            context=told["context"],
            trace=self._trace,
            called=self._called,
            logs=self._logs,
            elapsed=timedelta(seconds=self._elapsed),
            steps=self._state.steps,
        )

    def _take(self, effects: Sequence[Effect]) -> None:
        __tracebackhide__ = True
        for effect in effects:
            if effect.kind is EffectKind.ABANDON:
                continue
            at = timedelta(seconds=self._elapsed)
            self._called.append(Called(effect.name, effect.step, effect.function, effect.args, at))
            if effect.kind is EffectKind.LOG:
                self._logs.append(
                    next((effect.args[key] for key in ("text", "json", "data") if key in effect.args), None)
                )
            after, outcome = self._answer(effect, self._elapsed)
            heapq.heappush(self._queue, (self._elapsed + after, len(self._called), outcome))


def _traced(unit: Unit, trace: list[str]) -> Unit:
    """Return a routine that also writes down which steps it begins."""
    return replace(
        unit, code=[_noting(run, where, trace) for run, where in zip(unit.code, unit.wheres, strict=True)]
    )


def _noting(run: Operation, where: Where, trace: list[str]) -> Operation:
    def noting(machine: Any, frame: Any) -> int:  # noqa: ANN401 - as Operation has it
        state: State = machine.state
        before = state.steps
        path = f"{frame.prefix}{where.path}"
        place = len(trace)
        try:
            return run(machine, frame)
        finally:
            if state.steps > before and where.kind != "try":  # its body has the same name, once for each try
                trace.insert(place, path)

    return noting
