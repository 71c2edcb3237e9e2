"""The reception: takes videos in, starts the check, tells how far it is. ``python -m jubako_apps.telop.service``.

    POST   /scripts?name=NAME.srt&language=..  body: the script    -> 201 {"script": "s-..."}
    POST   /lists?name=NAME.csv&language=..    body: glossary or NG words -> 201 {"list": "l-..."}
    POST   /videos?name=..&language=..         body: the video       -> 202 the reception, Location
    POST   /videos   application/json        {"path": "/..", "script": "/.. or s-..", "language": ..} -> the same
    POST   /videos   application/json        {"bucket": "..", "object": "..", "language": ..}         -> the same
    POST   /events   a CloudEvent            object finalized in a bucket                             -> the same
    GET    /receptions                                             -> {"receptions": [..]}
    GET    /receptions/ID                                          -> state, progress, result
    DELETE /receptions/ID                                          -> 202 cancelling, 200 when it has ended
    DELETE /receptions/ID?data=true                                -> 200 when nothing of it is left, else 202
    POST   /receptions/ID/rerun                                    -> what has no result yet is done again
    GET    /receptions/ID/events                                   -> server-sent events, until it has ended
    GET    /receptions/ID/report.json, report.html                 -> the result
    GET    /openapi.json                                           -> all of this, for programs

Fields of a video: ``name``, ``language`` (en, ja), ``script``, ``glossary``, ``ng_words``, ``mode`` (strict, balanced,
sensitive), ``segment_seconds``. The header ``Idempotency-Key`` names the reception; without it the content does.
Asking again is answered with 200 and the same id. Errors have Google's shape: ``{"error": {"code", "message"}}``.

The service may be mounted below any path; links are made below ``X-Forwarded-Prefix``, or relative without it.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from jubako_apps.telop import receptions
from jubako_apps.telop.buckets import Passed, finalized_from, placed
from jubako_apps.telop.desk import FINAL, Desk, Status
from jubako_apps.telop.events import Estimate, telling
from jubako_apps.telop.google_api import Api, ApiError, Jobs, Workflow
from jubako_apps.telop.intake import Intake, Reader, refusal_of, too_large
from jubako_apps.telop.openapi import document
from jubako_apps.telop.page import POLICY
from jubako_apps.telop.receptions import Reception
from jubako_apps.telop.settings import BadSettings, Settings, from_environment
from jubako_apps.telop.views import error, json_body, length, prefix, view
from jubako_apps.telop.webhook import Webhook
from jubako_apps.telop.wishes import Refused, wish_from
from jubako_sdk import ObjectNotFound, Sink, SinkError, log, sink

SWEEP_SECONDS = 5.0
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_MEDIA = {"report.json": "application/json", "report.html": "text/html; charset=utf-8"}
_SAFE = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
}


class Counter:
    """Answers the requests; one per process."""

    def __init__(self, place: Sink, settings: Settings, intake: Intake, desk: Desk) -> None:
        self._sink = place
        self._settings = settings
        self._intake = intake
        self._desk = desk
        self._estimates: dict[str, Estimate] = {}

    def routes(self) -> list[Route]:
        """Return the table of what is answered."""
        return [
            Route("/healthz", self.healthy, methods=["GET"]),
            Route("/scripts", self.post_script, methods=["POST"]),
            Route("/lists", self.post_list, methods=["POST"]),
            Route("/videos", self.post_video, methods=["POST"]),
            Route("/receptions", self.list, methods=["GET"]),
            # One route for both: a 405 names all methods of its route.
            Route("/receptions/{id}", self.reception, methods=["GET", "DELETE"]),
            Route("/receptions/{id}/events", self.events, methods=["GET"]),
            Route("/receptions/{id}/rerun", self.rerun, methods=["POST"]),
            Route("/events", self.event, methods=["POST"]),
            Route("/openapi.json", self.openapi, methods=["GET"]),
            Route("/receptions/{id}/{report:str}", self.report, methods=["GET"]),
        ]

    async def healthy(self, request: Request) -> Response:  # noqa: ARG002 - starlette's signature
        """Say that the process answers."""
        return JSONResponse({"status": "ok"})

    async def post_script(self, request: Request) -> Response:
        """Keep a script."""
        query = request.query_params
        wish = wish_from({"language": query.get("language", "en")}, None, self._settings)
        identifier = await self._intake.script(request.stream(), query.get("name", ""), wish.language)
        return JSONResponse({"script": identifier}, status_code=201)

    async def post_list(self, request: Request) -> Response:
        """Keep a glossary or a list of NG words."""
        query = request.query_params
        wish = wish_from({"language": query.get("language", "en")}, None, self._settings)
        identifier = await self._intake.word_list(request.stream(), query.get("name", ""), wish.language)
        return JSONResponse({"list": identifier}, status_code=201)

    async def post_video(self, request: Request) -> Response:
        """Take a video in and start its check."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        key = request.headers.get("idempotency-key")
        if kind == "application/json":
            reception, is_new = await self._by_path(await json_body(request), key)
        elif kind.startswith("video/") or kind == "application/octet-stream":
            wish = wish_from(dict(request.query_params), key, self._settings)
            if length(request) > self._settings.upload_bytes_max:
                raise Refused(413, too_large(self._settings))
            reception, is_new = await self._intake.upload(request.stream(), wish)
        else:
            raise Refused(
                415, "Content-Type: send the video as video/... or application/octet-stream, or JSON."
            )
        status = await self._settled(reception)
        headers = {"Location": f"{prefix(request)}receptions/{reception.id}"}
        shown = await asyncio.to_thread(view, self._sink, reception, status, prefix(request))
        return JSONResponse(shown, status_code=202 if is_new else 200, headers=headers)

    async def list(self, request: Request) -> Response:
        """Show all receptions."""
        found = await asyncio.to_thread(lambda: list(receptions.all_receptions(self._sink)))
        views = [
            await asyncio.to_thread(view, self._sink, one, await self._settled(one), prefix(request))
            for one in found
        ]
        return JSONResponse({"receptions": views})

    async def reception(self, request: Request) -> Response:
        """Show one reception, or end it."""
        return await (self.delete(request) if request.method == "DELETE" else self.get(request))

    async def get(self, request: Request) -> Response:
        """Show one reception."""
        reception = await self._find(request)
        status = await self._desk.settle(reception)
        return JSONResponse(
            await asyncio.to_thread(view, self._sink, reception, status, prefix(request, up="../"))
        )

    async def events(self, request: Request) -> Response:
        """Tell how far one reception is until it has ended."""
        reception = await self._find(request)
        return StreamingResponse(
            self._told(reception), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    async def _told(self, reception: Reception) -> AsyncIterator[str]:
        estimate = self._estimates.setdefault(reception.id, Estimate())
        async for event in telling(self._sink, reception, lambda: self._settled(reception), estimate):
            yield event
        self._estimates.pop(reception.id, None)

    async def rerun(self, request: Request) -> Response:
        """Start a reception that has ended once more; what has a result is not done again."""
        reception = await self._find(request)
        self._estimates.pop(reception.id, None)
        status = await self._desk.rerun(reception)
        shown = await asyncio.to_thread(view, self._sink, reception, status, prefix(request, up="../../"))
        return JSONResponse(shown, status_code=200 if status.state in FINAL else 202)

    async def event(self, request: Request) -> Response:
        """Start the check of an object that was finalized in a bucket (a CloudEvent)."""
        told = await finalized_from(request, self._settings)
        if isinstance(told, Passed):
            return JSONResponse({"ignored": told.reason})
        try:
            reception, is_new = await self._intake.by_path(str(told.path), told.wish)
        except Refused as refused:
            # Sending the event again would change nothing: it is taken, and the reason is for people.
            log("ERROR", f"{told.name} was not received: {refused}", object=told.name)
            return JSONResponse({"refused": str(refused), "object": told.name})
        await self._settled(reception)
        return JSONResponse({"reception": reception.id}, status_code=202 if is_new else 200)

    async def openapi(self, request: Request) -> Response:
        """Describe the API."""
        return JSONResponse(document(prefix(request).rstrip("/") or "/"))

    async def delete(self, request: Request) -> Response:
        """End one reception's run, or with ``data=true`` remove it and everything that belongs to it."""
        data = request.query_params.get("data", "false")
        if data not in {"true", "false"}:
            raise Refused(400, f"data: {data[:40]!r} is none of true, false.")
        reception = await self._find(request)
        self._estimates.pop(reception.id, None)
        if data == "true":
            left = await self._desk.remove(reception)
            answer = {"id": reception.id, "removed": left is None}
            return JSONResponse(answer, status_code=200 if left is None else 202)
        status = await self._desk.cancel(reception)
        shown = await asyncio.to_thread(view, self._sink, reception, status, prefix(request, up="../"))
        return JSONResponse(shown, status_code=200 if status.state in FINAL else 202)

    async def report(self, request: Request) -> Response:
        """Send the report."""
        reception = await self._find(request)
        name = request.path_params["report"]
        if name not in _MEDIA:
            raise Refused(404, f"A reception has {' and '.join(_MEDIA)}, nothing else.")
        try:
            data = await asyncio.to_thread(self._sink.get, receptions.home(reception.id) + name)
        except ObjectNotFound:
            raise Refused(404, f"There is no report of {reception.id} yet.") from None
        return Response(data, media_type=_MEDIA[name], headers=_SAFE)

    async def _by_path(self, body: dict[str, Any], key: str | None) -> tuple[Reception, bool]:
        path = body.pop("path", None)
        if "bucket" in body:
            path = str(placed(str(body.pop("bucket")), str(body.pop("object", "")), self._settings))
        if not isinstance(path, str) or not path:
            raise Refused(400, "path: must be the absolute path of the video on the server.")
        body.setdefault("name", path)
        return await self._intake.by_path(path, wish_from(body, key, self._settings))

    async def _settled(self, reception: Reception) -> Status:
        """Settle if possible. The record is durable: if the platform does not answer now, the sweep goes on."""
        try:
            return await self._desk.settle(reception)
        except ApiError as error:
            log("WARNING", f"reception {reception.id} is recorded but not settled: {error}")
            return Status(state="RECEIVED")

    async def _find(self, request: Request) -> Reception:
        identifier = request.path_params["id"]
        reception = await asyncio.to_thread(receptions.load, self._sink, identifier)
        if reception is None:
            raise Refused(404, f"There is no reception {identifier[:60]!r}.")
        return reception


def application(settings: Settings, reader: Reader, *, sweep_seconds: float = SWEEP_SECONDS) -> Starlette:
    """Return the service's ASGI application."""
    place = sink(settings.output_uri)
    client = httpx.AsyncClient(timeout=_TIMEOUT)
    workflow = Workflow(
        Api(client, settings.executions_base), f"{settings.parent}/workflows/{settings.workflow}"
    )
    jobs = Jobs(Api(client, settings.run_base), settings.parent, settings.jobs)
    webhook = Webhook(place, client, settings.webhook_url, settings.webhook_secret)
    desk = Desk(place, workflow, jobs, settings, webhook)
    counter = Counter(place, settings, Intake(place, settings, reader), desk)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep_for_ever(desk, webhook, sweep_seconds))
        try:
            yield
        finally:
            sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await sweeping
            await client.aclose()

    return Starlette(routes=counter.routes(), lifespan=lifespan, exception_handlers=_HANDLERS)


def main() -> None:
    """Serve on ``$PORT``."""
    from jubako_apps.telop.pipeline import FileReader  # noqa: PLC0415 - not needed to import the application

    try:
        settings = from_environment()
        app = application(settings, FileReader())
    except (BadSettings, SinkError) as error:
        raise SystemExit(f"telop service: {error}") from None
    # Loopback unless told otherwise: on the real Cloud Run set TELOP_HOST=0.0.0.0.
    host, port = os.environ.get("TELOP_HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))
    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False)


async def _sweep_for_ever(desk: Desk, webhook: Webhook, seconds: float) -> None:
    while True:
        try:
            await desk.sweep()
            await webhook.deliver()
        except (OSError, SinkError, ValueError, LookupError, TypeError) as error:
            # A record or an answer of an unexpected shape must not end all later sweeps.
            log("ERROR", f"the sweep failed: {error!r}")
        await asyncio.sleep(seconds)


async def _on_refused(_: Request, raised: Exception) -> Response:
    assert isinstance(raised, Refused), raised
    return error(raised.status, str(raised))


async def _on_api_error(_: Request, raised: Exception) -> Response:
    log("WARNING", str(raised))
    message = "The reception is safe, but the platform does not answer right now. Ask again."
    return error(503, message, {"Retry-After": "2"})


async def _on_os_error(_: Request, raised: Exception) -> Response:
    assert isinstance(raised, OSError), raised
    log("ERROR", f"disk: {raised}")
    refused = refusal_of(raised)
    return error(refused.status, str(refused))


async def _on_http(_: Request, raised: Exception) -> Response:
    assert isinstance(raised, HTTPException), raised
    return error(raised.status_code, raised.detail, raised.headers)


async def _on_disconnect(_: Request, raised: Exception) -> Response:  # noqa: ARG001 - starlette's signature
    return error(499, "The client has gone.")


_HANDLERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    Refused: _on_refused,
    ApiError: _on_api_error,
    OSError: _on_os_error,
    HTTPException: _on_http,
    ClientDisconnect: _on_disconnect,
}

if __name__ == "__main__":
    main()
