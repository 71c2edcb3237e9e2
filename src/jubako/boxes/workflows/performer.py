"""Carries out effects that leave the process: HTTP requests and connector calls.

1. Every call has the effect's name as its idempotency key, so carrying an effect out again after a crash starts
   nothing twice where the other side keeps keys (our own APIs do).
2. Whatever goes wrong on the way becomes an error map with the tags that the language documents; nothing raises.

Sources: cloud.google.com/workflows/docs/http-requests; .../docs/reference/stdlib/http; .../docs/connectors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from jubako.boxes.workflows.authorization import NoToken, TokenSource, token_of
from jubako.boxes.workflows.callbacks import CallbackEndpoints
from jubako.boxes.workflows.connector_calls import ConnectorCalls
from jubako.boxes.workflows.connector_stops import ConnectorStops
from jubako.boxes.workflows.connector_stops import stop_message as connector_stop_message
from jubako.boxes.workflows.connectors import Connector
from jubako.boxes.workflows.errands import Errand
from jubako.boxes.workflows.google_calls import GoogleCalls
from jubako.boxes.workflows.language import Effect, EffectDone, EffectFailed, EffectKind
from jubako.boxes.workflows.messages import body_of, error_of, failure_map, headers_of, result_of, url_of
from jubako.boxes.workflows.outgoing import Begin, Outgoing
from jubako.boxes.workflows.seat import Outcome
from jubako.core.clock import Clock
from jubako.core.errors import InvalidArgument
from jubako.identity.access import principal_of
from jubako.store.outbox import Message
from jubako.store.port import Store
from jubako.wire.egress import Call
from jubako.wire.http import HttpResponse
from jubako.wire.method import Caller
from jubako.wire.outbound import Answered, EgressError
from jubako.wire.sending import Cancellable

HTTP_TIMEOUT_MAX = timedelta(seconds=1800)


@dataclass(frozen=True, slots=True)
class Context:
    """For which execution something is carried out."""

    name: str
    id: str
    service_account: str
    """Its email."""
    env: Mapping[str, str]

    @property
    def caller(self) -> Caller:
        """As whom the execution calls."""
        return Caller(principal=principal_of(self.service_account))


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What effects need of this server."""

    store: Store
    base_url: str
    """Such as ``http://127.0.0.1:8123``: where callbacks are called."""
    tokens: TokenSource | None = None
    """Who makes the tokens of service accounts; None if nobody does."""
    google: GoogleCalls | None = None
    """Who makes the calls of services that are not played here; None if nobody does."""
    begin: Begin | None = None
    """Who sends requests without a task; None if nobody does."""


class Performer:
    """See the module."""

    def __init__(
        self,
        outgoing: Outgoing,
        connectors: Mapping[str, Connector],
        clock: Clock,
        services: Services,
    ) -> None:
        self._outgoing = outgoing
        self._endpoints = CallbackEndpoints(services.store, services.base_url)
        self._tokens = services.tokens
        self._begin = services.begin
        self.calls = ConnectorCalls(outgoing, connectors, clock, services.google)
        self._stops = ConnectorStops(self.calls, connectors)

    async def perform(self, effect: Effect, context: Context) -> Outcome | Errand:
        """Return the outcome of an HTTP, CONNECTOR or CALLBACK_CREATE effect, or what is left of a call that waits."""
        try:
            return await self._perform(effect, context)
        except NoToken as error:
            return EffectFailed(effect.name, failure_map("AuthError", str(error)))
        except (EgressError, InvalidArgument) as error:
            return EffectFailed(effect.name, error_of(error))

    def begin(self, effect: Effect, context: Context, answered: Answered) -> Cancellable | None:
        """Begin a request to the outside; return None for all that takes ``perform``.

        ``outcome_of`` what ``answered`` is told later is the outcome.
        """
        if effect.kind is not EffectKind.HTTP or self._begin is None:
            return None
        try:
            return self._begin(self._call(effect, context), context.caller, answered)
        except (NoToken, EgressError, InvalidArgument):  # ``perform`` will say so
            return None

    async def _perform(self, effect: Effect, context: Context) -> Outcome | Errand:
        if effect.kind is EffectKind.HTTP:
            response = await self._outgoing.send(self._call(effect, context), context.caller)
            return outcome_of(effect.name, response)
        if effect.kind is EffectKind.CALLBACK_CREATE:
            endpoint = await self._endpoints.create(effect, context.id, context.name)
            return EffectDone(effect.name, endpoint)
        assert effect.kind is EffectKind.CONNECTOR, effect.kind
        key = _key(context.id, effect.name)
        caller = Caller(principal=context.caller.principal, idempotency_key=key)
        return await self.calls.begin(effect, caller, context.name)

    async def stop(self, message: Message) -> None:
        """Outbox delivery: cancel what a connector call started."""
        await self._stops.stop(message)

    def _call(self, effect: Effect, context: Context) -> Call:
        args = effect.args
        content_type, body = body_of(args)
        headers = headers_of(args, content_type)
        if args.get("auth"):
            headers["authorization"] = f"Bearer {token_of(args, context.service_account, self._tokens)}"
        if args["method"] not in {"GET", "HEAD"}:
            headers.setdefault("idempotency-key", _key(context.id, effect.name))
        limit = timedelta(seconds=args.get("timeout", HTTP_TIMEOUT_MAX.total_seconds()))
        return Call(
            method=args["method"],
            url=url_of(args),
            headers=headers,
            body=body,
            timeout=min(limit, HTTP_TIMEOUT_MAX),
        )


def outcome_of(effect: str, found: HttpResponse | Exception) -> Outcome:
    """Return the outcome of an HTTP effect.

    Raises:
        Exception: ``found``, if it is none that a request may end with.

    """
    if isinstance(found, EgressError):
        return EffectFailed(effect, error_of(found))
    if isinstance(found, Exception):
        raise found
    result = result_of(found)
    if found.status >= 400:
        message = f"HTTP server responded with error code {found.status}"
        return EffectFailed(effect, failure_map("HttpError", message, **result))
    return EffectDone(effect, result)


def stop_message(context: Context, effect: Effect) -> str:
    """Return the outbox payload that has what this effect of an execution started cancelled."""
    caller = Caller(principal=context.caller.principal, idempotency_key=_key(context.id, effect.name))
    return connector_stop_message(caller, effect, context.name)


def _key(execution: str, effect: str) -> str:
    """Return the idempotency key of an effect: its full name, in visible ASCII, bounded."""
    plain = "".join(letter if "!" <= letter <= "~" else f"%{ord(letter):x}" for letter in effect)
    return f"{execution}/{plain}"
