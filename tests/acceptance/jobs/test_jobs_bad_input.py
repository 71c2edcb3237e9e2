"""Bad input through the API and the command line: the field and the limit are named, and nothing is half created."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jubako.cli.main import main
from jubako.testing.server import PARENT, ApiError

LONG = "x" * 100_000


def document(container: Any = None, **execution: Any) -> dict[str, Any]:
    inner = {"maxRetries": 0, "containers": [{"command": ["true"], **(container or {})}]}
    return {"template": {"template": inner, **execution}}


@pytest.fixture
def jubako(jobs: Any, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """``jubako(WORD, ...)`` returns exit code and standard error of ``jubako run jobs WORD ...``."""

    def run(*words: str) -> tuple[int, str]:
        code = main(["run", "jobs", *words], {"JUBAKO_SERVER": jobs.server.address})
        return code, capsys.readouterr().err

    return run


def names_of(jobs: Any) -> set[str]:
    listed = jobs.server.get(f"/v2/{PARENT}/jobs").get("jobs", [])
    return {job["name"].rsplit("/", 1)[1] for job in listed}


@pytest.mark.parametrize(
    ("job", "flags", "named", "told"),
    [
        (
            document(taskCount=10_001),
            ["--tasks", "10001"],
            "job.template.task_count: 10001 is not between 1 and 10000.",
            "job.template.task_count: 10001 is not between 1 and 10000.",
        ),
        (
            document(taskCount=-1),
            ["--tasks", "0"],
            "job.template.task_count: -1 is not between 1 and 10000.",
            "argument --tasks: '0' is not a whole number of at least 1.",
        ),
        (
            document(taskCount=2, parallelism=3),
            ["--tasks", "2", "--parallelism", "3"],
            "job.template.parallelism: 3 is more than the task count, 2.",
            "job.template.parallelism: 3 is more than the task count, 2.",
        ),
        (
            document({"env": [{"name": "A=B", "value": "x"}]}),
            ["--set-env-vars", "A\x7fB=x"],
            "containers[0].env[0].name: 'A=B' cannot name a variable: it must not be empty or hold '='.",
            "env[0].name: 'A\\x7fB' cannot name a variable",
        ),
        (
            document({"args": [LONG] * 11}),
            [f"--args=^|^{'|'.join([LONG] * 11)}"],
            "containers[0]: command, args and env have 1100004 bytes together; at most 1000000 fit.",
            "have 1100004 bytes together; at most 1000000 fit.",
        ),
        (
            document({"args": ["x" * 1_000_000]}),
            [f"--args={'x' * 1_000_000}"],
            "containers[0].args[0]: has 1000000 bytes; at most 131071 fit.",
            "args[0]: has 1000000 bytes; at most 131071 fit.",
        ),
    ],
    ids=["10,001 tasks", "no task", "parallelism", "a name with =", "1 MB of arguments", "1 MB in one"],
)
def test_a_job_that_cannot_be_is_refused_by_field_and_limit(
    jobs: Any, jubako: Any, job: Any, flags: list[str], named: str, told: str
) -> None:
    with pytest.raises(ApiError) as refused:
        jobs.server.post(f"/v2/{PARENT}/jobs?jobId=bad", job)
    assert (refused.value.http_status, refused.value.status) == (400, "INVALID_ARGUMENT")
    assert named in refused.value.message
    code, said = jubako("deploy", "bad", "--command", "true", *flags)
    assert code != 0
    assert told in said
    assert "Traceback" not in said
    assert "bad" not in names_of(jobs)


@pytest.mark.parametrize("name", ["Upper", "under_score", "1st", "a" * 50, "-a", "a-"])
def test_a_name_that_is_no_dns_label_is_refused(jobs: Any, jubako: Any, name: str) -> None:
    with pytest.raises(ApiError) as refused:
        jobs.server.post(f"/v2/{PARENT}/jobs?jobId={name}", document())
    assert refused.value.status == "INVALID_ARGUMENT"
    assert "jobId" in refused.value.message
    code, said = jubako("deploy", "--command", "true", "--", name)
    assert code != 0
    assert name in said
    assert len(said.strip().splitlines()) <= 2
    assert name not in names_of(jobs)


def test_a_task_count_of_0_is_unset_as_protocol_buffers_say_and_means_1(jobs: Any) -> None:
    jobs.server.post(f"/v2/{PARENT}/jobs?jobId=zero", document(taskCount=0))
    assert jobs.server.get(f"/v2/{PARENT}/jobs/zero")["template"]["taskCount"] == 1
    assert jobs.ended(jobs.run("zero", taskCount=0))["taskCount"] == 1


def test_a_second_create_is_refused_and_changes_nothing(jobs: Any) -> None:
    jobs.server.post(f"/v2/{PARENT}/jobs?jobId=twice", document(taskCount=2))
    with pytest.raises(ApiError) as refused:
        jobs.server.post(f"/v2/{PARENT}/jobs?jobId=twice", document(taskCount=5))
    assert (refused.value.http_status, refused.value.status) == (409, "ALREADY_EXISTS")
    assert f"'{PARENT}/jobs/twice'" in refused.value.message
    assert jobs.server.get(f"/v2/{PARENT}/jobs/twice")["template"]["taskCount"] == 2


def test_a_job_that_runs_is_not_deleted_and_goes_on(jobs: Any, jubako: Any, tmp_path: Any) -> None:
    go = tmp_path / "go"
    jobs.deploy("busy", ["sh", "-c", f"until [ -e {go} ]; do sleep 0.02; done"])
    operation = jobs.run("busy")
    with pytest.raises(ApiError) as refused:
        jobs.server.call("DELETE", f"/v2/{PARENT}/jobs/busy")
    assert (refused.value.http_status, refused.value.status) == (400, "FAILED_PRECONDITION")
    assert "1 executions under way: cancel them, or wait for their end." in refused.value.message
    code, said = jubako("delete", "busy")
    assert (code, len(said.strip().splitlines())) == (1, 1)
    assert "under way" in said
    name = operation["metadata"]["name"]
    with pytest.raises(ApiError) as refused:
        jobs.server.call("DELETE", f"/v2/{name}")
    assert refused.value.status == "FAILED_PRECONDITION"
    code, said = jubako("executions", "delete", name.rsplit("/", 1)[1])
    assert (code, len(said.strip().splitlines())) == (1, 1)
    go.touch()
    assert jobs.ended(operation)["succeededCount"] == 1
    jobs.server.call("DELETE", f"/v2/{PARENT}/jobs/busy")
    with pytest.raises(ApiError) as refused:
        jobs.server.get(f"/v2/{name}")
    assert refused.value.status == "NOT_FOUND"


@pytest.mark.parametrize(
    ("name", "container", "reason"),
    [
        (
            "no-command",
            {"command": ["no-such-program"]},
            "command: 'no-such-program' cannot be used on this machine: not found in PATH.",
        ),
        (
            "no-file",
            {"command": ["/no/such/program"]},
            "command: '/no/such/program' cannot be used on this machine: No such file or directory.",
        ),
        (
            "no-program",
            {"command": ["/etc/passwd"]},
            "command: '/etc/passwd' cannot be used on this machine: Permission denied.",
        ),
        (
            "no-path",
            {"command": ["sh"], "env": [{"name": "PATH", "value": "/no/such/folder"}]},
            "command: 'sh' cannot be used on this machine: not found in PATH.",
        ),
        (
            "no-folder",
            {"workingDir": "/no/such/folder"},
            "working_dir: '/no/such/folder' cannot be used on this machine: No such file or directory.",
        ),
        (
            "no-directory",
            {"workingDir": "/etc/passwd"},
            "working_dir: '/etc/passwd' cannot be used on this machine: Not a directory.",
        ),
    ],
)
def test_a_run_of_what_is_not_there_is_refused_by_field_and_makes_nothing(
    jobs: Any, jubako: Any, name: str, container: Any, reason: str
) -> None:
    jobs.deploy(name, ["true"], container=container)
    with pytest.raises(ApiError) as refused:
        jobs.run(name)
    assert (refused.value.http_status, refused.value.status) == (400, "FAILED_PRECONDITION")
    assert refused.value.message == f"job.template.template.containers[0].{reason}"
    code, said = jubako("execute", name, "--wait")
    assert (code, len(said.strip().splitlines())) == (1, 1)
    assert reason in said
    assert jobs.server.get(f"/v2/{PARENT}/jobs/{name}").get("executionCount", 0) == 0
    assert jobs.server.get(f"/v2/{PARENT}/jobs/{name}/executions").get("executions", []) == []


def test_what_can_be_found_only_by_a_start_fails_the_task_and_says_what_is_missing(
    jobs: Any, jubako: Any, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    jobs.deploy("no-interpreter", [str(script)])
    completed = next(
        one for one in jobs.ended(jobs.run("no-interpreter"))["conditions"] if one["type"] == "Completed"
    )
    reason = f"It could not be started: command '{script}': No such file or directory."
    assert (completed["reason"], completed["message"]) == (
        "CONTAINER_MISSING",
        f"1 of 1 tasks failed. Task 0 failed first: {reason}",
    )
    code, said = jubako("execute", "no-interpreter", "--wait")
    assert code == 1
    assert f"task 0: {reason}" in said


def test_a_command_that_comes_after_the_job_was_stored_runs(jobs: Any, tmp_path: Path) -> None:
    jobs.deploy("later", ["./later"], container={"workingDir": str(tmp_path)})
    with pytest.raises(ApiError, match="cannot be used on this machine"):
        jobs.run("later")
    (tmp_path / "later").symlink_to("/bin/true")
    assert jobs.ended(jobs.run("later"))["succeededCount"] == 1


def test_the_same_key_gets_its_execution_also_when_its_command_has_gone(jobs: Any, tmp_path: Path) -> None:
    (tmp_path / "program").symlink_to("/bin/true")
    jobs.deploy("goes", [str(tmp_path / "program")])
    run = f"/v2/{PARENT}/jobs/goes:run"
    first = jobs.server.post(run, Idempotency_Key="k")
    jobs.ended(first)
    (tmp_path / "program").unlink()
    assert jobs.server.post(run, Idempotency_Key="k")["name"] == first["name"]
    with pytest.raises(ApiError, match="cannot be used on this machine"):
        jobs.server.post(run, Idempotency_Key="other")


def test_a_command_on_what_does_not_exist_says_so_in_one_line(jobs: Any, jubako: Any) -> None:
    for words in (
        ("execute", "nobody"),
        ("describe", "nobody"),
        ("delete", "nobody"),
        ("executions", "describe", "nobody-abcde"),
        ("executions", "cancel", "nobody-abcde"),
        ("executions", "rerun", "nobody-abcde"),
        ("executions", "tasks", "list", "--execution", "nobody-abcde"),
        ("logs", "read", "--execution", "nobody-abcde"),
    ):
        code, said = jubako(*words)
        assert (code, len(said.strip().splitlines())) == (1, 1), (words, said)
        assert "nobody" in said
