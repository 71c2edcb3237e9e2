"""``jubako workflows`` and ``jubako run deploy`` over a real socket."""

from pathlib import Path
from typing import Any

import pytest

WORKFLOW = "projects/local/locations/asia-northeast1/workflows/hello"
SOURCE = "main:\n  steps:\n  - done:\n      return: 1\n"


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "hello.yaml"
    path.write_text(SOURCE)
    return str(path)


@pytest.fixture
def deployed(google: Any, jubako: Any, source: str) -> Any:
    assert jubako("workflows", "deploy", "hello", "--source", source).code == 0
    google.calls.clear()
    return google


def test_deploy_creates_then_patches_only_what_is_given(google: Any, jubako: Any, source: str) -> None:
    ran = jubako("workflows", "deploy", "hello", "--source", source, "--service-account", "x@p.iam")
    assert ran.code == 0, ran.err
    (create,) = google.sent("POST")
    assert create.query == {"workflowId": "hello"}
    assert create.body == {"sourceContents": SOURCE, "serviceAccount": "projects/-/serviceAccounts/x@p.iam"}
    assert jubako("workflows", "deploy", "hello", "--set-env-vars", "A=1", "--labels", "a=b").code == 0
    (patch,) = google.sent("PATCH")
    assert patch.query == {"updateMask": "userEnvVars,labels"}
    assert patch.body == {"userEnvVars": {"A": "1"}, "labels": {"a": "b"}}


def test_run_prints_the_result_and_nothing_else_on_standard_output(deployed: Any, jubako: Any) -> None:
    ran = jubako("workflows", "run", "hello", "--data", '{"name": "x"}')
    assert ran.code == 0, ran.err
    assert ran.out == '{\n  "n": 1\n}\n'
    assert deployed.sent("POST")[0].body == {"argument": '{"name": "x"}'}


def test_run_exits_1_when_the_execution_failed_and_shows_the_error(deployed: Any, jubako: Any) -> None:
    deployed.workflow_end = {"state": "FAILED", "error": {"payload": "it broke", "context": "in step `a`"}}
    ran = jubako("workflows", "run", "hello")
    assert ran.code == 1
    assert ran.out == ""
    assert "has failed" in ran.err
    assert "it broke" in ran.err
    assert "in step `a`" in ran.err


def test_data_that_is_no_json_is_refused_before_anything_is_sent(deployed: Any, jubako: Any) -> None:
    ran = jubako("workflows", "run", "hello", "--data", "{name: x}")
    assert ran.code == 2
    assert "--data is not JSON" in ran.err
    assert deployed.calls == []


def test_execute_prints_the_name_and_executions_can_be_listed_and_cancelled(
    deployed: Any, jubako: Any
) -> None:
    deployed.polls_until_done = 1_000
    assert jubako("workflows", "execute", "hello").out == f"{WORKFLOW}/executions/one\n"
    assert "one  " in jubako("workflows", "executions", "list", "hello").out
    assert "State: ACTIVE" in jubako("workflows", "executions", "describe", "one", "--workflow", "hello").out
    assert "cancelled" in jubako("workflows", "executions", "cancel", "one", "--workflow", "hello").err


def test_a_new_workflow_needs_a_source_that_can_be_read(jubako: Any, tmp_path: Path) -> None:
    assert jubako("workflows", "deploy", "hello", "--labels", "a=b").code == 2
    ran = jubako("workflows", "deploy", "hello", "--source", str(tmp_path / "none.yaml"))
    assert ran.code == 2
    assert "none.yaml" in ran.err


def test_a_service_is_deployed_and_its_address_told(google: Any, jubako: Any) -> None:
    ran = jubako("run", "deploy", "api", "--command", "python3,-m,api", "--port", "9000", "--timeout", "60")
    assert ran.code == 0, ran.err
    assert f"Service URL: {google.address}/run/local/asia-northeast1/api/" in ran.err
    template = google.documents["projects/local/locations/asia-northeast1/services/api"]["template"]
    assert template["timeout"] == "60s"
    assert template["containers"] == [
        {"command": ["python3", "-m", "api"], "ports": [{"containerPort": 9000}]}
    ]
    assert "/run/local/asia-northeast1/api/" in jubako("run", "services", "list").out
    assert jubako("run", "services", "describe", "api", "--format", "value(metadata.name)").out == "api\n"
    assert jubako("run", "services", "delete", "api").code == 0


def test_levels_of_logging_and_history_are_sent(google: Any, jubako: Any, source: str) -> None:
    flags = ("--call-log-level", "log-all-calls", "--execution-history-level", "execution-history-detailed")
    assert jubako("workflows", "deploy", "hello", "--source", source, *flags).code == 0
    levels = {"callLogLevel": "LOG_ALL_CALLS", "executionHistoryLevel": "EXECUTION_HISTORY_DETAILED"}
    assert google.sent("POST")[0].body == {"sourceContents": SOURCE, **levels}
    assert jubako("workflows", "execute", "hello", *flags).code == 0
    assert google.sent("POST")[-1].body == levels


def test_a_refused_source_is_told_with_its_file_on_every_line(google: Any, jubako: Any, source: str) -> None:
    refused = {
        "status": "INVALID_ARGUMENT",
        "message": "failed to build: 1:2: no\n3:4: in step a: nor this (mend)",
    }
    google.failures += [(404, {"error": {"status": "NOT_FOUND"}}), (400, {"error": refused})]
    ran = jubako("workflows", "deploy", "hello", "--source", source)
    assert ran.code == 1
    assert f"{source}:1:2: no\n{source}:3:4: in step a: nor this (mend)\n" in ran.err


def test_deploying_what_the_real_service_would_refuse_warns_with_the_line(
    google: Any, jubako: Any, tmp_path: Path
) -> None:
    path = tmp_path / "hello.yaml"
    path.write_text("main:\n  params: [a]\n  steps:\n    - s: {return: { b: ${a.b} }}\n")
    ran = jubako("workflows", "deploy", "hello", "--source", str(path))
    assert ran.code == 0, ran.err
    assert f"{path}:4:24: warning: ${{a.b}} stands unquoted" in ran.err
    assert google.sent("POST")
