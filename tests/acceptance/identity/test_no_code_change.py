"""Google's own clients, made as for the real cloud, reach this server under ``jubako exec`` without a word changed."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from jubako.testing.server import PARENT, ServerProcess

Run = Callable[..., subprocess.CompletedProcess[str]]
Python = Callable[..., str]


def needs(package: str) -> pytest.MarkDecorator:
    try:
        found = importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        found = False
    return pytest.mark.skipif(not found, reason=f"needs {package}")


RUN_AND_READ = """
from google.cloud import run_v2
import sys
jobs = run_v2.JobsClient(%s)
job = run_v2.Job(template=run_v2.ExecutionTemplate(task_count=2, template=run_v2.TaskTemplate(
    containers=[run_v2.Container(command=["true"])])))
created = jobs.create_job(parent=%r, job=job, job_id=%r).result(timeout=60)
execution = jobs.run_job(name=created.name).result(timeout=60)
print(execution.succeeded_count)
"""


@needs("google.cloud.run_v2")
@pytest.mark.parametrize("transport", ["", "transport='rest'"], ids=["grpc", "rest"])
def test_a_default_client_runs_a_job(python: Python, transport: str) -> None:
    assert python(RUN_AND_READ % (transport, PARENT, f"j{uuid.uuid4().hex[:8]}")) == "2"


@needs("google.cloud.workflows")
def test_default_clients_run_a_workflow(python: Python) -> None:
    code = f"""
import threading
from google.cloud import workflows_v1
from google.cloud.workflows import executions_v1
workflow = workflows_v1.Workflow(source_contents="- a: {{return: '${{1 + 1}}'}}")
made = workflows_v1.WorkflowsClient().create_workflow(
    parent={PARENT!r}, workflow=workflow, workflow_id="w{uuid.uuid4().hex[:8]}").result(timeout=60)
client = executions_v1.ExecutionsClient()
execution = client.create_execution(parent=made.name)
while execution.state == executions_v1.Execution.State.ACTIVE:
    threading.Event().wait(0.05)
    execution = client.get_execution(name=execution.name)
print(execution.result)
"""
    assert python(code) == "2"


@needs("google.auth")
def test_default_credentials_are_the_service_accounts(python: Python, server: ServerProcess) -> None:
    code = """
import google.auth, google.auth.transport.requests as t
credentials, project = google.auth.default()
credentials.refresh(t.Request())
session = t.AuthorizedSession(credentials)
reply = session.get("https://run.googleapis.com/v2/projects/local/locations/asia-northeast1/jobs")
print(project, credentials.service_account_email, reply.status_code)
"""
    assert python(code, "--service-account", "batch") == "local batch@local.iam.gserviceaccount.com 200"


@needs("google.auth")
def test_an_id_token_is_verified_by_googles_own_library(python: Python) -> None:
    code = """
import google.auth.transport.requests as t
from google.oauth2 import id_token
request = t.Request()
token = id_token.fetch_id_token(request, "https://telop.example")
claims = id_token.verify_oauth2_token(token, request, "https://telop.example")
print(claims["email"], claims["aud"])
try:
    id_token.verify_oauth2_token(token, request, "https://other.example")
except ValueError:
    print("refused")
"""
    told = python(code, "--service-account", "caller@local.iam.gserviceaccount.com")
    assert told.split() == ["caller@local.iam.gserviceaccount.com", "https://telop.example", "refused"]


@needs("google.auth")
def test_a_key_file_and_impersonation_work(python: Python, run: Run, tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    made = run("iam", "service-accounts", "keys", "create", str(key), "--iam-account", "keyed")
    assert made.returncode == 0, made.stderr
    code = f"""
import google.auth.transport.requests as t
from google.auth import impersonated_credentials
from google.oauth2 import service_account
scopes = ["https://www.googleapis.com/auth/cloud-platform"]
source = service_account.Credentials.from_service_account_file({str(key)!r}, scopes=scopes)
other = impersonated_credentials.Credentials(source, "other@local.iam.gserviceaccount.com", scopes)
other.refresh(t.Request())
reply = t.Request()("https://oauth2.googleapis.com/tokeninfo?access_token=" + other.token)
import json
print(json.loads(reply.data)["email"])
id_source = service_account.IDTokenCredentials.from_service_account_file({str(key)!r}, target_audience="https://x")
id_source.refresh(t.Request())
print(id_source.token.count("."))
"""
    assert python(code).split() == ["other@local.iam.gserviceaccount.com", "2"]
    content = json.loads(key.read_text())
    assert "private_key" in content
    assert key.stat().st_mode & 0o077 == 0


@needs("google.auth")
def test_a_task_is_its_own_service_account(server: ServerProcess) -> None:
    code = (
        "import google.auth, google.auth.transport.requests as t\n"
        "c, p = google.auth.default(); c.refresh(t.Request())\n"
        "print('I am', c.service_account_email, 'in', p, flush=True)"
    )
    names = {}
    for account in ("ocr@p.iam.gserviceaccount.com", ""):
        name = f"j{uuid.uuid4().hex[:8]}"
        container = {"command": [sys.executable], "args": ["-W", "ignore", "-c", code]}
        template = {"containers": [container], "maxRetries": 0, "serviceAccount": account}
        body = {"template": {"template": template}}
        server.post(f"/v2/{PARENT}/jobs?jobId={name}", body)
        operation = server.post(f"/v2/{PARENT}/jobs/{name}:run")
        done = server.post(f"/v2/{operation['name']}:wait", {"timeout": "60s"})
        assert done["response"]["succeededCount"] == 1, done
        execution = operation["metadata"]["name"]
        names[account] = logs_of(server, execution)
    assert "I am ocr@p.iam.gserviceaccount.com in local" in names["ocr@p.iam.gserviceaccount.com"]
    assert re.search(r"I am \d+-compute@developer\.gserviceaccount\.com in local", names[""])


@needs("google.cloud.run_v2")
def test_a_task_calls_the_api_as_its_own_service_account(server: ServerProcess) -> None:
    """Default credentials, default endpoint, TLS: the task makes a job, and the job says who made it."""
    code = (
        "from google.cloud import run_v2\n"
        "from google.cloud import logging\n"
        "import google.auth\n"
        f"template = run_v2.TaskTemplate(containers=[run_v2.Container(command=['true'])])\n"
        "job = run_v2.Job(template=run_v2.ExecutionTemplate(template=template))\n"
        "client = run_v2.JobsClient()\n"
        f"made = client.create_job(parent={PARENT!r}, job=job, job_id='j{uuid.uuid4().hex[:8]}').result(timeout=60)\n"
        "print('made by', client.get_job(name=made.name).creator, flush=True)\n"
        "logging.Client().logger('from-a-task').log_text('I was here')\n"
    )
    done = run_python_task(server, code, serviceAccount="maker")
    assert "made by maker@local.iam.gserviceaccount.com" in logs_of(server, done["name"])
    body = {"resourceNames": ["projects/local"], "filter": 'log_id("from-a-task") "I was here"'}
    assert len(server.post("/v2/entries:list", body)["entries"]) == 1


def run_python_task(server: ServerProcess, code: str, **template: object) -> dict[str, str]:
    name = f"j{uuid.uuid4().hex[:8]}"
    container = {"command": [sys.executable], "args": ["-W", "ignore", "-c", code]}
    body = {"template": {"template": {"containers": [container], "maxRetries": 0, **template}}}
    server.post(f"/v2/{PARENT}/jobs?jobId={name}", body)
    operation = server.post(f"/v2/{PARENT}/jobs/{name}:run")
    done = server.post(f"/v2/{operation['name']}:wait", {"timeout": "60s"})
    execution: dict[str, str] = done["metadata"]
    assert "response" in done, logs_of(server, execution["name"])
    return execution


def test_a_workflow_calls_the_api_as_its_own_service_account(server: ServerProcess) -> None:
    name = uuid.uuid4().hex[:8]
    source = f"""
main:
  steps:
  - make:
      call: http.post
      args:
        url: https://run.googleapis.com/v2/{PARENT}/jobs?jobId=w{name}
        auth: {{type: OAuth2}}
        body: {{template: {{template: {{containers: [{{command: ['true']}}]}}}}}}
  - look:
      call: googleapis.run.v2.projects.locations.jobs.get
      args: {{name: {PARENT}/jobs/w{name}}}
      result: job
  - tell: {{return: '${{job.creator}}'}}
"""
    server.post(
        f"/v1/{PARENT}/workflows?workflowId=w{name}", {"sourceContents": source, "serviceAccount": "author"}
    )
    execution = server.post(f"/v1/{PARENT}/workflows/w{name}/executions")["name"]
    ended = server.post(f"/jubako/v1/{execution}:wait", {"timeout": "60s"})
    assert ended.get("result") == '"author@local.iam.gserviceaccount.com"', ended


@needs("google.cloud.workflows")
def test_default_clients_see_locations_and_operations(python: Python) -> None:
    code = f"""
from google.cloud import run_v2, workflows_v1
from google.cloud.location import locations_pb2
from google.longrunning import operations_pb2
for transport in ("grpc", "rest"):
    client = workflows_v1.WorkflowsClient(transport=transport)
    names = [one.location_id for one in client.list_locations({{"name": "projects/local"}}).locations]
    one = client.get_location({{"name": "projects/local/locations/asia-northeast1"}})
    print("asia-northeast1" in names, one.name)
jobs = run_v2.JobsClient()
template = run_v2.ExecutionTemplate(template=run_v2.TaskTemplate(containers=[run_v2.Container(command=["true"])]))
jobs.create_job(parent={PARENT!r}, job=run_v2.Job(template=template), job_id="o{uuid.uuid4().hex[:8]}").result()
listed = jobs.list_operations({{"name": {PARENT!r}}}).operations
name = listed[0].name
waited = operations_pb2.Operation.FromString(jobs.wait_operation({{"name": name}}))  # the client gives it as bytes
print(jobs.get_operation({{"name": name}}).done, waited.done)
jobs.delete_operation({{"name": name}})
print(name in [one.name for one in jobs.list_operations({{"name": {PARENT!r}}}).operations])
"""
    place = f"True {PARENT}"
    assert python(code).splitlines() == [place, place, "True True", "False"]


def logs_of(server: ServerProcess, execution: str) -> str:
    return json.dumps(server.get(f"/jubako/v1/{execution}/logs"))


def test_a_job_opts_out_by_setting_the_variable(server: ServerProcess) -> None:
    name = f"j{uuid.uuid4().hex[:8]}"
    code = (
        "import os; print('proxies', [os.environ.get(n) for n in ('https_proxy', 'HTTPS_PROXY')], flush=True)"
    )
    container = {
        "command": [sys.executable],
        "args": ["-c", code],
        "env": [{"name": "HTTPS_PROXY", "value": "http://10.0.0.1:3128"}],
    }
    server.post(f"/v2/{PARENT}/jobs?jobId={name}", {"template": {"template": {"containers": [container]}}})
    operation = server.post(f"/v2/{PARENT}/jobs/{name}:run")
    server.post(f"/v2/{operation['name']}:wait", {"timeout": "60s"})
    assert "[None, 'http://10.0.0.1:3128']" in logs_of(server, operation["metadata"]["name"])


def test_a_service_answers_at_its_run_app_address(server: ServerProcess, python: Python) -> None:
    code = (
        "import http.server, os\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        '        body = f\'{self.headers[chr(72) + "ost"]} {os.environ["GCE_METADATA_HOST"]}\'.encode()\n'
        "        self.send_response(200); self.send_header('content-length', str(len(body))); self.end_headers()\n"
        "        self.wfile.write(body)\n"
        "http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), H).serve_forever()"
    )
    container = {"command": [sys.executable], "args": ["-c", code]}
    template = {"containers": [container], "serviceAccount": "web"}
    server.call("PATCH", f"/v2/{PARENT}/services/web?allowMissing=true", {"template": template})
    uri = server.get(f"/v2/{PARENT}/services/web")["uri"]
    environment = server.get(
        "/jubako/v1/environment?project=local&location=asia-northeast1&serviceAccount=web"
    )["set"]
    told = python(f"import urllib.request; print(urllib.request.urlopen({uri!r}).read().decode())")
    assert told == f"{uri.removeprefix('https://')} {environment['GCE_METADATA_HOST']}"


def test_ports_and_keys_survive_a_kill(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "state") as server:
        query = "/jubako/v1/environment?project=p&location=l&serviceAccount=a"
        before = server.get(query)["set"]
        server.kill()
        server.restart()
        assert server.get(query)["set"] == before


def test_a_bad_token_is_refused_and_a_good_one_is_not(server: ServerProcess) -> None:
    from jubako.testing.server import ApiError

    path = f"/v2/{PARENT}/jobs"
    environment = server.get("/jubako/v1/environment?project=local&location=l")["set"]
    good = Path(environment["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"]).read_text()
    server.call("GET", path, headers={"authorization": f"Bearer {good}"})
    for bad in (good[:-4], good + "x", "nonsense", "ya29.of-the-real-google"):
        with pytest.raises(ApiError) as refused:
            server.call("GET", path, headers={"authorization": f"Bearer {bad}"})
        assert (refused.value.http_status, refused.value.status) == (401, "UNAUTHENTICATED")


def test_the_persons_own_credentials_and_folders_are_left_alone(run: Run, home: Path) -> None:
    done = run(
        "exec", "--", "env", GOOGLE_APPLICATION_CREDENTIALS="/real/key.json", NO_PROXY="intranet.example"
    )
    told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in told
    assert "127.0.0.1" in told["no_proxy"].split(",")
    assert list(home.iterdir()) == []


def test_exec_becomes_the_command(run: Run) -> None:
    assert run("exec", "--", "sh", "-c", "exit 7").returncode == 7
    missing = run("exec", "--", "no-such-program")
    assert (missing.returncode, missing.stderr) == (127, "ERROR: no-such-program: no such command.\n")


def test_env_is_read_by_a_shell(run: Run, server: ServerProcess) -> None:
    told = run("env").stdout
    done = subprocess.run(
        ["sh", "-c", f"{told}\nprintf %s $https_proxy"], capture_output=True, text=True, check=True
    )
    assert done.stdout == server.address
    assert json.loads(run("env", "--format", "json").stdout)["https_proxy"] == server.address


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_env_is_read_by_fish_too(run: Run, server: ServerProcess) -> None:
    told = run("env", "--shell", "fish").stdout
    script = f"set -gx ALL_PROXY http://elsewhere\n{told}\necho $https_proxy; set -q ALL_PROXY; or echo gone"
    done = subprocess.run(["fish", "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == ([server.address, "gone"], "")


def test_options_of_node_that_a_person_set_stay(run: Run) -> None:
    once = run("exec", "--", "printenv", "NODE_OPTIONS", NODE_OPTIONS="--no-warnings").stdout.strip()
    assert re.fullmatch(r'--require "/.*/node_proxy\.cjs" --no-warnings', once)
    again = run("exec", "--", "printenv", "NODE_OPTIONS", NODE_OPTIONS=once).stdout.strip()
    assert again == once


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_gets_http1_and_apis_that_are_not_served_end_here(run: Run) -> None:
    page = ["curl", "-sS", "-w", " %{http_version} %{http_code}"]
    served = run("exec", "--", *page, f"https://run.googleapis.com/v2/{PARENT}/operations")
    assert served.stdout.endswith(" 1.1 200"), served.stderr
    missing = run("exec", "--", *page, "https://storage.googleapis.com/storage/v1/b")
    assert "storage.googleapis.com is not served here" in missing.stdout
    assert missing.stdout.endswith(" 1.1 404")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcloud") is None, reason="needs gcloud")
def test_the_real_gcloud_reaches_this_server_and_nothing_of_the_persons(run: Run, home: Path) -> None:
    done = run("exec", "--", "gcloud", "workflows", "list", "--location", "asia-northeast1", "--format=json")
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), list)
    assert list(home.iterdir()) == []
