"""Random programs out of every kind of step, for the machine and for the reference."""

import random
from collections.abc import Callable
from typing import Any

from tests.unit.workflows.language.workflow_reference import Env, Evaluate, Expr, failure


class Maker:
    """Makes a random program; its variables ``n`` and ``m`` are numbers, ``l`` is a list, ``d`` a map."""

    def __init__(self, chance: random.Random, *, may_call: bool = True) -> None:
        self.chance = chance
        self.may_call = may_call
        self.branching = 0
        self.count = 0
        self.writable = ["n", "m", "l", "d"]
        self.readable = ["n", "m"]

    def source(self) -> dict[str, Any]:
        init = {"assign": [{"n": 1}, {"m": 2}, {"l": [1, 2, 3]}, {"d": {"a": 1}}]}
        out = {"return": [Expr(name, variable(name)) for name in ("n", "m", "l", "d")]}
        main = [{"init": init}, *self.steps(0), {"out": out}]
        numbers = Maker(self.chance, may_call=False)
        numbers.count, numbers.writable, numbers.readable = 1000, ["x"], ["x", "y"]
        twice = [
            *numbers.steps(2),
            {"back": {"return": Expr("(x + y) % 1009", added("x", "y"))}},
        ]
        check = [
            {"ask": {"call": "http.post", "args": {"url": "https://w/", "body": 1}, "result": "r"}},
            {"back": {"return": Expr('e.tags[0] != "KeyError"', lambda env: tag_of(env, "e") != "KeyError")}},
        ]
        return {
            "main": {"steps": main},
            "twice": {"params": ["x", {"y": 5}], "steps": twice},
            "check": {"params": ["e"], "steps": check},
        }

    def _name(self) -> str:
        self.count += 1
        return f"s{self.count}"

    def steps(self, depth: int) -> list[dict[str, Any]]:
        """Return a few steps; one may jump over those behind it."""
        made = [{self._name(): self._step(depth)} for _ in range(self.chance.randint(1, 3))]
        if len(made) > 1 and self.chance.random() < 0.3:
            ((_, first),) = made[0].items()
            if "next" not in first and first.keys() & {"assign", "call", "switch", "for", "parallel"}:
                first["next"] = next(iter(made[-1]))
        return made

    def _step(self, depth: int) -> dict[str, Any]:
        kinds: list[Callable[[int], dict[str, Any]]] = [self._assign, self._post]
        if self.may_call:
            kinds += [self._post, self._sub, self._nap, self._throw]
        if depth < 4:
            kinds += [self._switch, self._loop, self._attempt, self._nested]
        if depth < 3 and self.branching < 2 and self.may_call:
            kinds += [self._branches, self._parallel_for, self._attempt, self._branches]
        return self.chance.choice(kinds)(depth)

    def _assign(self, depth: int) -> dict[str, Any]:
        entries: list[dict[str, Any]] = []
        for _ in range(self.chance.randint(1, 2)):
            target = self.chance.choice(self.writable) if self.writable else self._local()
            if target == "l":
                held = Expr("list.concat(l, 7)", lambda env: [*env.holder("l")["l"], 7])
                entries.append(
                    self.chance.choice([{"l": held}, {"l[1]": self._number(1)}, {"l[9]": 1}, {"l": [3, 4]}])
                )
            elif target == "d":
                entries.append({self.chance.choice(['d["a"]', 'd["b"]']): self._number(1)})
            else:
                entries.append({target: self._bounded()})
        return {"assign": entries}

    def _post(self, depth: int) -> dict[str, Any]:
        made = {"call": "http.post", "args": {"url": "https://w/", "body": self._number(1)}}
        return self._answered(made)

    def _sub(self, depth: int) -> dict[str, Any]:
        args = {"x": self._number(1)} | ({"y": self._number(0)} if self.chance.random() < 0.5 else {})
        return self._answered({"call": "twice", "args": args})

    def _answered(self, made: dict[str, Any]) -> dict[str, Any]:
        places = [name for name in self.writable if name in {"n", "m", "x"}]
        if places and self.chance.random() < 0.8:
            made["result"] = self.chance.choice(places)
        return made

    def _nap(self, depth: int) -> dict[str, Any]:
        return {"call": "sys.sleep", "args": {"seconds": self.chance.randint(0, 9)}}

    def _throw(self, depth: int) -> dict[str, Any]:
        case = {"condition": self._condition(1), "raise": {"tags": ["Mine"], "code": self._number(0)}}
        return {"switch": [case]}

    def _switch(self, depth: int) -> dict[str, Any]:
        cases = [
            {"condition": self._condition(2), "steps": self.steps(depth + 1)}
            for _ in range(self.chance.randint(1, 2))
        ]
        return {"switch": cases}

    def _loop(self, depth: int) -> dict[str, Any]:
        value = f"v{self.count}"
        self.count += 1
        self.readable.append(value)
        steps = self.steps(depth + 1)
        leave = {"condition": self._condition(1), "next": self.chance.choice(["break", "continue"])}
        steps.insert(self.chance.randint(0, len(steps)), {self._name(): {"switch": [leave]}})
        self.readable.remove(value)
        over: dict[str, Any] = {"range": [1, self.chance.randint(0, 3)]}
        if self.chance.random() < 0.3 and "l" in self.writable:
            over = {"in": self.chance.choice([Expr("l", variable("l")), Expr("n", variable("n")), [4, 5]])}
        return {"for": {"value": value, **over, "steps": steps}}

    def _nested(self, depth: int) -> dict[str, Any]:
        return {"steps": self.steps(depth + 1)}

    def _attempt(self, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {"try": self.chance.choice([self._post, self._nested, self._throw])(depth)}
        chance = self.chance.random()
        if chance < 0.5:
            predicate = self.chance.choice(["check", "retry.always"])
            made["retry"] = {
                "predicate": Expr(predicate, lambda _env: None),
                "max_retries": self.chance.randint(1, 3),
                "backoff": {"initial_delay": self.chance.randint(0, 2), "max_delay": 5, "multiplier": 2},
            }
        if chance > 0.3:
            error = f"e{self.count}"
            self.count += 1
            steps = self.steps(depth + 2)
            tag = Expr(f"{error}.tags[0]", caught(error))
            if "d" in self.writable:
                steps.insert(0, {self._name(): {"assign": [{'d["caught"]': tag}]}})
            made["except"] = {"as": error, "steps": steps}
        return made

    def _branches(self, depth: int) -> dict[str, Any]:
        def made() -> dict[str, Any]:
            branches = [
                {self._name(): {"steps": self.steps(depth + 1)}} for _ in range(self.chance.randint(2, 3))
            ]
            return {"branches": branches}

        return self._shared(made)

    def _parallel_for(self, depth: int) -> dict[str, Any]:
        def made() -> dict[str, Any]:
            value = f"v{self.count}"
            self.count += 1
            self.readable.append(value)
            steps = self.steps(depth + 1)
            self.readable.remove(value)
            return {"for": {"value": value, "range": [1, self.chance.randint(0, 4)], "steps": steps}}

        return self._shared(made)

    def _shared(self, made: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        before = self.writable
        self.writable = [name for name in before if self.chance.random() < 0.7]
        rules = {"shared": list(self.writable)} if self.writable else {}
        if self.chance.random() < 0.4:
            rules |= {"concurrency_limit": self.chance.randint(1, 2)}  # type: ignore[dict-item]
        if self.chance.random() < 0.3:
            rules |= {"exception_policy": "continueAll"}  # type: ignore[dict-item]
        self.branching += 1
        inner = made()
        self.branching -= 1
        self.writable = before
        return {"parallel": {**rules, **inner}}

    def _local(self) -> str:
        return f"own{self.count}"

    # Expressions.

    def _bounded(self) -> Expr:
        inner = self._number(2)
        return Expr(f"({inner.text}) % 1009", lambda env: inner.value(env) % 1009)

    def _number(self, depth: int) -> Expr:
        """Return an expression for a number that is not negative; now and then it fails."""
        kind = self.chance.randint(0, 11) if depth else self.chance.randint(0, 1)
        if kind <= 1 and self.readable:
            name = self.chance.choice(self.readable)
            return Expr(name, variable(name))
        if kind <= 3:
            given = self.chance.randint(0, 9)
            return Expr(str(given), lambda _env: given)
        if kind <= 6 and "d" in self.writable and "l" in self.writable:
            return self._inside(kind, depth)
        return self._arithmetic(depth)

    def _inside(self, kind: int, depth: int) -> Expr:
        """Return an expression for something inside of a list or a map, which may not be there."""
        if kind == 4:
            key = self.chance.choice(["a", "a", "b"])
            return Expr(f'd["{key}"]', lambda env: member(env.holder("d")["d"], key))
        if kind == 5:
            inner = self._number(depth - 1)
            place = f"({inner.text}) % 4"
            return Expr(f"l[{place}]", lambda env: element(env.holder("l")["l"], inner.value(env) % 4))
        return Expr("len(l)", lambda env: len(env.holder("l")["l"]))

    def _arithmetic(self, depth: int) -> Expr:
        sign, meaning = self.chance.choice(
            [("+", lambda a, b: a + b), ("*", lambda a, b: a * b), ("//", divided), ("%", remainder)]
        )
        left, right = self._number(depth - 1), self._number(depth - 1)
        return Expr(
            f"({left.text} {sign} {right.text})", lambda env: meaning(left.value(env), right.value(env))
        )

    def _condition(self, depth: int) -> Expr:
        if depth and self.chance.random() < 0.4:
            left, right = self._condition(depth - 1), self._condition(depth - 1)
            if self.chance.random() < 0.5:
                return Expr(
                    f"({left.text} and {right.text})", lambda env: left.value(env) and right.value(env)
                )
            return Expr(f"({left.text} or {right.text})", lambda env: left.value(env) or right.value(env))
        left, right = self._number(1), self._number(1)
        if self.chance.random() < 0.2:
            return Expr(
                f"not ({left.text} < {right.text})", lambda env: not left.value(env) < right.value(env)
            )
        sign, meaning = self.chance.choice(
            [("<", lambda a, b: a < b), ("==", lambda a, b: a == b), (">=", lambda a, b: a >= b)]
        )
        return Expr(
            f"({left.text} {sign} {right.text})", lambda env: meaning(left.value(env), right.value(env))
        )


def variable(name: str) -> Evaluate:
    return lambda env: env.holder(name)[name]


def added(one: str, other: str) -> Evaluate:
    return lambda env: (variable(one)(env) + variable(other)(env)) % 1009


def caught(name: str) -> Evaluate:
    return lambda env: tag_of(env, name)


def tag_of(env: Env, name: str) -> Any:
    return env.holder(name)[name]["tags"][0]


def member(held: dict[str, Any], key: str) -> Any:
    if key not in held:
        raise failure("KeyError")
    return held[key]


def element(held: list[Any], place: int) -> Any:
    if place >= len(held):
        raise failure("IndexError")
    return held[place]


def divided(left: int, right: int) -> int:
    if right == 0:
        raise failure("ZeroDivisionError")
    return left // right


def remainder(left: int, right: int) -> int:
    if right == 0:
        raise failure("ZeroDivisionError")
    return left % right


def rendered(value: Any) -> Any:
    """Return a source with its expressions as text."""
    if isinstance(value, Expr):
        return str(value)
    if isinstance(value, dict):
        return {key: rendered(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rendered(item) for item in value]
    return value
