"""The loop that keeps instances of services: starts what requests ask for, ends what nothing needs any more.

1. An attempt and its port are committed before it is submitted. Dying in between leaves a ``queued`` row, which
   ``recover`` submits again: the runtime starts an attempt id once at most.
2. A process that listens is recorded as ready; after a restart it is used at the port that is remembered.
3. A new revision of a service that has served is tried at once, and gets the requests from the moment it listens; until
   then, and if it never does, the one before serves.
4. An instance whose revision was replaced is ended when the last request it serves is answered, one whose service was
   deleted at once. The end is durable before the runtime is asked, and asked for again after every recovery.
5. Nothing is decided here: ``runtime.instances`` and ``states`` decide, the rows record.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from jubako.boxes.services import instance_rows, outputs, rows
from jubako.boxes.services.instance_rows import Resident
from jubako.boxes.services.launch import LaunchSettings, spec_of
from jubako.boxes.services.leases import Leases
from jubako.boxes.services.readiness import Readiness
from jubako.boxes.services.rows import TOPIC, RevisionRow, ServiceKey
from jubako.boxes.services.starter import Starter
from jubako.core.errors import FailedPrecondition, InvalidArgument, Unavailable
from jubako.core.events import Events
from jubako.core.faults import Faults
from jubako.runtime.instances import InstanceState
from jubako.runtime.port import AttemptEvent, AttemptSpec, Runtime
from jubako.store.port import Store, Tx


class ServicesEngine:
    """The service that runs instances of services."""

    def __init__(
        self,
        store: Store,
        runtime: Runtime,
        settings: LaunchSettings,
        readiness: Readiness,
        events: Events,
        faults: Faults,
    ) -> None:
        """Take the ports; ``readiness`` finds out when a process listens."""
        self._store = store
        self._runtime = runtime
        self._settings = settings
        self._readiness = readiness
        self._events = events
        self._faults = faults
        self._starter = Starter(store, settings)
        self.leases = Leases()
        """Which instances serve requests; whoever sends one takes a lease."""
        self._asked_to_end: set[str] = set()
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Work whenever there is something to do, until cancelled. ``recover`` comes first."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._work())
                group.create_task(self._drain())
        finally:
            self._readiness.cancel()

    async def step(self) -> None:
        """Do what there is to do now: end what nothing needs, start what is asked for, see what listens."""
        async with self._turn:
            try:
                await self._starter.claim_unproven()
                residents = await self._end_unwanted(await self._store.read(instance_rows.live))
                await self._submit([r for r in residents if r.instance.state is InstanceState.QUEUED])
                await self._cancel([r for r in residents if r.instance.state is InstanceState.STOPPING])
            except Unavailable as error:
                self._events.emit("services.runtime_missed", "WARNING", error=str(error))
                return
            self._readiness.watch([r for r in residents if r.instance.state is InstanceState.STARTING])

    def apply(self, tx: Tx, events: Sequence[AttemptEvent]) -> None:
        """Let events of the runtime take effect, in the transaction that stores the position behind them."""
        instance_rows.apply(tx, events)
        self._faults.point("services.apply.before_commit")

    async def recover(self) -> None:
        """After ``runtime.start``: make the runtime and the rows agree on what is under way.

        Raises:
            Unavailable: The runtime went away again; recover after the next reconnect.

        """
        async with self._turn:
            residents = await self._store.read(instance_rows.live)
            self._asked_to_end.clear()
            started = [r.attempt_id for r in residents if r.instance.state is not InstanceState.QUEUED]
            await self._runtime.reconcile(started)
            self._faults.point("services.recover.before_submit")
            in_use = {r.place.service_uid for r in residents} | await self._store.read(rows.service_uids)
        await asyncio.to_thread(outputs.sweep, self._settings.output_root, in_use)
        if residents:
            self._events.emit("services.recovered", attempts=len(residents))
        await self.step()

    async def _end_unwanted(self, residents: list[Resident]) -> list[Resident]:
        """Record the end of what nothing needs; return what is live then."""
        unwanted = [
            r.place
            for r in residents
            if not r.is_wanted and r.instance.state is not InstanceState.STOPPING and not self._serves(r)
        ]
        if not unwanted:
            return residents
        await self._store.write(partial(instance_rows.stop, places=unwanted))
        self._faults.point("services.stop.after_commit")
        return await self._store.read(instance_rows.live)

    def _serves(self, resident: Resident) -> bool:
        return resident.has_service and self.leases.count(resident.attempt_id) > 0

    async def _submit(self, residents: Sequence[Resident]) -> None:
        if not residents:
            return
        self._faults.point("services.claim.after_commit")
        await self._runtime.submit(await self._specs(residents))
        for resident in residents:
            place, attempt = resident.place, resident.instance.attempt
            await asyncio.to_thread(outputs.prune, self._settings.output_root, place, attempt)

    async def _specs(self, residents: Sequence[Resident]) -> list[AttemptSpec]:
        """Return what to submit, without that which cannot be read: it must not hold up the others."""
        specs = []
        for resident in residents:
            try:
                key, revision = await self._store.read(partial(_start_of, resident))
                if key is not None and revision is not None:
                    specs.append(await spec_of(resident, key, revision.document, self._settings))
            except FailedPrecondition as error:
                # Its secret has gone since it was claimed. Whether it runs already only the runtime can say.
                await self._runtime.reconcile([resident.attempt_id])
                self._events.emit("service.secret_missing", "ERROR", error=error.message)
            except InvalidArgument as error:
                attempt = resident.attempt_id
                self._events.emit(
                    "service.revision_unreadable", "ERROR", attempt=attempt, error=error.message
                )
        return specs

    async def _cancel(self, residents: Sequence[Resident]) -> None:
        ids = [r.attempt_id for r in residents if r.attempt_id not in self._asked_to_end]
        if not ids:
            return
        await self._runtime.cancel(ids)
        # What was stopped before it was ever submitted is unknown to the runtime, and so Lost.
        await self._runtime.reconcile(ids)
        self._asked_to_end.update(ids)
        self._events.emit("service.instances_stopped", attempts=ids)

    async def _work(self) -> None:
        with self._store.watch(TOPIC) as watch:
            while True:
                await self.step()
                await watch.wait()

    async def _drain(self) -> None:
        while True:
            await self.leases.wait_released()
            await self.step()


def _start_of(resident: Resident, tx: Tx) -> tuple[ServiceKey | None, RevisionRow | None]:
    """Return the service and the revision of an instance, as far as they exist still."""
    uid = resident.place.service_uid
    return rows.find_key(tx, uid), rows.find_revision(tx, uid, resident.place.revision)
