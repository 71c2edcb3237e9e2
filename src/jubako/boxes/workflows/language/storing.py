"""Writing variables: copy, account, set; so that memory is bounded before it is used."""

from collections.abc import Callable
from typing import Any

from jubako.boxes.workflows.language import operators
from jubako.boxes.workflows.language.closures import ValueCompiler, variable
from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.errors import TooLarge, type_error
from jubako.boxes.workflows.language.expressions import Expr, Index, Invocation, Member, Name
from jubako.boxes.workflows.language.library.arguments import sequence
from jubako.boxes.workflows.language.limits import MEMORY_BYTES_MAX
from jubako.boxes.workflows.language.program import Value
from jubako.boxes.workflows.language.scopes import Scope
from jubako.boxes.workflows.language.state import Frame, State
from jubako.boxes.workflows.language.values import (
    SCALAR_BYTES,
    SCALARS,
    measured,
    size_of,
    text_bytes,
    type_name,
)

Store = Callable[[State, Frame, Any], None]
"""Writes a value to the place it was compiled for; raises Raised."""


def charge(state: State, frame: Frame, delta: int) -> None:
    """Count memory of a frame's variables; raise ResourceLimitError over the limit, counting nothing."""
    if delta > 0 and state.bytes + delta > MEMORY_BYTES_MAX + state.slack:
        raise TooLarge
    state.bytes += delta
    frame.bytes += delta
    if state.bytes >= state.next_near:
        state.come_near("memory_bytes", state.bytes, MEMORY_BYTES_MAX, frame)
        state.next_near = state.bytes + 1


def put(state: State, frame: Frame, key: str, value: Data) -> None:
    """Set a variable of a frame to a copy of a value."""
    names, sizes = frame.vars, frame.sizes
    old = names.get(key, names)
    size = SCALAR_BYTES
    if type(value) not in SCALARS:
        value, size, work = measured(value)
        state.spend(work)
    elif type(old) in SCALARS:
        names[key] = value
        return
    before = -SCALAR_BYTES - len(key) if old is names else sizes.get(key, SCALAR_BYTES)
    charge(state, frame, size - before)
    names[key] = value
    if type(value) in SCALARS:
        sizes.pop(key, None)
    else:
        sizes[key] = size


def drop(state: State, frame: Frame, key: str) -> None:
    """Remove a variable of a frame, if it is there."""
    names = frame.vars
    old = names.pop(key, names)
    if old is not names:
        charge(state, frame, -(frame.sizes.pop(key, SCALAR_BYTES) + SCALAR_BYTES + len(key)))


def variable_store(scope: Scope, name: str) -> Store:
    """Return the store of a variable as seen from a scope."""
    place = scope.resolve(name)
    assert place is not None, name
    depth, key = place
    if depth == 0:
        return lambda state, frame, value: put(state, frame, key, value)

    def store(state: State, frame: Frame, value: Data) -> None:
        put(state, frame_out(frame, depth), key, value)

    return store


def frame_out(frame: Frame, depth: int) -> Frame:
    """Return the frame so many steps out."""
    for _ in range(depth):
        assert frame.outer is not None
        frame = frame.outer
    return frame


def target_store(target: Expr, values: ValueCompiler) -> Store:
    """Return the store of an assignment target: a variable, or a place inside of one."""
    if isinstance(target, Name):
        return variable_store(values.scope, target.name)
    assert isinstance(target, Member | Index)
    holder, key = _reference(target.item, values), _key(target, values)
    start = target.item
    while isinstance(start, Member | Index):
        start = start.item
    assert isinstance(start, Name)
    place = values.scope.resolve(start.name)
    assert place is not None
    depth, root = place

    def store(state: State, frame: Frame, value: Data) -> None:
        owner = frame_out(frame, depth)
        before = owner.bytes
        put_inside(state, owner, holder(frame), key(frame), value)
        owner.sizes[root] += owner.bytes - before

    return store


def _reference(target: Expr, values: ValueCompiler) -> Value:
    """Return the closure that finds the list or map itself, not a copy."""
    if isinstance(target, Name):
        place = values.scope.resolve(target.name)
        assert place is not None
        return variable(place, target.name)
    assert isinstance(target, Member | Index)
    item, key = _reference(target.item, values), _key(target, values)
    return lambda frame: operators.index(item(frame), key(frame))


def _key(target: Member | Index, values: ValueCompiler) -> Value:
    if isinstance(target, Index):
        return values.expression(target.key)
    name = target.name
    return lambda _frame: name


def put_inside(state: State, frame: Frame, holder: Data, key: Data, value: Data) -> None:
    """Set an entry of a map, or an existing element of a list, to a copy of a value."""
    value, size, work = measured(value)
    state.spend(work)
    if type(holder) is dict:
        if type(key) is not str:
            raise type_error(f"a map key must be a string; got: {type_name(key)}")
        known = key in holder
        charge(state, frame, size - size_of(holder[key]) if known else size + SCALAR_BYTES + text_bytes(key))
    elif type(holder) is list:
        key = operators.list_index(holder, key)
        charge(state, frame, size - size_of(holder[key]))
    else:
        raise type_error(f"cannot assign into {type_name(holder)}; only a list or a map has places")
    holder[key] = value


def appended(target: Expr, tree: Expr | None, values: ValueCompiler) -> tuple[Store, Value] | None:
    """Return the store and value for ``x: ${list.concat(x, value)}``, or None for another assignment.

    This is how loops gather results. Doing it in place makes the loop linear; as no two variables share a list, nobody
    can tell the difference.
    """
    match target, tree:
        case Name(name=name), Invocation(name="list.concat", arguments=(Name(name=first), item)) if (
            name == first
        ):
            place = values.scope.resolve(name)
        case _:
            return None
    assert place is not None
    depth, key = place
    current = variable(place, name)

    def store(state: State, frame: Frame, value: Data) -> None:
        held = sequence(current(frame), "objs")
        owner = frame_out(frame, depth)
        value, size, work = measured(value)
        state.spend(work)
        charge(state, owner, size)
        owner.sizes[key] += size
        held.append(value)

    return store, values.expression(item)
