"""Claims attempts of instances: each gets a port of its own, and only what can run here is claimed."""

from functools import partial

from jubako.boxes.services import instance_rows, rows
from jubako.boxes.services.instance_rows import Place
from jubako.boxes.services.launch import LaunchSettings
from jubako.boxes.services.resources import Revision
from jubako.boxes.services.rows import ServiceKey
from jubako.core.errors import FailedPrecondition, Unavailable
from jubako.identity import secret_variables
from jubako.identity.volumes import Volumes
from jubako.store.port import Store
from jubako.wire import codec, images
from jubako.wire.quantities import in_gib, memory_of

PORT_TRIES = 20


class Starter:
    """Has attempts of instances started."""

    def __init__(self, store: Store, settings: LaunchSettings) -> None:
        self._store = store
        self._settings = settings

    async def claim(self, key: ServiceKey, place: Place) -> None:
        """Claim the next attempt of the instance at ``place``, unless one is under way or must not be yet.

        Raises:
            FailedPrecondition: The revision cannot run here; the message says why.
            Unavailable: No port is free.

        """
        row = await self._store.read(
            partial(rows.find_revision, service_uid=place.service_uid, revision=place.revision)
        )
        if row is None:
            return
        await self._check(key, place.revision, codec.decode(Revision, row.document))
        for _ in range(PORT_TRIES):
            port = self._settings.free_port()
            if await self._store.write(partial(instance_rows.claim, place=place, port=port)):
                return
        raise Unavailable(f"Service {str(key)!r} cannot be started: no free port was found.")

    async def claim_unproven(self) -> None:
        """Have every new revision tried whose service goes on with an older one until then: see ``instance_rows``."""
        for key, place in await self._store.read(instance_rows.unproven):
            try:
                await self.claim(key, place)
            except FailedPrecondition as error:
                await self._store.write(
                    partial(instance_rows.refuse, place=place, problem=_end_of_sentence(error.message))
                )

    async def _check(self, key: ServiceKey, revision: str, document: Revision) -> None:
        container = document.containers[0]
        images.pinned(container, self._settings.bundles)
        asked, there = memory_of(container), self._settings.memory_bytes
        if asked is not None and there is not None and asked > there:
            raise FailedPrecondition(
                f"Revision {revision!r}: containers[0].resources.limits['memory'] asks for {in_gib(asked)}, and this "
                f"machine has {in_gib(there)} for instances."
            )
        volumes = Volumes(document.volumes, container, key.project)
        volumes.require(self._settings.mounts_missing())
        refs = secret_variables.refs_of(container, key.project)
        await secret_variables.require(self._settings.vault, {*refs.values(), *volumes.refs()})


def _end_of_sentence(message: str) -> str:
    return f"could not be started: {message.rstrip('.')}"
