"""Google's own clients for Node, made as for the real cloud, under ``jubako exec``.

They are found where ``JUBAKO_TEST_NODE_MODULES`` says: a ``node_modules`` folder with @google-cloud/run, /workflows and
/logging in it (``npm install`` makes one anywhere). Without it, or without Node, these tests are skipped.
"""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from jubako.testing.server import PARENT, ServerProcess

MODULES = os.environ.get("JUBAKO_TEST_NODE_MODULES", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("node") is None, reason="needs node"),
    pytest.mark.skipif(
        not (Path(MODULES) / "@google-cloud" / "run").is_dir(),
        reason="needs Google's clients for Node: name their folder by JUBAKO_TEST_NODE_MODULES",
    ),
]
Node = Callable[..., list[str]]


@pytest.fixture
def node(server: ServerProcess, home: Path) -> Node:
    """Run JavaScript under ``jubako exec`` and return the lines it prints."""

    def node(code: str, account: str = "") -> list[str]:
        flags = ["--service-account", account] if account else []
        wrapped = (
            f"(async () => {{ {code} }})().catch((error) => {{ console.error(error); process.exit(1); }})"
        )
        done = subprocess.run(
            [sys.executable, "-m", "jubako", "exec", *flags, "--", "node", "-e", wrapped],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
                "NODE_PATH": MODULES,
                "JUBAKO_SERVER": server.address,
            },
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return node


@pytest.mark.parametrize("options", ["", "{fallback: true}"], ids=["grpc", "rest"])
def test_a_job_is_made_run_and_changed(node: Node, options: str) -> None:
    code = f"""
        const {{JobsClient, ExecutionsClient}} = require('@google-cloud/run').v2;
        const jobs = new JobsClient({options});
        const template = {{taskCount: 2, template: {{containers: [{{command: ['true']}}], maxRetries: 0}}}};
        const [making] = await jobs.createJob(
            {{parent: {PARENT!r}, jobId: 'n{uuid.uuid4().hex[:8]}', job: {{template}}}});
        const [made] = await making.promise();
        const [running] = await jobs.runJob({{name: made.name}});
        const [execution] = await running.promise();
        console.log(execution.succeededCount, made.creator);
        const [listed] = await new ExecutionsClient({options}).listExecutions({{parent: made.name}});
        console.log(listed.length);
        made.template.taskCount = 3;
        const [changing] = await jobs.updateJob({{job: made}});
        const [changed] = await changing.promise();
        console.log(changed.template.taskCount);
    """
    assert node(code, "maker") == ["2 maker@local.iam.gserviceaccount.com", "1", "3"]


@pytest.mark.parametrize("options", ["", "{fallback: true}"], ids=["grpc", "rest"])
def test_a_workflow_is_run(server: ServerProcess, node: Node, options: str) -> None:
    name = f"n{uuid.uuid4().hex[:8]}"
    source = {"sourceContents": "- a: {return: '${1 + 1}'}"}
    operation = server.post(f"/v1/{PARENT}/workflows?workflowId={name}", source)
    server.post(f"/v1/{operation['name']}:wait", {"timeout": "60s"})
    code = f"""
        const {{ExecutionsClient}} = require('@google-cloud/workflows');
        const client = new ExecutionsClient({options});
        let [execution] = await client.createExecution({{parent: '{PARENT}/workflows/{name}'}});
        while (execution.state === 'ACTIVE') {{
            await new Promise((done) => setTimeout(done, 50));
            [execution] = await client.getExecution({{name: execution.name}});
        }}
        console.log(execution.state, execution.result);
    """
    assert node(code) == ["SUCCEEDED 2"]


def test_entries_are_written_and_read(node: Node) -> None:
    log = f"node-{uuid.uuid4().hex[:6]}"
    code = f"""
        const {{Logging}} = require('@google-cloud/logging');
        const logging = new Logging();
        const log = logging.log({log!r});
        await log.write([
            log.entry({{severity: 'ERROR', resource: {{type: 'global'}}}}, {{step: 1, list: [1, 'x']}}),
            log.entry({{resource: {{type: 'global'}}}}, 'plain'),
        ]);
        const [entries] = await log.getEntries({{orderBy: 'timestamp asc', filter: 'severity>=ERROR OR plain'}});
        for (const entry of entries) console.log(entry.metadata.severity, JSON.stringify(entry.data));
    """
    assert node(code) == ['ERROR {"list":[1,"x"],"step":1}', 'DEFAULT "plain"']


def test_entries_are_followed(node: Node) -> None:
    log = f"node-{uuid.uuid4().hex[:6]}"
    code = f"""
        const {{Logging}} = require('@google-cloud/logging');
        const logging = new Logging();
        const stream = logging.tailEntries({{filter: 'log_id("{log}")'}});
        const writing = setInterval(
            () => logging.log({log!r}).write(logging.log({log!r}).entry({{resource: {{type: 'global'}}}}, 'x')), 500);
        const response = await new Promise((done, failed) => stream.on('data', done).on('error', failed));
        clearInterval(writing);
        stream.end();
        console.log(response.entries[0].data);
        process.exit(0);
    """
    assert node(code)[0] == "x"
