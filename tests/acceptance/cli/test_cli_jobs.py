"""``jubako run jobs`` over a real socket."""

from typing import Any

import pytest

JOB = "projects/local/locations/asia-northeast1/jobs/hello"
EXECUTION = f"{JOB}/executions/hello-abcde"


@pytest.fixture
def deployed(google: Any, jubako: Any) -> Any:
    assert jubako("run", "jobs", "deploy", "hello", "--command", "echo", "--tasks", "3").code == 0
    google.calls.clear()
    return google


def container(google: Any) -> Any:
    return google.documents[JOB]["template"]["template"]["containers"][0]


def test_the_first_deploy_creates_the_job_as_google_names_its_fields(google: Any, jubako: Any) -> None:
    ran = jubako(
        *("run", "jobs", "deploy", "hello", "--command", "python3,-m,app", "--args=--size,big"),
        *("--tasks", "100", "--parallelism", "20", "--max-retries", "0", "--task-timeout", "10m5s"),
        *("--service-account", "batch@PROJECT_ID.iam.gserviceaccount.com", "--set-env-vars", "A=1,B=x=y"),
        *("--cpu", "2", "--memory", "1Gi", "--workdir", "/srv", "--labels", "team=news"),
    )
    assert ran.code == 0, ran.err
    (create,) = google.sent("POST")
    assert create.path == "/v2/projects/local/locations/asia-northeast1/jobs"
    assert create.query == {"jobId": "hello"}
    assert create.body == {
        "labels": {"team": "news"},
        "template": {
            "taskCount": 100,
            "parallelism": 20,
            "labels": {"team": "news"},
            "template": {
                "maxRetries": 0,
                "timeout": "605s",
                "serviceAccount": "batch@PROJECT_ID.iam.gserviceaccount.com",
                "containers": [
                    {
                        "command": ["python3", "-m", "app"],
                        "args": ["--size", "big"],
                        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "x=y"}],
                        "resources": {"limits": {"cpu": "2", "memory": "1Gi"}},
                        "workingDir": "/srv",
                    }
                ],
            },
        },
    }
    assert "deployed" in ran.err
    assert ran.out == ""


def test_a_second_deploy_changes_only_what_is_given(deployed: Any, jubako: Any) -> None:
    assert jubako("run", "jobs", "deploy", "hello", "--set-env-vars", "A=1,B=2").code == 0
    assert (
        jubako("run", "jobs", "deploy", "hello", "--update-env-vars", "C=3", "--remove-env-vars", "A").code
        == 0
    )
    assert container(deployed) == {
        "command": ["echo"],
        "env": [{"name": "B", "value": "2"}, {"name": "C", "value": "3"}],
    }
    assert deployed.documents[JOB]["template"]["taskCount"] == 3
    assert "creator" not in deployed.sent("PATCH")[-1].body


def test_a_deploy_that_raced_with_another_is_made_again_on_the_new_state(deployed: Any, jubako: Any) -> None:
    read = deployed.documents[JOB] | {"etag": '"stale"'}
    deployed.failures.append((200, read))
    assert jubako("run", "jobs", "deploy", "hello", "--tasks", "5").code == 0
    assert len(deployed.sent("PATCH")) == 2
    assert deployed.documents[JOB]["template"]["taskCount"] == 5


def test_a_job_with_nothing_to_run_is_refused_before_anything_is_sent(google: Any, jubako: Any) -> None:
    ran = jubako("run", "jobs", "deploy", "hello", "--tasks", "2")
    assert ran.code == 2
    assert "nothing to run" in ran.err
    assert "--command" in ran.err
    assert google.sent("POST") == []


def test_execute_starts_one_execution_with_the_overrides_given(deployed: Any, jubako: Any) -> None:
    ran = jubako(
        *("run", "jobs", "execute", "hello", "--args", "^|^a,b|c", "--update-env-vars", "X=1"),
        *("--tasks", "7", "--task-timeout", "90"),
    )
    assert ran.code == 0, ran.err
    (run,) = deployed.sent("POST")
    assert run.path == f"/v2/{JOB}:run"
    assert run.body == {
        "overrides": {
            "containerOverrides": [{"args": ["a,b", "c"], "env": [{"name": "X", "value": "1"}]}],
            "taskCount": 7,
            "timeout": "90s",
        }
    }
    assert run.headers["idempotency-key"]
    assert "hello-abcde" in ran.err


def test_wait_returns_when_the_execution_is_over_and_tells_its_progress_in_lines(
    deployed: Any, jubako: Any
) -> None:
    ran = jubako("run", "jobs", "execute", "hello", "--wait")
    assert ran.code == 0, ran.err
    assert "hello-abcde: Running" in ran.err
    assert "3 / 3 complete" in ran.err
    assert "\x1b" not in ran.err


def test_wait_exits_1_when_the_execution_failed_and_says_which_tasks_and_how(
    deployed: Any, jubako: Any
) -> None:
    deployed.failed_tasks = 2
    ran = jubako("run", "jobs", "execute", "hello", "--wait")
    assert ran.code == 1
    assert "has failed" in ran.err
    assert "task 0: exit 3" in ran.err
    assert "task 2" not in ran.err
    assert "jubako run jobs logs read --execution hello-abcde" in ran.err


def test_a_lost_reply_to_run_is_asked_again_under_the_same_key(deployed: Any, jubako: Any) -> None:
    deployed.failures.append((0, {}))
    assert jubako("run", "jobs", "execute", "hello", "--async").code == 0
    first, second = deployed.sent("POST")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_a_lost_reply_to_a_create_is_not_repeated_blindly(google: Any, jubako: Any) -> None:
    google.failures.extend([(404, {"error": {"code": 404, "status": "NOT_FOUND", "message": "no"}}), (0, {})])
    ran = jubako("run", "jobs", "deploy", "hello", "--command", "true")
    assert ran.code == 1
    assert "did not answer" in ran.err
    assert len(google.sent("POST")) == 1


def test_following_survives_a_server_that_is_away_for_a_moment(deployed: Any, jubako: Any) -> None:
    deployed.polls_until_done = 4
    run = jubako("run", "jobs", "execute", "hello", "--async")
    assert run.code == 0
    deployed.failures.extend([(503, {}), (0, {}), (503, {})])
    ran = jubako("run", "jobs", "executions", "describe", "hello-abcde")
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("path", ["metadata.name", "name.basename()"])
def test_a_script_gets_the_name_of_what_it_started_by_gclouds_path_and_by_ours(
    deployed: Any, jubako: Any, path: str
) -> None:
    ran = jubako("run", "jobs", "execute", "hello", "--async", f"--format=value({path})")
    assert ran.out == "hello-abcde\n"


def test_execute_of_a_job_that_does_not_exist_says_so_in_one_line(jubako: Any) -> None:
    ran = jubako("run", "jobs", "execute", "nobody")
    assert ran.code == 1
    assert ran.err.startswith("ERROR: NOT_FOUND: ")


def test_deploy_with_execute_now_and_wait_runs_what_was_deployed(google: Any, jubako: Any) -> None:
    ran = jubako("run", "jobs", "deploy", "hello", "--command", "true", "--execute-now", "--wait")
    assert ran.code == 0, ran.err
    assert google.documents[EXECUTION]["completionTime"]


def test_lists_are_read_page_by_page(deployed: Any, jubako: Any) -> None:
    for name in ("one", "two", "three"):
        jubako("run", "jobs", "deploy", name, "--command", "true")
    ran = jubako("run", "jobs", "list")
    assert [line.split()[0] for line in ran.out.splitlines()] == ["JOB", "hello", "one", "two", "three"]


@pytest.mark.parametrize(
    ("flags", "printed"),
    [
        (["--format=value(name.basename())"], ["hello", "one"]),
        (["--format=value(metadata.name)", "--sort-by=~metadata.name"], ["one", "hello"]),
        (["--format=value(metadata.name)", "--limit=1", "--page-size=1"], ["hello"]),
        (["--format=value(metadata.name)", "--filter=metadata.name!~^h"], ["one"]),
        (["--format=value(metadata.name)", "--filter=metadata.name=(one two)"], ["one"]),
        (["--format=csv[no-heading](metadata.name,spec.template.spec.taskCount)"], ["hello,3", "one,"]),
        (["--format=table(metadata.name:label=JOB:sort=1:reverse)"], ["JOB", "one", "hello"]),
        (["--uri"], [f"/v2/{JOB}", f"/v2/{JOB.removesuffix('hello')}one"]),
        (
            ["--flatten=template.template.containers[].command[]", "--filter=metadata.name=one",
             "--format=value(template.template.containers.command)"], ["sh", "-c"],
        ),
        (["--platform=managed", "--format=get(metadata.name)"], ["hello", "one"]),
    ],
)  # fmt: skip
def test_lists_are_narrowed_and_shown_as_gcloud_does(
    deployed: Any, jubako: Any, flags: list[str], printed: list[str]
) -> None:
    jubako("run", "jobs", "deploy", "one", "--command", "sh,-c")
    ran = jubako("run", "jobs", "list", *flags)
    assert ran.code == 0, ran.err
    assert [line[line.find("/v2/") :] if "/v2/" in line else line for line in ran.out.splitlines()] == printed


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--limit=0"], "--limit"),
        (["--page-size=-1"], "--page-size"),
        (["--limt=1"], "Did you mean --limit?"),
        (["--flatten=a..b"], "--flatten"),
        (["--sort-by=a.b("], "--sort-by"),
        (["--platform=gke"], "managed"),
        (["--format=xml"], "--format"),
    ],
)
def test_a_wrong_flag_of_a_list_is_named(google: Any, jubako: Any, flags: list[str], says: str) -> None:
    ran = jubako("run", "jobs", "list", *flags)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert "jubako run jobs list --help" in ran.err or "path" in ran.err or "It is json" in ran.err


def test_executions_and_tasks_are_listed_and_described(deployed: Any, jubako: Any) -> None:
    deployed.failed_tasks = 1
    jubako("run", "jobs", "execute", "hello", "--wait")
    listed = jubako("run", "jobs", "executions", "list", "--job", "hello").out.splitlines()
    assert listed[1].split()[:5] == ["hello-abcde", "Failed", "2", "/", "3"]
    assert "State: Failed" in jubako("run", "jobs", "executions", "describe", "hello-abcde").out
    tasks = jubako(
        "run", "jobs", "executions", "tasks", "list", "--execution", "hello-abcde"
    ).out.splitlines()
    assert [line.split()[:2] for line in tasks[1:]] == [
        ["0", "Failed"],
        ["1", "Succeeded"],
        ["2", "Succeeded"],
    ]
    assert tasks[1].endswith("exit 3")


def test_cancel_returns_when_the_execution_is_over(deployed: Any, jubako: Any) -> None:
    deployed.polls_until_done = 1_000
    jubako("run", "jobs", "execute", "hello", "--async")
    ran = jubako("run", "jobs", "executions", "cancel", "hello-abcde")
    assert ran.code == 0
    assert "cancelled" in ran.err


def test_delete_takes_the_job_away(deployed: Any, jubako: Any) -> None:
    assert jubako("run", "jobs", "delete", "hello", "-q").err == ""
    assert JOB not in deployed.documents


def test_describe_is_for_people_by_default_and_whole_in_json_and_yaml(deployed: Any, jubako: Any) -> None:
    described = jubako("run", "jobs", "describe", "hello").out
    assert described.startswith("Job hello\n")
    assert "Command: echo" in described
    assert '"taskCount": 3' in jubako("run", "jobs", "describe", "hello", "--format", "json").out
    assert "taskCount: 3" in jubako("run", "jobs", "describe", "hello", "--format", "yaml").out


def test_project_and_location_come_from_gclouds_variables(google: Any, jubako: Any) -> None:
    jubako("run", "jobs", "list", CLOUDSDK_CORE_PROJECT="news", CLOUDSDK_RUN_REGION="europe-west1")
    assert google.calls[-1].path == "/v2/projects/news/locations/europe-west1/jobs"
    jubako("run", "--project", "mine", "jobs", "list", "--region", "us-east1", CLOUDSDK_CORE_PROJECT="news")
    assert google.calls[-1].path == "/v2/projects/mine/locations/us-east1/jobs"


def test_another_program_on_the_port_is_recognised(google: Any, jubako: Any) -> None:
    google.failures.append((404, {"detail": "Not Found"}))
    ran = jubako("run", "jobs", "list")
    assert ran.code == 1
    assert "does not answer as Jubako does" in ran.err
