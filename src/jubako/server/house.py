"""The composition root: the boxes, the wire, and the loops that keep them going."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from jubako.boxes.jobs.image_uses import image_uses as jobs_images
from jubako.boxes.services.image_uses import image_uses as services_images
from jubako.boxes.workflows.cleaning import Cleaner
from jubako.boxes.workflows.histories import Histories
from jubako.core.errors import FailedPrecondition
from jubako.identity.credentials_api import CredentialsHandlers
from jubako.identity.environment_route import EnvironmentRoute
from jubako.identity.key_routes import KeyRoutes
from jubako.identity.oauth import OAuth
from jubako.runtime.bundles import Bundles
from jubako.server import boxes, iam, timekeeping
from jubako.server.attempts import AttemptStream
from jubako.server.bundle_routes import BundleRoutes
from jubako.server.clock_routes import ClockRoutes
from jubako.server.config import Config
from jubako.server.ground import Ground
from jubako.server.identities import Identities, connect_door
from jubako.server.runtime_directory import remove, socket_in
from jubako.server.services import Loop, keep_running
from jubako.store.outbox import Outbox
from jubako.store.timers import Timers
from jubako.telemetry.log_rows import keep_swept as keep_logs_swept
from jubako.wire.connect import Inside
from jubako.wire.dial import Dialer
from jubako.wire.discovery_routes import DiscoveryRoutes
from jubako.wire.egress import Egress
from jubako.wire.extras import Extras
from jubako.wire.front import Doors, Front
from jubako.wire.grpc_door import Checks, GrpcDoor
from jubako.wire.listener import Listener
from jubako.wire.origins import Origins
from jubako.wire.outbound import Outbound
from jubako.wire.rest import Router
from jubako.wire.websockets import WebSocketListener

DRAIN = timedelta(seconds=3)
"""How long requests under way may take when the server stops."""


class House:
    """One server, wired; ``open``, then ``run``, then ``close``."""

    def __init__(self, ground: Ground, identities: Identities, dial: Dialer | None) -> None:
        """``dial`` leads programs to names that are not served here; None: neither they nor workflows reach any."""
        self._ground = ground
        self.grpc_port: int | None = None
        access, self._homes = identities.access, identities.homes
        admit = iam.acting(identities.register, access, identities.rules)
        invoker = iam.invoker(ground.store, identities.tokens, ground.base_url, identities.rules)
        jobs = boxes.jobs(ground, self._homes, admit, access)
        services = boxes.services(ground, self._homes, admit, invoker)
        jobs_api, services_api, *policies = iam.with_policies(ground, access, jobs.api, services.api)
        histories = Histories(ground.store)
        callable_apis = [jobs_api, services_api, boxes.logging_api(ground)]
        outbound = Outbound(loopback_allowed=True, outside_allowed=dial is not None)
        google = boxes.google_calls(ground, outbound)
        workflow_apis, connectors = boxes.workflow_apis(ground, callable_apis, histories, admit, google)
        apis = [*callable_apis, *workflow_apis]
        credentials = CredentialsHandlers(
            identities.tokens, ground.wall, identities.register, identities.account_keys
        ).api()
        served = [*apis, *policies, *boxes.operation_apis(ground, jobs.describers), credentials]
        router = Router(served, access, ground.events)
        self._egress = Egress(router, services.gateway, boxes.API_HOSTS, outbound)
        workflows = boxes.workflows_engine(ground, self._egress, connectors, identities.tokens, google)
        self._attempts = AttemptStream(
            ground.store,
            ground.runtime,
            ground.wall,
            {"jobs": jobs.engine, "services": services.engine},
            ground.events,
            shifted=timekeeping.shifted(ground.clock),
        )
        self._timekeeper = timekeeping.timekeeper(ground, workflows)
        self._loops: Mapping[str, Loop] = {
            "homes": self._homes.run,
            "attempts": self._attempts.run,
            "jobs": jobs.engine.run,
            "jobs.retention": jobs.sweeping,
            "services": services.engine.run,
            "logs.retention": partial(keep_logs_swept, ground.store, ground.clock),
            "workflows": workflows.run,
            "workflows.polls": workflows.poller.run,
            "workflows.cleaning": Cleaner(ground.store, ground.clock).run,
            "timers": Timers(
                ground.store, ground.clock, workflows.timer_handlers(), ground.events, ground.faults
            ).run,
            **({"clock": self._timekeeper.run} if self._timekeeper is not None else {}),
            "outbox": Outbox(ground.store, ground.clock, workflows.deliveries(), ground.events).run,
        }
        doors = self._doors = Doors(
            router=router,
            extras=Extras(
                [
                    *jobs.extras,
                    *boxes.workflow_extras(ground, histories),
                    *DiscoveryRoutes(served, ground.base_url).routes(),
                    *EnvironmentRoute(self._homes).routes(),
                    *KeyRoutes(ground.store).routes(),
                    *BundleRoutes(
                        ground.store, Bundles(ground.state.bundles), [jobs_images, services_images]
                    ).routes(),
                    *ClockRoutes(ground.clock, ground.wall, self._timekeeper).routes(),
                ],
                access,
            ),
            gateway=services.gateway,
            callers=access,
            origins=Origins(identities.host_names),
            public=OAuth(
                identities.key, identities.tokens, ground.store, ground.wall, identities.account_keys
            ).routes(),
            api_hosts=frozenset(host for api in served for host in api.hosts),
        )
        grpc = GrpcDoor(
            served,
            Checks(access=access, callers=access, is_ours=doors.origins.answers_to),
            ground.events,
            partial(socket_in, ground.sockets, "grpc.sock"),
        )
        inside = Inside(http=self._accept_http, h2=grpc.accept)
        connect = connect_door(ground, identities, services.gateway, inside, dial)
        self._served, front = served, Front(doors, ground.events)
        self._listener = WebSocketListener(front, [grpc, connect], front.at_once)
        self._grpc, self._grpc_listener = grpc, Listener(None, [grpc])

    def ways(self) -> list[tuple[str, str]]:
        """Return verb and path template of everything that needs a caller over HTTP."""
        return [*self._doors.router.ways(), *self._doors.extras.ways()]

    def methods(self) -> list[str]:
        """Return the full name of every method that gRPC serves."""
        return sorted({method.name for api in self._served for method in api.methods})

    async def open(self, config: Config, port: int) -> None:
        """Take up what went on while no server ran, then accept requests.

        Raises:
            Unavailable: The runtime cannot be started, or the port is taken.

        """
        await self._homes.open()
        await self._attempts.connect()
        if config.grpc_port is not None:
            self._listener.shut(self._grpc)
            self.grpc_port = await self._grpc_listener.start(config.host, config.grpc_port)
        await self._listener.start(config.host, port)

    def _accept_http(self) -> asyncio.Protocol:
        return self._listener.accept_http()

    async def run(self) -> None:
        """Keep the engines running until cancelled."""
        await keep_running(self._loops, self._ground.wall, self._ground.events)

    async def close(self, *, leave_tasks: bool = False) -> None:
        """Stop: requests first, then attempts (unless left, they run again at the next start), then the store."""
        await asyncio.gather(self._listener.close(DRAIN), self._grpc_listener.close(DRAIN))
        remove(self._ground.sockets)
        await self._ground.runtime.close(end_attempts=not leave_tasks)
        await self._homes.close()
        await self._egress.close()
        await self._ground.store.close()


def agreed_port(given: int | None, remembered: int | None, *, live_attempts: int, default: int) -> int:
    """Return the port to listen on.

    Raises:
        FailedPrecondition: Attempts that live have the old address, and another port is asked for.

    """
    if given is None:
        return remembered if remembered is not None else default
    if live_attempts and remembered is not None and given not in {0, remembered}:
        raise FailedPrecondition(
            f"{live_attempts} tasks or instances of this state directory still run and know the server at port "
            f"{remembered}. Start with that port (or without --port) until they have ended."
        )
    return remembered if given == 0 and live_attempts and remembered is not None else given
