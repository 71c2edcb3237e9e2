"""An interpreter of the workflow language that shares nothing with the machine, for comparison.

It walks the source itself, with a Python generator for each thread: no compiling, no explicit stack, no journal. Where
the machine gets text, it gets an `Expr`, which knows its meaning as a Python function.
"""

import json
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

Evaluate = Callable[["Env"], Any]
Thread = Generator[tuple[Any, ...], Any, Any]


class Fail(Exception):
    """An error of the language; ``value`` is what `except` receives."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self.value = value


def failure(tag: str) -> Fail:
    return Fail({"tags": [tag], "message": tag})


@dataclass
class Env:
    """Variables of a scope and of those around it."""

    outer: "Env | None" = None
    names: dict[str, Any] = field(default_factory=dict)

    def holder(self, name: str) -> dict[str, Any]:
        env: Env | None = self
        while env is not None:
            if name in env.names:
                return env.names
            env = env.outer
        return self.names


@dataclass(frozen=True)
class Expr:
    """An expression: its text for the machine, its meaning for the reference."""

    text: str
    value: Evaluate

    def __str__(self) -> str:
        return "${" + self.text + "}"


def interpreted(source: dict[str, Any], name: str, args: dict[str, Any]) -> Thread:
    routine = source[name]
    env = Env(names=args)
    for parameter in routine.get("params", []):
        if isinstance(parameter, dict):
            ((key, default),) = parameter.items()
            args.setdefault(key, default)
    signal = yield from block(source, routine["steps"], env)
    return signal[1] if signal is not None and signal[0] == "return" else None


def block(source: dict[str, Any], steps: list[dict[str, Any]], env: Env) -> Thread:
    """Run steps; return None, or what leaves them: ``("return", value)``, ``("break",)``, ``("continue",)``."""
    places = {next(iter(step)): place for place, step in enumerate(steps)}
    place = 0
    while place < len(steps):
        ((_, body),) = steps[place].items()
        signal = yield from step(source, body, env)
        place += 1
        if signal is not None and signal[0] == "next" and signal[1] in places:
            place = places[signal[1]]
        elif signal is not None:
            return signal
    return None


def step(source: dict[str, Any], body: dict[str, Any], env: Env) -> Thread:
    for kind, run in STEPS.items():
        if kind in body:
            signal = yield from run(source, body, env)
            return jump(body["next"]) if signal is None and "next" in body else signal
    return jump(body["next"])


def jump(label: str) -> tuple[str, ...]:
    return (label,) if label in {"break", "continue"} else ("next", label)


def assign(_source: dict[str, Any], body: dict[str, Any], env: Env) -> Thread:
    for entry in body["assign"]:
        ((target, expression),) = entry.items()
        value = copied(evaluated(expression, env))
        name, _, key = target.partition("[")
        if not key:
            env.holder(name)[name] = value
            continue
        held, where = env.holder(name)[name], json.loads(key[:-1])
        if isinstance(held, list) and not 0 <= where < len(held):
            raise failure("IndexError")
        held[where] = value
    yield from ()


def call(source: dict[str, Any], body: dict[str, Any], env: Env) -> Thread:
    args = {name: copied(evaluated(value, env)) for name, value in body.get("args", {}).items()}
    if body["call"] in source:
        answer = yield from interpreted(source, body["call"], args)
    elif body["call"] == "sys.sleep":
        answer = yield ("sleep", float(args["seconds"]))
    else:
        answer = yield ("http", args["body"])
    if "result" in body:
        env.holder(body["result"])[body["result"]] = answer


def switch(source: dict[str, Any], body: dict[str, Any], env: Env) -> Thread:
    for case in body["switch"]:
        held = evaluated(case["condition"], env)
        if not isinstance(held, bool):
            raise failure("TypeError")
        if held:
            return (yield from step(source, {key: case[key] for key in case if key != "condition"}, env))
    return None


def loop(source: dict[str, Any], body: dict[str, Any], env: Env) -> Thread:
    rules = body["for"]
    for index, item in enumerate(loop_items(rules, env)):
        inner = Env(env, {rules["value"]: item, rules.get("index", "unused"): index})
        signal = yield from block(source, rules["steps"], inner)
        if signal == ("break",):
            return None
        if signal is not None and signal != ("continue",):
            return signal
    return None


def loop_items(rules: dict[str, Any], env: Env) -> list[Any]:
    if "in" in rules:
        held = evaluated(rules["in"], env)
        if not isinstance(held, list):
            raise failure("TypeError")
        return list(copied(held))
    low, high = (evaluated(bound, env) for bound in rules["range"])
    return list(range(low, high + 1))


def parallel(source: dict[str, Any], body: dict[str, Any], env: Env) -> Thread:
    rules = body["parallel"]
    if "branches" in rules:
        named = [next(iter(branch.items())) for branch in rules["branches"]]
        branches = [(name, block(source, inner["steps"], Env(env))) for name, inner in named]
    else:
        each = rules["for"]
        branches = [
            (str(index), block(source, each["steps"], Env(env, {each["value"]: item})))
            for index, item in enumerate(loop_items(each, env))
        ]
    errors = yield ("parallel", branches, rules.get("concurrency_limit", 20))
    if errors:
        told = [{"id": name, "error": {"payload": value}} for name, value in errors]
        raise Fail({"tags": ["UnhandledBranchError"], "branches": told})


def attempt(source: dict[str, Any], body: dict[str, Any], env: Env) -> Thread:
    retry, retries = body.get("retry"), 0
    while True:
        try:
            return (yield from step(source, body["try"], env))
        except Fail as failed:
            error = failed
        if retry is None or retries >= retry["max_retries"]:
            break
        predicate = retry["predicate"].text
        agrees = (
            (yield from interpreted(source, predicate, {"e": error.value})) if predicate in source else True
        )
        if not agrees:
            break
        backoff = retry["backoff"]
        delay = min(backoff["initial_delay"] * backoff["multiplier"] ** retries, backoff["max_delay"])
        if delay > 0:
            yield ("sleep", float(delay))
        retries += 1
    if "except" not in body:
        raise error
    env.holder(body["except"]["as"])[body["except"]["as"]] = error.value
    return (yield from block(source, body["except"]["steps"], env))


def throw(_source: dict[str, Any], body: dict[str, Any], env: Env) -> Thread:
    yield from ()
    raise Fail({key: evaluated(value, env) for key, value in body["raise"].items()})


def give_back(_source: dict[str, Any], body: dict[str, Any], env: Env) -> Thread:
    yield from ()
    return ("return", copied(evaluated(body["return"], env)))


def nested(source: dict[str, Any], body: dict[str, Any], env: Env) -> Thread:
    return (yield from block(source, body["steps"], env))


STEPS: dict[str, Callable[[dict[str, Any], dict[str, Any], Env], Thread]] = {
    "assign": assign,
    "call": call,
    "switch": switch,
    "for": loop,
    "parallel": parallel,
    "try": attempt,
    "raise": throw,
    "return": give_back,
    "steps": nested,
}


def evaluated(value: Any, env: Env) -> Any:
    if isinstance(value, Expr):
        return value.value(env)
    if isinstance(value, list):
        return [evaluated(item, env) for item in value]
    return value


def copied(value: Any) -> Any:
    return json.loads(json.dumps(value))


@dataclass(eq=False)
class Task:
    """A thread of the reference."""

    thread: Thread
    parent: "Task | None" = None
    name: str = ""
    waiting: deque[tuple[str, Thread]] = field(default_factory=deque)
    running: int = 0
    limit: int = 0
    errors: list[tuple[str, Any]] = field(default_factory=list)
    send: Any = None
    throw: Fail | None = None


class Reference:
    """Runs threads in the order in which they became ready, each until it has to wait."""

    def __init__(self, source: dict[str, Any]) -> None:
        self.ready = deque([Task(interpreted(source, "main", {}))])
        self.asked: list[tuple[Task, tuple[Any, ...]]] = []
        self.outcome: tuple[str, Any] | None = None

    def run(self) -> list[tuple[Task, tuple[Any, ...]]]:
        """Run all that can; return what was asked for."""
        self.asked = []
        while self.ready:
            self._resume(self.ready.popleft())
        return self.asked

    def answer(self, task: Task, value: Any, error: Any) -> None:
        task.send, task.throw = value, None if error is None else Fail(error)
        self.ready.append(task)

    def _resume(self, task: Task) -> None:
        try:
            while True:
                send, raised, task.send, task.throw = task.send, task.throw, None, None
                question = task.thread.send(send) if raised is None else task.thread.throw(raised)
                if question[0] != "parallel":
                    self.asked.append((task, question))
                    return
                _, branches, task.limit = question
                task.waiting, task.errors = deque(branches), []
                if branches:
                    self._start(task)
                    return
                task.send = []
        except StopIteration as ended:
            self._end(task, ended.value, None)
        except Fail as failed:
            self._end(task, None, failed.value)

    def _start(self, parent: Task) -> None:
        while parent.waiting and parent.running < parent.limit:
            name, thread = parent.waiting.popleft()
            parent.running += 1
            self.ready.append(Task(thread, parent, name))

    def _end(self, task: Task, value: Any, error: Any) -> None:
        parent = task.parent
        if parent is None:
            self.outcome = ("FAILED", error["tags"][0]) if error is not None else ("SUCCEEDED", value)
            return
        parent.running -= 1
        if error is not None:
            parent.errors.append((task.name, error))
        self._start(parent)
        if parent.running == 0:
            parent.send = list(parent.errors)
            self.ready.append(parent)
