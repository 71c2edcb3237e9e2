"""Routes that no OpenAPI document describes (Run v1, IAM, OAuth, our own): good requests with parts changed."""

import copy
import http.client
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from jubako.testing.server import PARENT, ServerProcess

SECONDS = float(os.environ.get("JUBAKO_FUZZ_SECONDS", "60"))
SEEDS = [int(seed) for seed in os.environ.get("JUBAKO_FUZZ_SEEDS", "1").split(",")]
RUN = "/apis/run.googleapis.com/v1/namespaces/local"
SERVING = "/apis/serving.knative.dev/v1/namespaces/local"
ROBOT = "/v1/projects/local/serviceAccounts/robot@local.iam.gserviceaccount.com"
IMAGE = "nothing.invalid/nothing"
"""A container with an image that is not here is stored and never started."""
CONTAINER = {
    "image": IMAGE,
    "args": ["a"],
    "env": [{"name": "A", "value": "b"}],
    "resources": {"limits": {"cpu": "1", "memory": "512Mi"}},
    "ports": [{"containerPort": 8080}],
}
TASKS = {"containers": [CONTAINER], "maxRetries": 0, "timeoutSeconds": "3", "serviceAccountName": "a@b"}
JOB = {
    "apiVersion": "run.googleapis.com/v1",
    "kind": "Job",
    "metadata": {"name": "k", "namespace": "local", "labels": {"a": "b"}, "annotations": {"a/b": "c"}},
    "spec": {"template": {"spec": {"taskCount": 1, "parallelism": 1, "template": {"spec": TASKS}}}},
}
SERVICE = {
    "apiVersion": "serving.knative.dev/v1",
    "kind": "Service",
    "metadata": {"name": "s", "namespace": "local"},
    "spec": {
        "template": {"metadata": {"name": "s-1"}, "spec": {"containers": [CONTAINER], "timeoutSeconds": 3}},
        "traffic": [{"percent": 100, "latestRevision": True}],
    },
}
ROLE = {"title": "t", "includedPermissions": ["run.jobs.get"], "stage": "GA"}
GOOD: list[tuple[str, str, Any]] = [
    ("POST", f"{RUN}/jobs", JOB),
    ("PUT", f"{RUN}/jobs/k", JOB),
    ("GET", f"{RUN}/jobs/k", None),
    ("POST", f"{RUN}/jobs/k:run", {"overrides": {"taskCount": 1}}),
    ("GET", f"{RUN}/executions?labelSelector=a%3Db&limit=2&continue=a", None),
    ("DELETE", f"{RUN}/jobs/k", None),
    ("POST", f"{SERVING}/services", SERVICE),
    ("PUT", f"{SERVING}/services/s", SERVICE),
    ("GET", f"{SERVING}/revisions?labelSelector=x", None),
    ("POST", "/v1/projects/local/roles", {"roleId": "r", "role": ROLE}),
    ("PATCH", "/v1/projects/local/roles/r?updateMask=title", ROLE),
    ("GET", "/v1/projects/local/roles?view=FULL&showDeleted=true&pageSize=2", None),
    (
        "POST",
        "/v1/projects/local/serviceAccounts",
        {"accountId": "robot", "serviceAccount": {"displayName": "d"}},
    ),
    ("POST", f"{ROBOT}/keys", {"privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE"}),
    ("GET", "/v1/projects/local/services?filter=state:ENABLED&pageSize=3", None),
    ("GET", "/v1/projects?filter=a", None),
    ("POST", "/token", {"grant_type": "a", "assertion": "b.c.d"}),
    ("GET", "/tokeninfo?access_token=a.b.c", None),
    ("POST", f"/jubako/v1/{PARENT}/workflows/known:run?timeout=1s", {"argument": "1"}),
    (
        "GET",
        f"/jubako/v1/{PARENT}/jobs/known/executions/e:logs?pageSize=2&pageToken=abc&severity=ERROR",
        None,
    ),
    ("GET", "/jubako/v1/environment?project=local&location=l&account=a", None),
    ("GET", "/$discovery/rest?version=v2", None),
]
VALUES: list[Any] = [
    *(
        None,
        True,
        0,
        -1,
        2**31,
        2**63,
        2**64,
        1.5,
        1e300,
        "",
        "a",
        "-",
        "\0",
        "é" * 70,
        "x" * 5_000,
        [],
        {},
        [[]],
    ),
    *(
        [None],
        {"": None},
        "9" * 30,
        "1e400",
        "2026-99-99T00:00:00Z",
        f"{PARENT}/jobs/k",
        "%2F",
        "NaN",
        "../..",
    ),
    *("a@b", "-1s", "1e9s", "\U0001f600"),
]
HEADERS = [
    {"authorization": "Bearer a.b.c"},
    {"authorization": "Bearer "},
    {"idempotency-key": "x" * 300},
    {"host": "asia-northeast1-run.googleapis.com"},
    {"user-agent": "\xff"},
    *[{}] * 20,
]


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a document something can be changed."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*above, key)
        yield from places(one, (*above, key))


def changed(document: Any, random: Random) -> Any:
    """Return a copy with one to three parts replaced, left out or added."""
    document = copy.deepcopy(document)
    for _ in range(random.randrange(1, 4)):
        found = list(places(document))
        if not found:
            break
        *above, last = random.choice(found)
        inner = document
        for key in above:
            inner = inner[key]
        value = copy.deepcopy(random.choice(VALUES))
        what = random.randrange(4)
        if what == 0:
            del inner[last]
        elif what == 1 and isinstance(inner, dict):
            inner[random.choice(["x", "", "command", "name", "metadata", "labels", "a/b"])] = value
        else:
            inner[last] = value
    return harmless(document)


def harmless(value: Any) -> Any:
    """Return a document with which this machine can be made to run nothing."""
    if isinstance(value, dict):
        kept = {key: harmless(one) for key, one in value.items()}
        return {**kept, "image": IMAGE} if {"command", "args"} & kept.keys() else kept
    return [harmless(one) for one in value] if isinstance(value, list) else value


def ask(connection: http.client.HTTPConnection, random: Random) -> int:
    """Send one request; return the status of its answer, 0 if there was none."""
    verb, path, document = random.choice(GOOD)
    if random.random() < 0.3:
        at = random.randrange(1, len(path))
        path = path[:at] + quote(str(random.choice(VALUES))) + path[at + random.randrange(3) :]
    body = None if document is None else json.dumps(changed(document, random)).encode()
    try:
        connection.request(verb, path, body, random.choice(HEADERS))
        answer = connection.getresponse()
        answer.read()
    except (http.client.HTTPException, OSError):
        connection.close()
        return 0
    assert answer.status < 500 or answer.status == 501, (verb, path, body)
    return answer.status


@pytest.mark.parametrize(
    "seconds", [1.0, pytest.param(SECONDS, marks=[pytest.mark.nightly, pytest.mark.timeout(SECONDS + 120)])]
)
@pytest.mark.parametrize("seed", SEEDS)
def test_changed_documents_are_answered_by_name(
    victim: ServerProcess, unharmed: Callable[[int], None], seed: int, seconds: float
) -> None:
    random, statuses = Random(seed), Counter[int]()
    connection = http.client.HTTPConnection(victim.address.removeprefix("http://"), timeout=40)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        statuses[ask(connection, random)] += 1
    connection.close()
    sys.stdout.write(f"seed {seed}: {dict(statuses)}\n")
    assert statuses[200]
    unharmed(statuses.total())
