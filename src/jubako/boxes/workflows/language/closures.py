"""Expressions and value nodes to closures over a frame."""

from collections.abc import Callable
from typing import Any

from jubako.boxes.workflows.language import operators
from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.errors import key_error, type_error
from jubako.boxes.workflows.language.expressions import (
    Binary,
    Const,
    Expr,
    Index,
    Invocation,
    Items,
    Member,
    Name,
    Unary,
    dotted,
)
from jubako.boxes.workflows.language.library import CONSTANTS, FUNCTIONS, REQUIRED, Function, Kind
from jubako.boxes.workflows.language.limits import INTEGER_MAX, INTEGER_MIN
from jubako.boxes.workflows.language.program import Suspend, Value
from jubako.boxes.workflows.language.scopes import Scope
from jubako.boxes.workflows.language.state import Frame
from jubako.boxes.workflows.language.syntax import Node
from jubako.boxes.workflows.language.values import SCALAR_BYTES, SCALARS, equal, measured, type_name


class ValueCompiler:
    """Compiles the values of one operation.

    Attributes:
        suspends: Whether anything compiled so far may leave the thread; such an operation runs again from its start.

    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.suspends = False
        self.asked = 0

    def node(self, node: Node) -> Value:
        """Compile a value of the source."""
        if node.tree is not None:
            return self.expression(node.tree)
        if node.kind == "scalar":
            return _constant(node.value)
        if _is_constant(node):
            return _constant(_constant_of(node))
        if node.kind == "list":
            items = [self.node(item) for item in node.value]
            return lambda frame: [item(frame) for item in items]
        pairs = [(self.node(key), self.node(item)) for key, item in node.value]
        return lambda frame: {_key(key(frame)): item(frame) for key, item in pairs}

    def expression(self, tree: Expr) -> Value:
        """Compile an expression."""
        if isinstance(tree, Const):
            return _constant(tree.value)
        if isinstance(tree, Name | Member) and self._constant_name(tree):
            return _constant(CONSTANTS[dotted(tree)])
        compile_one: Callable[[Any], Value] = getattr(self, f"_{type(tree).__name__.lower()}")
        return compile_one(tree)

    def _constant_name(self, tree: Name | Member) -> bool:
        name = dotted(tree)
        return name in CONSTANTS and self.scope.resolve(name.partition(".")[0]) is None

    def _name(self, tree: Name) -> Value:
        place = self.scope.resolve(tree.name)
        if place is None:
            return _constant(tree.name)  # a subworkflow, used as a value
        return variable(place, tree.name)

    def _member(self, tree: Member) -> Value:
        item, name = self.expression(tree.item), tree.name

        def read(frame: Frame) -> Data:
            holder = item(frame)
            if type(holder) is dict and name in holder:
                return holder[name]
            return operators.member(holder, name)

        return read

    def _index(self, tree: Index) -> Value:
        item, key = self.expression(tree.item), self.expression(tree.key)
        return lambda frame: operators.index(item(frame), key(frame))

    def _unary(self, tree: Unary) -> Value:
        operand = self.expression(tree.operand)
        if tree.operator == "-":
            return lambda frame: operators.negate(operand(frame))
        return lambda frame: not operators.truth(operand(frame), "not")

    def _binary(self, tree: Binary) -> Value:
        left, right = self.expression(tree.left), self.expression(tree.right)
        if tree.operator in _FAST:
            return _FAST[tree.operator](left, right)
        return _metered(operators.BINARY[tree.operator], left, right)

    def _items(self, tree: Items) -> Value:
        items = [self.expression(item) for item in tree.items]
        return lambda frame: [item(frame) for item in items]

    def _invocation(self, tree: Invocation) -> Value:
        arguments = [self.expression(argument) for argument in tree.arguments]
        function = FUNCTIONS.get(tree.name)
        if function is None or function.kind is not Kind.PURE:
            return self._question(tree.name, arguments)
        defaults = list(function.parameters.values())[len(arguments) :]
        assert REQUIRED not in defaults, tree.name
        run = function.run
        assert run is not None
        effort = effort_of(function)

        def compute(frame: Frame) -> Data:
            given = [argument(frame) for argument in arguments]
            frame.state.spend(sum(map(effort, given)))
            result = run(*given, *defaults)
            frame.state.spend(extent(result))
            return result

        return compute

    def _question(self, name: str, arguments: list[Value]) -> Value:
        key = f"{name}/{self.asked}"
        self.asked += 1
        self.suspends = True

        def ask(frame: Frame) -> Data:
            if key in frame.memo:
                return frame.memo[key]
            raise Suspend(key, name, [argument(frame) for argument in arguments])

        return ask


def extent(value: Data) -> int:
    """Return about how many bytes a function goes over when it reads or makes a value; never slow to tell."""
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value)
    return SCALAR_BYTES * len(value) if kind is list or kind is dict else 0


def effort_of(function: Function) -> Callable[[Data], int]:
    """Return what tells how many bytes a function goes over in an argument; it raises if there are too many."""
    return whole_extent if function.goes_deep else extent


def whole_extent(value: Data) -> int:
    """Return the work of going over all that is in a value; raise MemoryLimitExceededError if it is too large."""
    return measured(value)[2]


def variable(place: tuple[int, str], name: str) -> Value:
    """Return the closure that reads a variable so many frames out."""
    depth, key = place

    def read(frame: Frame) -> Data:
        try:
            return frame.vars[key]
        except KeyError:
            raise _unset(name) from None

    def read_outer(frame: Frame) -> Data:
        for _ in range(depth):
            assert frame.outer is not None
            frame = frame.outer
        return read(frame)

    return read_outer if depth else read


def _unset(name: str) -> Exception:
    return key_error(f"{name}; the variable has no value yet")


def _key(key: Data) -> str:
    if type(key) is str:
        return key
    raise type_error(f"a map key must be a string; got: {type_name(key)}")


def _constant(value: Data) -> Value:
    return lambda _frame: value


def _is_constant(node: Node) -> bool:
    if node.kind == "scalar":
        return node.tree is None
    if node.kind == "list":
        return all(_is_constant(item) for item in node.value)
    return all(_is_constant(key) and _is_constant(item) for key, item in node.value)


def _constant_of(node: Node) -> Data:
    if node.kind == "scalar":
        return node.value
    if node.kind == "list":
        return [_constant_of(item) for item in node.value]
    return {key.value: _constant_of(item) for key, item in node.value}


# The operators of loops and counters get a short way for two integers; all else takes the general one.


def _plus(left: Value, right: Value) -> Value:
    def add(frame: Frame) -> Data:
        one, other = left(frame), right(frame)
        if type(one) is int and type(other) is int and INTEGER_MIN <= one + other <= INTEGER_MAX:
            return one + other
        if type(one) is str:
            frame.state.spend(len(one))
        return operators.add(one, other)

    return add


def _less(left: Value, right: Value) -> Value:
    slow = operators.BINARY["<"]

    def less(frame: Frame) -> Data:
        one, other = left(frame), right(frame)
        return one < other if type(one) is int and type(other) is int else slow(one, other)

    return less


def _equal(left: Value, right: Value) -> Value:
    def same(frame: Frame) -> Data:
        one, other = left(frame), right(frame)
        if type(one) is int and type(other) is int:
            return one == other
        if type(one) not in SCALARS and type(one) is type(other):
            frame.state.spend(whole_extent(one))
        return equal(one, other)

    return same


def _metered(work: Callable[[Data, Data], Data], left: Value, right: Value) -> Value:
    def apply(frame: Frame) -> Data:
        one, other = left(frame), right(frame)
        for operand in (one, other):
            if type(operand) not in SCALARS:
                frame.state.spend(whole_extent(operand))
        return work(one, other)

    return apply


def _and(left: Value, right: Value) -> Value:
    truth = operators.truth
    return lambda frame: truth(left(frame), "and") and truth(right(frame), "and")


def _or(left: Value, right: Value) -> Value:
    truth = operators.truth
    return lambda frame: truth(left(frame), "or") or truth(right(frame), "or")


_FAST: dict[str, Callable[[Value, Value], Value]] = {
    "+": _plus,
    "<": _less,
    "==": _equal,
    "and": _and,
    "or": _or,
}
