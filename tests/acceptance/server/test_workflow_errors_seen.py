"""An unhandled error as its users meet it: Google's own client, and the command line."""

import json
import uuid
from typing import Any

import pytest

from jubako.cli.main import main
from jubako.testing.server import PARENT, ServerProcess

pytest.importorskip("google.cloud.workflows.executions_v1")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SOURCE = """\
main:
  params: [input]
  steps:
    - tell: {call: sys.log, args: {text: begun, severity: NOTICE}}
    - each:
        for:
          value: v
          in: [1]
          steps:
            - deeper:
                call: look_up
                args: {where: "${input}"}
look_up:
  params: [where]
  steps:
    - find_it:
        return: ${where.missing}
"""


@pytest.fixture
def workflow(server: ServerProcess) -> str:
    name = f"w{uuid.uuid4().hex[:8]}"
    server.post(
        f"/v1/{PARENT}/workflows?workflowId={name}",
        {"sourceContents": SOURCE, "callLogLevel": "LOG_ERRORS_ONLY"},
    )
    return name


def ended(client: Any, name: str) -> Any:
    while (execution := client.get_execution(name=name)).state.name == "ACTIVE":
        pass
    return execution


def test_googles_client_sees_payload_context_and_stack_trace(server: ServerProcess, workflow: str) -> None:
    import grpc
    from google.cloud.workflows import executions_v1
    from google.cloud.workflows.executions_v1.services.executions.transports import ExecutionsGrpcTransport

    channel = grpc.insecure_channel(server.address.removeprefix("http://"))
    client = executions_v1.ExecutionsClient(transport=ExecutionsGrpcTransport(channel=channel))
    begun = client.create_execution(
        parent=f"{PARENT}/workflows/{workflow}", execution=executions_v1.Execution(argument='{"a": 1}')
    )
    execution = ended(client, begun.name)
    assert execution.state.name == "FAILED"
    error = execution.error
    assert json.loads(error.payload) == {
        "message": "KeyError: key not found: missing",
        "tags": ["KeyError", "LookupError"],
    }
    assert error.context.splitlines() == [
        "KeyError: key not found: missing",
        'in step "find_it", routine "look_up", line: 16',
        'in step "deeper", routine "main", line: 10',
    ]
    assert [
        (one.step, one.routine, one.position.line, one.position.column, one.position.length)
        for one in error.stack_trace.elements
    ] == [("find_it", "look_up", 16, 7, 7), ("deeper", "main", 10, 15, 6)]
    channel.close()


def test_the_command_line_shows_the_error_and_what_was_logged(
    server: ServerProcess, workflow: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def jubako(*words: str) -> tuple[int, str, str]:
        return main(["--server", server.address, "workflows", *words], {}), *capsys.readouterr()

    code, out, err = jubako("run", workflow, "--data", '{"a": 1}')
    assert (code, out) == (1, "")
    assert 'KeyError: key not found: missing\n  in step "find_it", routine "look_up", line: 16\n' in err
    _, name, _ = jubako("executions", "list", workflow, "--format", "value(name)")
    _, told, _ = jubako("executions", "describe", name.strip())
    assert "State: FAILED" in told
    assert 'Error payload: {"message":"KeyError: key not found: missing",' in told
    assert 'in step "deeper", routine "main", line: 10' in told
    _, logged, _ = jubako("executions", "logs", name.strip())
    lines = logged.splitlines()
    assert sum(line.endswith("NOTICE  begun") for line in lines) == 1
    assert any("deeper: look_up exception raised" in line for line in lines)
    assert any("execution failed" in line and "ERROR" in line for line in lines)


def test_an_error_that_is_raised_is_told_as_it_is(server: ServerProcess) -> None:
    name = f"w{uuid.uuid4().hex[:8]}"
    source = "- a: {raise: {code: 55, message: custom}}\n"
    server.post(f"/v1/{PARENT}/workflows?workflowId={name}", {"sourceContents": source})
    told = server.post(f"/jubako/v1/{PARENT}/workflows/{name}:run", {})["error"]
    assert json.loads(told["payload"]) == {"code": 55, "message": "custom"}
    headline = 'RuntimeError: {"code":55,"message":"custom"}'
    assert told["context"] == f'{headline}\nin step "a", routine "main", line: 1'
    assert told["stackTrace"]["elements"] == [
        {"step": "a", "routine": "main", "position": {"line": "1", "column": "3", "length": "1"}}
    ]
