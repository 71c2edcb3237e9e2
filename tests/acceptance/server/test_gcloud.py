"""The real gcloud, unmodified, under ``jubako exec``, where it is on the PATH; nobody's own folder is touched."""

import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jubako.testing.server import ServerProcess

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),  # gcloud takes a second or more to start, and is started about ten times a test
    pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not on the PATH"),
]
REGION = ("--region", "asia-northeast1")
LOCATION = ("--location", "asia-northeast1")
TIMEOUT_S = 150
DEPLOY = (
    "run", "jobs", "deploy", "batch-convert", "--image",
    "asia-northeast1-docker.pkg.dev/PROJECT_ID/repo/convert:latest", *REGION, "--tasks", "100", "--parallelism", "20",
    "--max-retries", "3", "--task-timeout", "3600s", "--service-account", "batch@PROJECT_ID.iam.gserviceaccount.com",
)  # fmt: skip
"""The article's command, word for word."""


class Gcloud:
    def __init__(self, server: ServerProcess, home: Path) -> None:
        self.environ = {**os.environ, "HOME": str(home), "JUBAKO_SERVER": server.address}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "jubako", "exec", "--", "gcloud", *words]
        return subprocess.run(
            argv, env=self.environ, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )

    def ok(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def json(self, *words: str) -> Any:
        return json.loads(self.ok(*words, "--format", "json"))


@pytest.fixture(scope="module")
def gcloud(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gcloud]:
    home = tmp_path_factory.mktemp("home")
    yield Gcloud(server, home)
    assert not (home / ".config").exists()


def deploy(gcloud: Gcloud, name: str, *command: str, tasks: int = 1) -> None:
    """Deploy a job whose tasks run one after another, so that the order of their lines is known."""
    program, *words = command
    arguments = f"--args=^|^{'|'.join(words)}"
    gcloud.ok(
        "run", "jobs", "deploy", name, "--image", "local", "--command", program, arguments, *REGION,
        "--tasks", str(tasks), "--parallelism", "1", "--max-retries", "0",
    )  # fmt: skip


def test_the_articles_job_is_deployed_described_and_updated(gcloud: Gcloud) -> None:
    gcloud.ok(*DEPLOY)
    gcloud.ok(*DEPLOY)
    job = gcloud.json("run", "jobs", "describe", "batch-convert", *REGION)
    spec = job["spec"]["template"]["spec"]
    assert (spec["taskCount"], spec["parallelism"], job["metadata"]["generation"]) == (100, 20, 2)
    assert spec["template"]["spec"]["timeoutSeconds"] == "3600"
    names = [one["metadata"]["name"] for one in gcloud.json("run", "jobs", "list")]
    assert "batch-convert" in names
    refused = gcloud.run("run", "jobs", "execute", "batch-convert", *REGION)
    assert refused.returncode == 1
    assert "cannot run images" in refused.stderr


def test_a_job_is_executed_awaited_read_and_deleted(gcloud: Gcloud) -> None:
    deploy(gcloud, "hello", "sh", "-c", "echo hello $CLOUD_RUN_TASK_INDEX", tasks=3)
    gcloud.ok("run", "jobs", "execute", "hello", *REGION, "--wait")
    (execution,) = gcloud.json("run", "jobs", "executions", "list", "--job", "hello", *REGION)
    name = execution["metadata"]["name"]
    described = gcloud.json("run", "jobs", "executions", "describe", name, *REGION)
    assert described["status"]["succeededCount"] == 3
    lines = gcloud.ok("run", "jobs", "logs", "read", "hello", *REGION)
    assert [line.split(" ", 2)[2] for line in lines.splitlines()] == ["hello 0", "hello 1", "hello 2"]
    gcloud.ok("run", "jobs", "executions", "delete", name, *REGION)
    gcloud.ok("run", "jobs", "delete", "hello", *REGION)
    assert gcloud.run("run", "jobs", "describe", "hello", *REGION).returncode == 1


def test_a_failed_execution_is_an_exit_code_and_a_running_one_is_cancelled(gcloud: Gcloud) -> None:
    deploy(gcloud, "failing", "false")
    failed = gcloud.run("run", "jobs", "execute", "failing", *REGION, "--wait")
    assert failed.returncode == 1
    assert "The execution failed" in failed.stderr
    deploy(gcloud, "slow", "sleep", "60")
    name = gcloud.ok("run", "jobs", "execute", "slow", *REGION, "--format", "value(metadata.name)")
    gcloud.ok("run", "jobs", "executions", "cancel", name, *REGION)
    ended = gcloud.json("run", "jobs", "executions", "describe", name, *REGION)
    assert ended["status"]["cancelledCount"] == 1


def test_a_job_is_replaced_from_its_own_export_and_given_a_policy(gcloud: Gcloud, tmp_path: Path) -> None:
    deploy(gcloud, "replaced", "true")
    file = tmp_path / "job.yaml"
    file.write_text(gcloud.ok("run", "jobs", "describe", "replaced", *REGION, "--format", "export"))
    file.write_text(file.read_text().replace("taskCount: 1", "taskCount: 7"))
    gcloud.ok("run", "jobs", "replace", str(file), *REGION)
    job = gcloud.json("run", "jobs", "describe", "replaced", *REGION)
    assert job["spec"]["template"]["spec"]["taskCount"] == 7
    member = ("--member", "user:a@example.com", "--role", "roles/run.invoker")
    gcloud.ok("run", "jobs", "add-iam-policy-binding", "replaced", *REGION, *member)
    policy = gcloud.json("run", "jobs", "get-iam-policy", "replaced", *REGION)
    assert policy["bindings"] == [{"members": ["user:a@example.com"], "role": "roles/run.invoker"}]


def test_a_workflow_is_deployed_run_and_cancelled(gcloud: Gcloud, tmp_path: Path) -> None:
    source = tmp_path / "workflow.yaml"
    source.write_text("main:\n  params: [args]\n  steps:\n  - r: {return: '${args.n + 1}'}\n")
    gcloud.ok("workflows", "deploy", "adder", "--source", str(source), *LOCATION)
    ran = gcloud.json("workflows", "run", "adder", *LOCATION, "--data", '{"n":1}')
    assert (ran["state"], ran["result"]) == ("SUCCEEDED", "2")
    described = gcloud.json("workflows", "executions", "describe", ran["name"])
    assert described["state"] == "SUCCEEDED"
    source.write_text("main:\n  steps:\n  - wait: {call: sys.sleep, args: {seconds: 600}}\n")
    gcloud.ok("workflows", "deploy", "sleeper", "--source", str(source), *LOCATION)
    started = gcloud.json("workflows", "execute", "sleeper", *LOCATION)
    gcloud.ok("workflows", "executions", "cancel", started["name"])
    (listed,) = gcloud.json("workflows", "executions", "list", "sleeper", *LOCATION)
    assert listed["state"] == "CANCELLED"


def test_a_service_is_deployed_updated_listed_and_deleted(gcloud: Gcloud) -> None:
    gcloud.ok(
        "run",
        "deploy",
        "web",
        "--image",
        "local",
        "--command",
        "/bin/web",
        *REGION,
        "--allow-unauthenticated",
    )
    gcloud.ok("run", "services", "update", "web", "--update-env-vars", "A=1", *REGION)
    service = gcloud.json("run", "services", "describe", "web", *REGION)
    assert service["status"]["latestReadyRevisionName"].startswith("web-00002-")
    assert len(gcloud.json("run", "revisions", "list", "--service", "web", *REGION)) == 2
    policy = gcloud.json("run", "services", "get-iam-policy", "web", *REGION)
    assert policy["bindings"] == [{"members": ["allUsers"], "role": "roles/run.invoker"}]
    assert "web" in [one["metadata"]["name"] for one in gcloud.json("run", "services", "list")]
    gcloud.ok("run", "services", "delete", "web", *REGION)


def test_entries_are_written_and_read_with_those_of_a_service(gcloud: Gcloud, server: ServerProcess) -> None:
    program = (
        "import http.server,os;"
        "H=type('H',(http.server.BaseHTTPRequestHandler,),"
        "dict(do_GET=lambda s:(print('seen',s.path,flush=True),s.send_error(404))));"
        "http.server.HTTPServer(('127.0.0.1',int(os.environ['PORT'])),H).serve_forever()"
    )
    gcloud.ok(
        "run", "deploy", "logged", "--image", "local", "--command", sys.executable, f"--args=^|^-c|{program}",
        *REGION, "--allow-unauthenticated",
    )  # fmt: skip
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{server.address}/run/local/asia-northeast1/logged/page", timeout=60)
    assert "seen /page" in gcloud.ok("run", "services", "logs", "read", "logged", *REGION)
    gcloud.ok("logging", "write", "by-hand", '{"n": 3}', "--payload-type", "json", "--severity", "ERROR")
    gcloud.ok("logging", "write", "by-hand", "plain")
    (entry,) = gcloud.json(
        "logging", "read", 'log_id("by-hand") AND (jsonPayload.n>2 OR severity<DEBUG) AND NOT plain'
    )
    assert (entry["severity"], entry["jsonPayload"]) == ("ERROR", {"n": 3})
    assert "projects/local/logs/by-hand" in gcloud.ok("logging", "logs", "list")
    gcloud.ok("logging", "logs", "delete", "by-hand")
    assert gcloud.json("logging", "read", 'log_id("by-hand")') == []


def test_accounts_are_made_granted_and_given_keys(gcloud: Gcloud, tmp_path: Path) -> None:
    gcloud.ok("iam", "service-accounts", "create", "runner", "--display-name", "Runs things")
    email = "runner@local.iam.gserviceaccount.com"
    described = gcloud.json("iam", "service-accounts", "describe", email)
    assert described["displayName"] == "Runs things"
    assert email in [one["email"] for one in gcloud.json("iam", "service-accounts", "list")]
    member = ("--member", f"serviceAccount:{email}")
    gcloud.ok(
        "projects",
        "add-iam-policy-binding",
        "local",
        *member,
        "--role",
        "roles/run.viewer",
        "--condition",
        "None",
    )
    policy = gcloud.json("projects", "get-iam-policy", "local")
    assert {"members": [f"serviceAccount:{email}"], "role": "roles/run.viewer"} in policy["bindings"]
    gcloud.ok("projects", "remove-iam-policy-binding", "local", *member, "--role", "roles/run.viewer")
    gcloud.ok(
        "iam",
        "service-accounts",
        "add-iam-policy-binding",
        email,
        *member,
        "--role",
        "roles/iam.serviceAccountUser",
    )
    key = tmp_path / "key.json"
    gcloud.ok("iam", "service-accounts", "keys", "create", str(key), "--iam-account", email)
    assert json.loads(key.read_text())["client_email"] == email
    gcloud.ok("iam", "service-accounts", "delete", email)


def test_logs_are_followed(gcloud: Gcloud, server: ServerProcess) -> None:
    """In the SDK's own beta; its output says when it follows, so an entry is written until one arrives."""
    argv = [
        sys.executable, "-m", "jubako", "exec", "--", "gcloud", "beta", "logging", "tail",
        'log_id("followed")', "--format", "value(textPayload)", "--buffer-window", "0s",
    ]  # fmt: skip
    entry = {"textPayload": "seen", "logName": "projects/local/logs/followed", "resource": {"type": "global"}}
    with subprocess.Popen(
        argv, env=gcloud.environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as following:
        assert following.stdout is not None
        stop = threading.Event()

        def write() -> None:
            while not stop.wait(0.5):
                server.post("/v2/entries:write", {"entries": [entry]})

        writer = threading.Thread(target=write)
        writer.start()
        try:
            assert following.stdout.readline() == "seen\n"
        finally:
            stop.set()
            writer.join()
            following.terminate()
