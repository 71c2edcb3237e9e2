"""The filters that clients of Cloud Logging send."""

import pytest

from jubako.core.errors import InvalidArgument
from jubako.telemetry.log_filter import parse

ENTRY = {
    "timestamp": "2026-11-24T08:00:00.5Z",
    "severity": "WARNING",
    "logName": "projects/p/logs/run.googleapis.com%2Fstdout",
    "httpRequest": {"status": 404, "requestSize": "12", "latency": "1.500s"},
    "jsonPayload": {"a": {"b": [1, 2]}, "text": "Xy", "count": 10, "none": False},
    "textPayload": "Disk is full: /var",
    "resource": {"type": "cloud_run_job", "labels": {"job_name": "hello", "location": "asia-northeast1"}},
    "labels": {"run.googleapis.com/execution_name": "hello-abcde"},
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("resource.type = cloud_run_job", True),
        ('resource.type="cloud_run_job"', True),
        ('resource.type="cloud_run_revision"', False),
        (
            "resource.type = cloud_run_job \nresource.labels.job_name = hello \nseverity >= DEFAULT",
            True,
        ),
        ("resource.type = cloud_run_job AND resource.labels.job_name = other", False),
        ('labels."run.googleapis.com/execution_name" = hello-abcde', True),
        ('labels."run.googleapis.com/execution_name"="hello-other"', False),
        ("severity>=ERROR", False),
        ("severity>=INFO AND severity<ERROR", True),
        ('timestamp>="2026-11-24T08:00:00+00:00"', True),
        ("timestamp>=2026-11-24T08:00:01Z", False),
        ('textPayload:"disk is"', True),
        ("jsonPayload.x = 1", False),
        ("jsonPayload.x != 1", False),
        ("NOT jsonPayload.x = 1", True),
        ("-jsonPayload.x = 1", True),
        ("trace != x", True),
        ("resource.type = CLOUD_RUN_JOB", True),
        ("severity = (ERROR OR WARNING)", True),
        ("severity = (ERROR OR NOT WARNING)", False),
        ("severity = ERROR OR severity = WARNING AND resource.type = other", False),
        ("(severity = ERROR OR textPayload:disk) AND NOT resource.type = other", True),
        ("severity = warning -- what people write\nresource.type = cloud_run_job", True),
        ("disk", True),
        ('"is full" var', True),
        ("floppy OR disk", True),
        ("jsonPayload.a.b = 2", True),
        ("jsonPayload.count > 9", True),
        ("jsonPayload.count = ten", False),
        ("jsonPayload.none = false", True),
        ("jsonPayload.none:*", True),
        ("jsonPayload.missing:*", False),
        ("json_payload.text = xy", True),
        ('jsonPayload.text =~ "^X.$"', True),
        ('jsonPayload.text =~ "^x"', False),
        ('jsonPayload.text !~ "^x"', True),
        (r'textPayload =~ "is\s+full"', True),
        ('log_id("run.googleapis.com/stdout")', True),
        ('NOT log_id("run.googleapis.com/stderr")', True),
        ('SEARCH(textPayload, "FULL disk")', True),
        ('SEARCH("floppy")', False),
        ('httpRequest.requestSize > 9 AND httpRequest.latency >= "1s" httpRequest.status = 404', True),
        ("httpRequest.responseSize < 1", True),
        ("timestamp >= 2026-11-24 AND timestamp < 2026-11-25", True),
        (r'textPayload = "Disk is full: /var"', True),
    ],
)
def test_entries_are_chosen(text: str, holds: bool) -> None:
    assert parse(text).holds(ENTRY) is holds


def test_what_is_asked_for_can_be_read_off() -> None:
    wanted = parse('resource.labels.job_name = hello AND timestamp>="2026-11-24T08:00:00Z"')
    assert wanted.equal("resource", "labels", "job_name") == "hello"
    since = wanted.since()
    assert since is not None
    assert since.hour == 8


@pytest.mark.parametrize(
    "text",
    [
        "a = b",
        "(severity = ERROR",
        "severity = ERROR)",
        "severity =",
        "severity = (ERROR OR)",
        "OR severity = ERROR",
        "severity = ERROR OR",
        "NOT",
        'textPayload =~ "("',
        "sample(insertId, 0.5)",
        "(" * 5_000,
        "NOT " * 4_000 + "x",
        "severity = " + "(" * 5_000,
        "severity >= LOUD",
        "timestamp > yesterday",
        "x" * 30_000,
    ],
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="filter"):
        parse(text)
