"""Functions whose answer comes from outside: the machine emits an effect and waits for its outcome.

Source: cloud.google.com/workflows/docs/reference/stdlib/http, .../sys, .../uuid and .../events.
"""

from jubako.boxes.workflows.language.library.registry import Kind, declare
from jubako.boxes.workflows.language.limits import CALLBACK_WAIT_SECONDS

_REQUEST = (
    ("headers", None),
    ("body", None),
    ("query", None),
    ("auth", None),
    ("timeout", None),
    ("private_service_name", None),
    ("ca_certificate", None),
)

for _verb in ("get", "post", "put", "patch", "delete"):
    declare(f"http.{_verb}", Kind.BLOCKING, "url", *_REQUEST)
declare("http.request", Kind.BLOCKING, "method", "url", *_REQUEST)
declare(
    "sys.log",
    Kind.BLOCKING,
    ("data", None),
    ("text", None),
    ("json", None),
    ("severity", "DEFAULT"),
    ("timeout", None),
)
declare("sys.sleep", Kind.BLOCKING, "seconds")
declare("sys.sleep_until", Kind.BLOCKING, "time")
declare("sys.now", Kind.INPUT)
declare("uuid.generate", Kind.INPUT)
declare("sys.get_env", Kind.INPUT, "name", ("default", None))
declare("events.create_callback_endpoint", Kind.INPUT, "http_callback_method")
declare("events.await_callback", Kind.BLOCKING, "callback", ("timeout", CALLBACK_WAIT_SECONDS))
declare(
    "experimental.executions.run",
    Kind.BLOCKING,
    "workflow_id",
    ("argument", None),
    ("project_id", None),
    ("location", None),
)
declare(
    "experimental.executions.map",
    Kind.BLOCKING,
    "workflow_id",
    ("arguments", None),
    ("project_id", None),
    ("location", None),
)
