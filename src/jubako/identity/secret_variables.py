"""Variables that come from secrets: which ones a container names, and their values when attempts start.

1. A run of a job, and a change of a service, are refused while a secret version that they name does not exist.
2. ``latest`` is looked up when an attempt starts, as Cloud Run does. If the version has gone by then, nothing starts,
   and the reason names it.
3. Values live in the memory of this process for as long as handing attempts over takes; they are stored nowhere.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from jubako.core.errors import FailedPrecondition, InvalidArgument, NotFound
from jubako.identity.secrets import SecretRef, SecretStore, parse_ref
from jubako.wire.codec import invalid
from jubako.wire.run_types import Container, EnvVar


@dataclass(frozen=True, slots=True)
class Values:
    """What was found of the secrets that were asked for."""

    found: Mapping[SecretRef, bytes] = field(repr=False)
    missing: Mapping[SecretRef, str]
    """Why, in one sentence each."""


def check(place: str, variable: EnvVar) -> None:
    """Check the reference of a variable that takes its value from elsewhere. Raises InvalidArgument."""
    source = variable.value_source
    key = None if source is None else source.secret_key_ref
    if key is None:
        raise invalid(f"{place}.value_source.secret_key_ref", "is missing.")
    try:
        parse_ref("project", key.secret, key.version)
    except InvalidArgument as error:
        field_name, _, reason = error.message.partition(": ")
        raise invalid(f"{place}.value_source.secret_key_ref.{field_name}", reason) from None


def refs_of(container: Container, project: str) -> Mapping[str, SecretRef]:
    """Return the secret versions that a checked container of ``project`` names, by variable."""
    found = {}
    for variable in container.env:
        key = variable.value_source.secret_key_ref if variable.value_source else None
        if key is not None:
            found[variable.name] = parse_ref(project, key.secret, key.version)
    return found


def text_of(ref: SecretRef, value: bytes) -> str:
    """Return the value of a secret as a variable has it.

    Raises:
        FailedPrecondition: It cannot be a variable; the message names it.

    """
    if b"\0" in value:
        raise FailedPrecondition(f"Secret version {str(ref)!r} holds a NUL byte, which no variable can.")
    # The bytes reach the task as they are: what is no UTF-8 travels as lone surrogates.
    return value.decode("utf-8", "surrogateescape")


async def require(store: SecretStore, refs: Iterable[SecretRef]) -> None:
    """Return if all of these exist.

    Raises:
        FailedPrecondition: One does not; the message names it.

    """
    for ref in sorted(set(refs)):
        if await asyncio.to_thread(store.find, ref) is None:
            raise FailedPrecondition(
                f"Secret version {str(ref)!r}, which the container names, does not exist."
            )


async def read(store: SecretStore, refs: Iterable[SecretRef]) -> Values:
    """Return the values of these as they are now."""
    wanted = sorted(set(refs))
    return await asyncio.to_thread(_read, store, wanted) if wanted else Values({}, {})


async def values_of(store: SecretStore, container: Container, project: str) -> Mapping[str, str]:
    """Return the values, as they are now, of the variables of ``container`` that come from secrets.

    Raises:
        FailedPrecondition: One does not exist, or cannot be a variable; the message names it.

    """
    refs = refs_of(container, project)
    found = await existing(store, refs.values())
    return {name: text_of(ref, found[ref]) for name, ref in refs.items()}


async def existing(store: SecretStore, refs: Iterable[SecretRef]) -> Mapping[SecretRef, bytes]:
    """Return the values of all of these as they are now; raises FailedPrecondition if one does not exist."""
    values = await read(store, refs)
    for reason in values.missing.values():
        raise FailedPrecondition(reason)
    return values.found


def _read(store: SecretStore, refs: Iterable[SecretRef]) -> Values:
    found, missing = {}, {}
    for ref in refs:
        try:
            found[ref] = store.value(ref)
        except NotFound as error:
            missing[ref] = error.message
    return Values(found, missing)
