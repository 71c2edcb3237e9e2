"""Effects: what the machine asks of the world, and the checks of arguments before it asks."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from jubako.boxes.workflows.language.errors import type_error, value_error
from jubako.boxes.workflows.language.library.arguments import mapping, number, text
from jubako.boxes.workflows.language.library.times import parse_instant
from jubako.boxes.workflows.language.limits import CALLBACK_WAIT_SECONDS, SLEEP_SECONDS_MAX
from jubako.boxes.workflows.language.values import type_name
from jubako.core.timestamps import EPOCH


class EffectKind(StrEnum):
    """What has to be done; the comment gives ``args`` and the value of the outcome."""

    HTTP = "http"
    """args: method, url, headers, body, query, auth, timeout, ... -> {body, code, headers}."""
    CONNECTOR = "connector"
    """function: googleapis.run.v2...; args as written -> the response body."""
    SLEEP = "sleep"
    """args: {"seconds": s} or {"until": seconds since 1970} -> null."""
    LOG = "log"
    """args: severity, and one of text, json, data -> null."""
    NOW = "now"
    """args: {} -> seconds since 1970, a double."""
    UUID = "uuid"
    """args: {} -> text."""
    ENV = "env"
    """args: name, default -> text or the default."""
    CALLBACK_CREATE = "callback_create"
    """args: http_callback_method -> {url}."""
    CALLBACK_AWAIT = "callback_await"
    """args: callback, timeout -> {http_request, received_time, type}."""
    ABANDON = "abandon"
    """name: an effect under way whose outcome no longer matters; undo or stop what it began. No outcome."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing to do.

    Attributes:
        name: Unique within the execution and the same in every replay, such as ``main/analyze/ocr/run_ocr#0``.
        kind: What to do.
        function: The function as the source names it.
        args: Arguments by name; absent ones are left out.
        step: Name of the step.
        routine: Name of the routine.

    """

    name: str
    kind: EffectKind
    function: str
    args: dict[str, Any]
    step: str
    routine: str


_HTTP = "http."
_CALLBACK_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
_SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")


def kind_of(function: str) -> EffectKind:
    """Return what kind of effect a function makes."""
    if function.startswith(_HTTP):
        return EffectKind.HTTP
    return _KINDS.get(function, EffectKind.CONNECTOR)


def prepared(function: str, args: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an effect, checked.

    Raises:
        Raised: TypeError or ValueError, as the library function would.

    """
    if function.startswith(_HTTP):
        return _request(function, args)
    check = _CHECKS.get(function)
    return check(args) if check is not None else args


def _request(function: str, args: dict[str, Any]) -> dict[str, Any]:
    text(args.get("url"), "url")
    for name in ("headers", "query", "auth"):
        if args.get(name) is not None and type(args[name]) is not dict:
            raise type_error(f"{name} must be a map; got: {type_name(args[name])}")
    if args.get("timeout") is not None and number(args["timeout"], "timeout") < 0:
        raise value_error("timeout must not be negative")
    for name in ("private_service_name", "ca_certificate"):
        if args.get(name) is not None:
            raise value_error(f"{name} is not supported on this server")
    method = (
        function.removeprefix(_HTTP) if function != "http.request" else text(args.get("method"), "method")
    )
    given = {name: value for name, value in args.items() if value is not None or name == "body"}
    return {**given, "method": method.upper()}


def _sleep(args: dict[str, Any]) -> dict[str, Any]:
    seconds = number(args["seconds"], "seconds")
    if not 0 <= seconds <= SLEEP_SECONDS_MAX:
        raise value_error(f"seconds must be between 0 and one year; got: {seconds}")
    return {"seconds": seconds}


def _sleep_until(args: dict[str, Any]) -> dict[str, Any]:
    instant = parse_instant(text(args["time"], "time"))
    return {"until": (instant - EPOCH).total_seconds()}


def _log(args: dict[str, Any]) -> dict[str, Any]:
    severity = text(args.get("severity", "DEFAULT"), "severity")
    if severity not in _SEVERITIES:
        raise value_error(f"unknown severity {severity[:40]!r}; known: {', '.join(_SEVERITIES)}")
    payload: dict[str, Any] = {name: args[name] for name in ("text", "json", "data") if name in args}
    if "text" in payload:
        text(payload["text"], "text")
    if "json" in payload and type(payload["json"]) is not dict:
        raise type_error(f"json must be a map; got: {type_name(payload['json'])}")
    return {**payload, "severity": severity}


def _endpoint(args: dict[str, Any]) -> dict[str, Any]:
    method = text(args["http_callback_method"], "http_callback_method").upper()
    if method not in _CALLBACK_METHODS:
        known = ", ".join(_CALLBACK_METHODS)
        raise value_error(f"http_callback_method {method[:40]!r} is not one of {known}")
    return {"http_callback_method": method}


def _await(args: dict[str, Any]) -> dict[str, Any]:
    callback = mapping(args["callback"], "callback")
    url = text(callback.get("url"), "callback.url")
    seconds = number(args.get("timeout", CALLBACK_WAIT_SECONDS), "timeout")
    if not 0 <= seconds <= SLEEP_SECONDS_MAX:
        raise value_error(f"timeout must be between 0 and one year; got: {seconds}")
    return {"callback": {"url": url}, "timeout": seconds}


def _env(args: dict[str, Any]) -> dict[str, Any]:
    text(args["name"], "name")
    return args


_KINDS = {
    "sys.sleep": EffectKind.SLEEP,
    "sys.sleep_until": EffectKind.SLEEP,
    "sys.log": EffectKind.LOG,
    "sys.now": EffectKind.NOW,
    "sys.get_env": EffectKind.ENV,
    "uuid.generate": EffectKind.UUID,
    "events.create_callback_endpoint": EffectKind.CALLBACK_CREATE,
    "events.await_callback": EffectKind.CALLBACK_AWAIT,
}
_CHECKS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "sys.sleep": _sleep,
    "sys.sleep_until": _sleep_until,
    "sys.log": _log,
    "sys.get_env": _env,
    "events.create_callback_endpoint": _endpoint,
    "events.await_callback": _await,
}
