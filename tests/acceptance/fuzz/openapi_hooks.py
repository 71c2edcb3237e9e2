"""Hooks of schemathesis: most of what it sends leads to something that is there, and none of it names a program.

Loaded by schemathesis in a process of its own, see test_openapi_fuzz.py.
"""

from typing import Any

import schemathesis
from hypothesis import strategies as st

IMAGE = "nothing.invalid/nothing"
"""A container with an image is stored and never started: no generated command runs, whatever it says."""
EXECUTABLE = ("command", "warm-start", "call")
TASKS_MAX = 2
KNOWN = {
    "projectsId": ["local"],
    "locationsId": ["asia-northeast1", "asia-northeast1", "-"],
    "jobsId": ["known", "steady", "fresh"],
    "jobId": ["fresh"],
    "servicesId": ["known", "fresh"],
    "serviceId": ["fresh"],
    "workflowsId": ["known", "fresh"],
    "workflowId": ["fresh"],
    "serviceAccountsId": ["robot@local.iam.gserviceaccount.com", "-"],
}
"""Names that lead somewhere, by path or query parameter; ``fresh`` comes and goes."""
SOURCE = "main:\n  steps:\n    - last:\n        return: 1\n"
ENTRY = {"logName": "projects/local/logs/l", "textPayload": "a line"}
GOOD: dict[str, Any] = {
    "/jobs": {"template": {"template": {"containers": [{"image": IMAGE}]}}},
    "/jobs/{jobsId}": {"template": {"template": {"containers": [{"image": IMAGE}]}}},
    "/jobs/{jobsId}:run": {"overrides": {"taskCount": 1}},
    "/services": {"template": {"containers": [{"image": IMAGE}]}},
    "/services/{servicesId}": {"template": {"containers": [{"image": IMAGE}]}},
    "/workflows": {"sourceContents": SOURCE},
    "/workflows/{workflowsId}": {"sourceContents": SOURCE},
    "/workflows/{workflowsId}/executions": {"argument": "1"},
    "/v2/entries:list": {"resourceNames": ["projects/local"]},
    "/v2/entries:write": {"resource": {"type": "global"}, "entries": [ENTRY]},
    ":setIamPolicy": {"policy": {"bindings": []}},
    ":generateAccessToken": {"scope": ["https://www.googleapis.com/auth/cloud-platform"]},
    ":generateIdToken": {"audience": "https://a.example"},
    ":signBlob": {"payload": "YQ=="},
    ":signJwt": {"payload": '{"aud": "https://a.example"}'},
}
"""Bodies that are accepted, by how the path ends."""
MASKS = st.lists(st.sampled_from(["template", "labels", "etag", "description", "sourceContents", "x.y"]))

schemathesis.openapi.format("google-duration", st.decimals(0, 10**6, places=3).map(lambda s: f"{s}s"))
schemathesis.openapi.format("google-fieldmask", MASKS.map(",".join))
schemathesis.openapi.format("int64", st.integers(-(2**63), 2**63 - 1).map(str))
schemathesis.openapi.format("uint64", st.integers(0, 2**64 - 1).map(str))


@schemathesis.hook
def flatmap_path_parameters(_context: Any, path_parameters: Any) -> st.SearchStrategy[Any]:
    return with_known(path_parameters, st.just(True))


@schemathesis.hook
def flatmap_query(_context: Any, query: Any) -> st.SearchStrategy[Any]:
    return with_known(query, st.booleans())


@schemathesis.hook
def flatmap_body(context: Any, body: Any) -> st.SearchStrategy[Any]:
    """Lay a part of a generated body over a good one, so that it is not refused at its first field."""
    path = context.operation.path
    good = max((end for end in GOOD if path.endswith(end)), key=len, default=None)
    if good is None or not isinstance(body, dict):
        return st.just(body)
    parts = st.sets(st.sampled_from(sorted(body)), max_size=2) if body else st.just(set())
    mixed = parts.map(lambda names: laid_over(GOOD[good], {name: body[name] for name in names}))
    return st.one_of(mixed, mixed, st.just(body))


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Disarm what is about to be sent: all phases of schemathesis send through here."""
    case.body = harmless(case.body)
    if case.method in {"DELETE", "PATCH"} and case.path_parameters:
        lasting = {"known", "steady"}
        for name, value in case.path_parameters.items():
            if value in lasting:
                case.path_parameters[name] = "fresh"


@schemathesis.hook
def filter_failure(_context: Any, _failure: Any, _case: Any, response: Any) -> bool:
    """A method of Google's that we know and do not have is 501 with its name, which tells more than 405 would."""
    return not (response.status_code == 501 and b" is not implemented." in response.content)


def with_known(parameters: Any, is_kept: st.SearchStrategy[bool]) -> st.SearchStrategy[Any]:
    """Let most parameters name what is there; the others are kept as ``is_kept`` says."""
    if not isinstance(parameters, dict):
        return st.just(parameters)
    known = {
        name: st.sampled_from([*KNOWN[name] * 3, value])
        for name, value in parameters.items()
        if name in KNOWN
    }
    others = {name: st.just(value) for name, value in parameters.items() if name not in KNOWN}
    return is_kept.flatmap(lambda kept: st.fixed_dictionaries({**known, **(others if kept else {})}))


def laid_over(good: Any, part: Any) -> Any:
    if not isinstance(good, dict) or not isinstance(part, dict):
        return part
    return {**good, **{name: laid_over(good.get(name), value) for name, value in part.items()}}


def harmless(body: Any) -> Any:
    """Return a body with which this machine can be made to run nothing, and little of ``true``."""
    if isinstance(body, dict):
        clean = {key: harmless(value) for key, value in body.items()}
        if "command" in clean:
            clean["image"] = IMAGE
        if isinstance(clean.get("taskCount"), int):
            clean["taskCount"] = min(clean["taskCount"], TASKS_MAX)
        return clean
    if isinstance(body, list):
        return [harmless(value) for value in body]
    if isinstance(body, bytes | str):
        text = body.decode("latin-1") if isinstance(body, bytes) else body
        return type(body)() if any(word in text for word in EXECUTABLE) else body
    return body
