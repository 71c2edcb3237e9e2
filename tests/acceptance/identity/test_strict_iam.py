"""Strict IAM and invoker policies: Google's own clients may do what the policies say, and nothing else."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jubako.testing.server import PARENT, ApiError, ServerProcess

pytest.importorskip("google.cloud.run_v2", reason="needs google-cloud-run")
As = Callable[..., str]
SERVICE = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    state = tmp_path_factory.mktemp("strict") / "state"
    with ServerProcess(state, flags=["--auth", "--strict-iam"]) as server:
        yield server


def made(server: ServerProcess) -> str:
    """Make a service account and return its email."""
    account = server.post("/v1/projects/local/serviceAccounts", {"accountId": f"a{uuid.uuid4().hex[:8]}"})
    email: str = account["email"]
    return email


def grant(server: ServerProcess, resource: str, role: str, *members: str) -> None:
    """Add a binding to a policy, as gcloud does: read it, and write it back under its etag."""
    policy = server.call("GET" if resource.startswith("/v2/") else "POST", f"{resource}:getIamPolicy")
    policy.setdefault("bindings", []).append({"role": role, "members": list(members)})
    server.post(f"{resource}:setIamPolicy", {"policy": policy})


def member(email: str) -> str:
    return f"serviceAccount:{email}"


def job(server: ServerProcess, **template: Any) -> str:
    name = f"j{uuid.uuid4().hex[:8]}"
    tasks = {"containers": [{"command": ["true"]}], "maxRetries": 0, **template}
    server.post(f"/v2/{PARENT}/jobs?jobId={name}", {"template": {"template": tasks}})
    return f"{PARENT}/jobs/{name}"


def running_as(server: ServerProcess, home: Path) -> As:
    """Run Python under ``jubako exec`` as a service account; the owner starts it."""

    def run(email: str, code: str) -> str:
        command = ["exec", "--service-account", email, "--", sys.executable, "-W", "ignore", "-c", code]
        done = subprocess.run(
            [sys.executable, "-m", "jubako", "--state", str(server.state_dir), *command],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            },
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def run_as(strict: ServerProcess, tmp_path: Path) -> As:
    return running_as(strict, tmp_path)


ATTEMPTS = """
from google.api_core import exceptions
from google.cloud import run_v2
from google.iam.v1 import iam_policy_pb2
def told(call):
    try:
        return call()
    except exceptions.Forbidden as error:
        return f"denied {error.reason} {dict(error.metadata)['permission']}"
client = run_v2.JobsClient(%(transport)s)
name = %(name)r
print(told(lambda: client.run_job(name=name).result(timeout=60).succeeded_count))
print(told(lambda: client.get_job(name=name).name))
asked = iam_policy_pb2.TestIamPermissionsRequest(resource=name, permissions=["run.jobs.run", "run.jobs.get"])
print(told(lambda: list(client.test_iam_permissions(asked).permissions)))
"""


@pytest.mark.parametrize("transport", ["", "transport='rest'"], ids=["grpc", "rest"])
def test_an_account_may_do_what_its_role_on_the_job_says(
    strict: ServerProcess, run_as: As, transport: str
) -> None:
    email, name = made(strict), job(strict)
    code = ATTEMPTS % {"transport": transport, "name": name}
    refused = "denied IAM_PERMISSION_DENIED"
    assert run_as(email, code).splitlines() == [f"{refused} run.jobs.run", f"{refused} run.jobs.get", "[]"]
    grant(strict, f"/v2/{name}", "roles/run.invoker", member(email))
    # It may run the job, and not look at what became of it.
    told = [f"{refused} run.operations.get", f"{refused} run.jobs.get", "['run.jobs.run']"]
    assert run_as(email, code).splitlines() == told
    grant(strict, "/v1/projects/local", "roles/run.viewer", member(email))
    assert run_as(email, code).splitlines() == ["1", name, "['run.jobs.run', 'run.jobs.get']"]


def test_a_role_of_the_projects_own_holds_on_a_job_until_it_is_deleted(
    strict: ServerProcess, run_as: As
) -> None:
    email, name, role_id = made(strict), job(strict), f"r{uuid.uuid4().hex[:8]}"
    role = {"includedPermissions": ["run.jobs.get"]}
    made_role = strict.post("/v1/projects/local/roles", {"roleId": role_id, "role": role})
    grant(strict, f"/v2/{name}", made_role["name"], member(email))
    code = ATTEMPTS % {"transport": "", "name": name}
    assert run_as(email, code).splitlines()[1:] == [name, "['run.jobs.get']"]
    strict.call("DELETE", f"/v1/{made_role['name']}")
    assert run_as(email, code).splitlines()[2] == "[]"


def test_a_grant_that_would_be_none_is_refused_whole(strict: ServerProcess) -> None:
    name, everybody = job(strict), ["allUsers"]
    for binding, word in (
        ({"role": "projects/local/roles/nobodyMadeIt", "members": everybody}, "does not exist"),
        ({"role": "roles/run.invokr", "members": everybody}, "not supported"),
        (
            {"role": "roles/run.invoker", "members": everybody, "condition": {"expression": "true"}},
            "condition",
        ),
    ):
        good = {"role": "roles/run.viewer", "members": everybody}
        with pytest.raises(ApiError, match=word) as refused:
            strict.post(f"/v2/{name}:setIamPolicy", {"policy": {"bindings": [good, binding]}})
        assert refused.value.status == "INVALID_ARGUMENT"
    assert "bindings" not in strict.get(f"/v2/{name}:getIamPolicy")


def test_overrides_need_a_permission_of_their_own(strict: ServerProcess, run_as: As) -> None:
    email, name = made(strict), job(strict)
    code = f"""
from google.api_core import exceptions
from google.cloud import run_v2
try:
    run_v2.JobsClient().run_job(run_v2.RunJobRequest(name={name!r}, overrides={{"task_count": 2}}))
    print("ran")
except exceptions.PermissionDenied as error:
    print(dict(error.metadata)["permission"])
"""
    grant(strict, f"/v2/{name}", "roles/run.jobsExecutor", member(email))
    assert run_as(email, code) == "run.jobs.runWithOverrides"
    grant(strict, f"/v2/{name}", "roles/run.jobsExecutorWithOverrides", member(email))
    assert run_as(email, code) == "ran"


def test_to_deploy_as_an_account_one_must_be_allowed_to_act_as_it(strict: ServerProcess, run_as: As) -> None:
    deployer, runner = made(strict), made(strict)
    grant(strict, "/v1/projects/local", "roles/run.developer", member(deployer))
    code = f"""
from google.api_core import exceptions
from google.cloud import run_v2
template = run_v2.TaskTemplate(containers=[run_v2.Container(command=["true"])], service_account={runner!r})
job = run_v2.Job(template=run_v2.ExecutionTemplate(template=template))
try:
    run_v2.JobsClient().create_job(parent={PARENT!r}, job=job, job_id="a{uuid.uuid4().hex[:6]}").result()
    print("made")
except exceptions.PermissionDenied as error:
    print(dict(error.metadata)["permission"])
"""
    assert run_as(deployer, code) == "iam.serviceAccounts.actAs"
    grant(
        strict,
        f"/v1/projects/local/serviceAccounts/{runner}",
        "roles/iam.serviceAccountUser",
        member(deployer),
    )
    assert run_as(deployer, code) == "made"


def test_an_account_must_have_been_made(strict: ServerProcess) -> None:
    with pytest.raises(ApiError, match=r"ghost@local\.iam\.gserviceaccount\.com does not exist") as refused:
        job(strict, serviceAccount="ghost")
    assert refused.value.status == "NOT_FOUND"
    with pytest.raises(ApiError, match="does not exist"):
        strict.get("/jubako/v1/environment?project=local&location=l&serviceAccount=ghost")
    with pytest.raises(ApiError, match="is not the email of a service account"):
        job(strict, serviceAccount="no account")


def test_impersonation_needs_the_token_creators_role(strict: ServerProcess, run_as: As) -> None:
    source, target = made(strict), made(strict)
    code = f"""
import google.auth, google.auth.exceptions, google.auth.transport.requests as t
from google.auth import impersonated_credentials
from google.oauth2 import id_token
source, _ = google.auth.default()
scopes = ["https://www.googleapis.com/auth/cloud-platform"]
other = impersonated_credentials.Credentials(source, {target!r}, scopes)
try:
    other.refresh(t.Request())
    ids = impersonated_credentials.IDTokenCredentials(other, target_audience="https://x", include_email=True)
    ids.refresh(t.Request())
    signature = other.sign_bytes(b"bytes to sign")
    print(id_token.verify_oauth2_token(ids.token, t.Request(), "https://x")["email"], len(signature))
except google.auth.exceptions.RefreshError:
    print("refused")
"""
    assert run_as(source, code) == "refused"
    grant(
        strict,
        f"/v1/projects/local/serviceAccounts/{target}",
        "roles/iam.serviceAccountTokenCreator",
        member(source),
    )
    assert run_as(source, code) == f"{target} 256"


CALL = """
import urllib.error, urllib.request, sys
import google.auth.transport.requests as t
from google.oauth2 import id_token
token = id_token.fetch_id_token(t.Request(), %(audience)r)
request = urllib.request.Request(%(uri)r, headers={%(header)r: f"Bearer {token}"})
try:
    print(urllib.request.urlopen(request).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


def web(server: ServerProcess) -> tuple[str, str]:
    name = f"{PARENT}/services/w{uuid.uuid4().hex[:8]}"
    template = {"containers": [{"command": [sys.executable, "-c", SERVICE]}]}
    server.call("PATCH", f"/v2/{name}?allowMissing=true", {"template": template})
    return name, server.get(f"/v2/{name}")["uri"]


def anonymous(server: ServerProcess, name: str) -> int:
    _, project, _, location, _, service = name.split("/")
    try:
        with urllib.request.urlopen(
            f"{server.address}/run/{project}/{location}/{service}/", timeout=60
        ) as reply:
            status: int = reply.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_service_is_called_with_an_id_token_of_who_may_invoke_it(strict: ServerProcess, run_as: As) -> None:
    name, uri = web(strict)
    email = made(strict)
    call = {"audience": uri, "uri": uri, "header": "Authorization"}
    assert anonymous(strict, name) == 403
    assert run_as(email, CALL % call) == "403"
    grant(strict, f"/v2/{name}", "roles/run.invoker", member(email))
    assert run_as(email, CALL % call) == "204"
    assert run_as(email, CALL % {**call, "header": "X-Serverless-Authorization"}) == "204"
    assert run_as(email, CALL % {**call, "audience": "https://other.example"}) == "401"
    assert anonymous(strict, name) == 403
    grant(strict, f"/v2/{name}", "roles/run.invoker", "allUsers")
    assert anonymous(strict, name) == 204


def test_a_workflow_calls_services_and_apis_as_its_own_account(strict: ServerProcess) -> None:
    name, uri = web(strict)
    email = made(strict)
    source = (
        "main:\n  steps:\n"
        f"  - a: {{call: http.get, args: {{url: '{uri}', auth: {{type: OIDC}}}}, result: r}}\n"
        f"  - b: {{call: googleapis.run.v2.projects.locations.services.get, args: {{name: {name}}}, result: s}}\n"
        "  - c: {return: '${[r.code, s.name]}'}\n"
    )
    workflow = f"{PARENT}/workflows/w{uuid.uuid4().hex[:8]}"
    strict.post(
        f"/v1/{PARENT}/workflows?workflowId={workflow.rpartition('/')[2]}",
        {"sourceContents": source, "serviceAccount": email},
    )

    def ran() -> Any:
        execution = strict.post(f"/v1/{workflow}/executions")["name"]
        return strict.post(f"/jubako/v1/{execution}:wait", {"timeout": "60s"})

    assert "403" in ran()["error"]["payload"]
    grant(strict, f"/v2/{name}", "roles/run.invoker", member(email))
    assert "run.services.get" in ran()["error"]["payload"]
    grant(strict, "/v1/projects/local", "roles/run.viewer", member(email))
    assert ran()["result"] == f'[204,"{name}"]'


def test_without_strict_iam_a_policy_that_names_invokers_holds_all_the_same(
    server: ServerProcess, tmp_path: Path
) -> None:
    name, uri = web(server)
    assert anonymous(server, name) == 204
    friend, stranger = (f"{who}@local.iam.gserviceaccount.com" for who in ("friend", "stranger"))
    grant(server, f"/v2/{name}", "roles/run.invoker", member(friend))
    assert anonymous(server, name) == 403
    run_as = running_as(server, tmp_path)
    call = CALL % {"audience": uri, "uri": uri, "header": "Authorization"}
    assert (run_as(friend, call), run_as(stranger, call)) == ("204", "403")


def test_keys_are_made_listed_and_forgotten_by_googles_admin_api(strict: ServerProcess) -> None:
    email = made(strict)
    path = f"/v1/projects/local/serviceAccounts/{email}"
    key = strict.post(f"{path}/keys")
    assert key["privateKeyData"]
    (listed,) = strict.get(f"{path}/keys")["keys"]
    assert listed["name"] == key["name"]
    strict.call("DELETE", f"/v1/{key['name']}")
    assert strict.get(f"{path}/keys") == {"keys": []}
    assert email in [one["email"] for one in strict.get("/v1/projects/local/serviceAccounts")["accounts"]]
    strict.call("DELETE", path)
    with pytest.raises(ApiError, match="does not exist"):
        strict.get(path)
