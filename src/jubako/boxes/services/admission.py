"""Lets a request in: finds the instance that serves it, and has one started if there is none.

1. Whether an instance is ready is read from the rows for every request, so that a change of the service counts from
   the moment at which it was told.
2. Many requests that find no instance claim one attempt between them, and wait for it together.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from jubako.boxes.services import instance_rows, launch, rows, states
from jubako.boxes.services.instance_rows import Place, Route
from jubako.boxes.services.launch import LaunchSettings
from jubako.boxes.services.leases import Leases
from jubako.boxes.services.rows import ServiceKey
from jubako.boxes.services.starter import Starter
from jubako.boxes.services.states import Step
from jubako.core.clock import Clock
from jubako.core.errors import NotFound, Unavailable
from jubako.core.limits import SERVICE_STARTUP_MAX
from jubako.core.timestamps import from_micros, to_micros
from jubako.store.port import Store, Watch

RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
HANDOVER = timedelta(seconds=10)
"""How long requests wait for a new revision to listen; after that the one before it serves them."""
PATIENCE = SERVICE_STARTUP_MAX + timedelta(seconds=30)
"""How long a request waits without any news: longer than a start may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to send one request to an instance; to be released when it is answered."""

    key: ServiceKey
    place: Place
    attempt: int
    port: int
    request_timeout: timedelta
    leases: Leases

    @property
    def attempt_id(self) -> str:
        """The id of the attempt that serves."""
        return instance_rows.attempt_id(self.place, self.attempt)

    def release(self) -> None:
        """Say that the request is over; call it once."""
        self.leases.release(self.attempt_id)


class Admission:
    """Gives requests their instance."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        leases: Leases,
        settings: LaunchSettings,
    ) -> None:
        """Take the ports; ``leases`` is the engine's."""
        self._store = store
        self._clock = clock
        self._leases = leases
        self._settings = settings
        self._starter = Starter(store, settings)

    async def admit(self, key: ServiceKey) -> Lease:
        """Return a lease on an instance of the service that listens.

        Raises:
            NotFound: There is no such service.
            FailedPrecondition: The service cannot be started here (it needs an image, a secret is missing).
            Unavailable: The instance did not start, or must not be started again yet; the details say when.

        """
        route = await self._after_handover(key)
        while not states.is_ready(route.instance):
            with self._store.watch(rows.topic_of(route.place.service_uid)) as watch:
                route = await self._until_ready(key, route.place, watch)
        lease = Lease(
            key=key,
            place=route.place,
            attempt=route.instance.attempt,
            port=route.instance.port,
            request_timeout=timedelta(microseconds=route.request_timeout_us),
            leases=self._leases,
        )
        self._leases.take(lease.attempt_id)
        return lease

    async def wait_gone(self, lease: Lease, patience: timedelta) -> bool:
        """Wait for the news that the lease's attempt is over; return whether it came."""
        deadline = self._clock.now() + patience
        with self._store.watch(rows.topic_of(lease.place.service_uid)) as watch:
            while True:
                instance = await self._store.peek(partial(instance_rows.find, place=lease.place))
                if instance.attempt != lease.attempt or not states.is_ready(instance):
                    return True
                if not await watch.wait_until(self._clock, deadline):
                    return False

    async def _after_handover(self, key: ServiceKey) -> Route:
        """Return where requests go; a new revision gets a moment to take over, so that who deployed it meets it."""
        route = await self._route(key)
        if route.tried_since_us is None:
            return route
        deadline = from_micros(route.tried_since_us) + HANDOVER
        with self._store.watch(rows.topic_of(route.place.service_uid)) as watch:
            while True:
                route = await self._route(key)
                if route.tried_since_us is None or not await watch.wait_until(self._clock, deadline):
                    return route

    async def _until_ready(self, key: ServiceKey, place: Place, watch: Watch) -> Route:
        """Wait until the instance at ``place`` is ready, or requests go to another place."""
        awaited: int | None = None
        while True:
            route = await self._route(key)
            if route.place != place:
                return route
            now_us = to_micros(self._clock.now())
            step = states.on_request(route.instance, awaited, now_us)
            if step is Step.GO:
                return route
            if step is Step.REFUSE:
                raise self._refusal(route, now_us)
            if step is Step.CLAIM:
                await self._starter.claim(key, route.place)
                continue
            awaited = route.instance.attempt
            if not await watch.wait_until(self._clock, self._clock.now() + PATIENCE):
                raise Unavailable(f"Service {str(key)!r} did not start in time.")

    async def _route(self, key: ServiceKey) -> Route:
        route = await self._store.peek(partial(instance_rows.find_route, key=key))
        if route is None:
            raise NotFound(f"Service {str(key)!r} does not exist.")
        return route

    def _refusal(self, route: Route, now_us: int) -> Unavailable:
        instance = route.instance
        output = launch.output_directory(self._settings.output_root, route.place, instance.attempt)
        wait_s = states.retry_after_s(instance, now_us)
        return Unavailable(
            f"Service {str(route.key)!r} is not available: its instance {instance.problem} "
            f"(revision {route.place.revision}, attempt {instance.attempt}, {instance.failures} failed in a row). "
            f"Its standard error is in {output}/stderr.",
            [{"@type": RETRY_INFO, "retryDelay": f"{wait_s}s"}],
        )
