"""What is stored of instances, and the transaction functions that move it. How they move is ``runtime.instances``.

Requests go to the *serving* revision of a service: the newest one that ever listened, or the newest one as long as none
has. A newer one is *unproven*; it becomes the serving one when it listens, and stays without requests if it fails.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jubako.boxes.services.rows import TOPIC, ServiceKey, now_us, topic_of
from jubako.core.timestamps import to_micros
from jubako.runtime import instances
from jubako.runtime.instances import Instance, InstanceState
from jubako.runtime.port import AttemptEvent, Started
from jubako.store.port import Row, Tx

OWNER = "services"
"""First segment of the attempts' ids."""


@dataclass(frozen=True, slots=True)
class Place:
    """Names one instance for ever."""

    service_uid: str
    revision: str
    number: int = 0


def attempt_id(place: Place, attempt: int) -> str:
    """Return the id under which the runtime knows an attempt."""
    return f"{OWNER}/{place.service_uid}/{place.revision}/{place.number}/{attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """One instance in its place."""

    place: Place
    instance: Instance
    is_wanted: bool
    """Whether its revision gets requests, or is to show that it can."""
    has_service: bool
    """Whether its service exists still."""

    @property
    def attempt_id(self) -> str:
        """The id of the attempt under way."""
        return attempt_id(self.place, self.instance.attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where requests for a service go."""

    key: ServiceKey
    place: Place
    instance: Instance
    request_timeout_us: int
    tried_since_us: int | None
    """Since when a newer revision is being tried, which has neither listened nor failed yet; None = there is none."""


_COLUMNS = (
    "i.service_uid, i.revision, i.instance, i.state, i.attempt, i.port, i.pid, i.failures, i.claimed, i.ready, "
    "i.not_before, i.problem"
)
_LIVE = (
    f"SELECT {_COLUMNS}, s.latest_revision, s.serving_revision FROM service_instances i "
    "LEFT JOIN services s ON s.uid = i.service_uid WHERE i.state <> 'idle'"
)
_SERVING = "COALESCE(NULLIF(s.serving_revision, ''), s.latest_revision)"
_ROUTE = (
    f"SELECT {_COLUMNS}, s.uid, r.revision, r.request_timeout, "
    "CASE WHEN r.revision <> s.latest_revision AND COALESCE(n.problem, '') = '' THEN s.updated END FROM services s "
    f"JOIN service_revisions r ON r.service_uid = s.uid AND r.revision = {_SERVING} "
    "LEFT JOIN service_instances i ON i.service_uid = s.uid AND i.revision = r.revision AND i.instance = 0 "
    "LEFT JOIN service_instances n ON n.service_uid = s.uid AND n.revision = s.latest_revision AND n.instance = 0 "
    "WHERE s.project = ? AND s.location = ? AND s.service = ?"
)


def find_route(tx: Tx, key: ServiceKey) -> Route | None:
    """Return where requests for the service go now; None if there is no such service."""
    row = tx.one(_ROUTE, key.project, key.location, key.service)
    if row is None:
        return None
    instance = Instance() if row[0] is None else _instance(row)
    return Route(
        key=key,
        place=Place(row[12], row[13]),
        instance=instance,
        request_timeout_us=row[14],
        tried_since_us=row[15],
    )


def find(tx: Tx, place: Place) -> Instance:
    """Return the instance; one that never was is idle."""
    row = tx.one(
        f"SELECT {_COLUMNS} FROM service_instances i WHERE service_uid = ? AND revision = ? AND instance = ?",
        place.service_uid, place.revision, place.number,
    )  # fmt: skip
    return Instance(number=place.number) if row is None else _instance(row)


def live(tx: Tx) -> list[Resident]:
    """Return every instance that has an attempt under way."""
    return [
        Resident(
            place=Place(*row[0:3]),
            instance=_instance(row),
            is_wanted=row[1] in {row[12], row[13]},
            has_service=row[12] is not None,
        )
        for row in tx.all(_LIVE)
    ]


def claim(tx: Tx, place: Place, port: int) -> bool:
    """Claim the next attempt of an instance if its revision is wanted and nothing forbids it.

    Returns:
        False if ``port`` is given to another instance: try another one. True if there is nothing more to do.

    """
    wanted = tx.one(
        "SELECT 1 FROM services WHERE uid = ? AND ? IN (latest_revision, serving_revision)",
        place.service_uid, place.revision,
    )  # fmt: skip
    instance = find(tx, place)
    now = now_us(tx)
    if wanted is None or instance.is_live or now < instance.not_before_us:
        return True
    if tx.one("SELECT 1 FROM service_instances WHERE port = ? AND state <> 'idle'", port):
        return False
    _put(tx, place, instances.claim(instance, port, now))
    return True


def listens(tx: Tx, place: Place, attempt: int) -> None:
    """Record that an attempt accepts connections: if it is of the newest revision, that one serves from now on."""
    now = now_us(tx)
    _change(tx, place, lambda instance: instances.listen(instance, attempt, now))
    tx.run(
        "UPDATE services SET serving_revision = latest_revision WHERE uid = ? AND latest_revision = ?",
        place.service_uid, place.revision,
    )  # fmt: skip


def unproven(tx: Tx) -> list[tuple[ServiceKey, Place]]:
    """Return where a new revision is to show that it can serve, while an older one does."""
    rows = tx.all(
        "SELECT s.project, s.location, s.service, s.uid, s.latest_revision FROM services s "
        "LEFT JOIN service_instances i ON i.service_uid = s.uid AND i.revision = s.latest_revision AND i.instance = 0 "
        "WHERE s.serving_revision NOT IN ('', s.latest_revision) "
        "AND (i.state IS NULL OR (i.state = 'idle' AND i.problem = ''))"
    )
    return [(ServiceKey(*row[0:3]), Place(row[3], row[4])) for row in rows]


def refuse(tx: Tx, place: Place, problem: str) -> None:
    """Record why an instance cannot be started at all."""
    now = now_us(tx)
    _change(tx, place, lambda instance: instances.refuse(instance, problem, now))


def stop(tx: Tx, places: Sequence[Place]) -> None:
    """Have the attempts under way ended."""
    for place in places:
        _change(tx, place, instances.stop)


def give_up(tx: Tx, place: Place, attempt: int, problem: str) -> None:
    """Have an attempt that does not get ready ended, as a failure."""
    now = now_us(tx)

    def after(instance: Instance) -> Instance:
        if instance.attempt != attempt or instance.state is not InstanceState.STARTING:
            return instance
        return instances.give_up(instance, problem, now)

    _change(tx, place, after)


def apply(tx: Tx, events: Sequence[AttemptEvent]) -> None:
    """Let events of the runtime take effect; late and unknown ones are passed over."""
    for event in events:
        parsed = _parse(event.id)
        if parsed is None:
            continue
        place, attempt = parsed
        if isinstance(event, Started):
            pid = event.pid
            _change(tx, place, lambda i, a=attempt, p=pid: instances.start(i, a, p))  # type: ignore[misc]
        else:
            time_us = to_micros(event.time)
            _change(tx, place, lambda i, a=attempt, e=event, t=time_us: instances.end(i, a, e, t))  # type: ignore[misc]
            _forget_deleted(tx, place)


def _forget_deleted(tx: Tx, place: Place) -> None:
    tx.run(
        "DELETE FROM service_instances WHERE service_uid = ? AND revision = ? AND instance = ? AND state = 'idle' "
        "AND NOT EXISTS (SELECT 1 FROM services WHERE uid = service_uid)",
        place.service_uid, place.revision, place.number,
    )  # fmt: skip


def _change(tx: Tx, place: Place, step: Callable[[Instance], Instance]) -> None:
    before = find(tx, place)
    after = step(before)
    if after != before:
        _put(tx, place, after)


def _put(tx: Tx, place: Place, instance: Instance) -> None:
    tx.run(
        "INSERT INTO service_instances (service_uid, revision, instance, state, attempt, port, pid, failures, "
        "claimed, ready, not_before, problem) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (service_uid, revision, instance) DO UPDATE SET state = excluded.state, "
        "attempt = excluded.attempt, port = excluded.port, pid = excluded.pid, failures = excluded.failures, "
        "claimed = excluded.claimed, ready = excluded.ready, not_before = excluded.not_before, "
        "problem = excluded.problem",
        place.service_uid, place.revision, place.number, instance.state, instance.attempt, instance.port,
        instance.pid, instance.failures, instance.claimed_us, instance.ready_us, instance.not_before_us,
        instance.problem,
    )  # fmt: skip
    tx.wake(topic_of(place.service_uid))
    tx.wake(TOPIC)


def _parse(text: str) -> tuple[Place, int] | None:
    parts = text.split("/")
    if len(parts) != 5 or parts[0] != OWNER or not (parts[3].isdecimal() and parts[4].isdecimal()):
        return None
    return Place(parts[1], parts[2], int(parts[3])), int(parts[4])


def _instance(row: Row) -> Instance:
    return Instance(
        number=row[2],
        state=InstanceState(row[3]),
        attempt=row[4],
        port=row[5],
        pid=row[6],
        failures=row[7],
        claimed_us=row[8],
        ready_us=row[9],
        not_before_us=row[10],
        problem=row[11],
    )
