"""The filters that clients of Cloud Logging send."""

import pytest

from jubako.core.errors import InvalidArgument
from jubako.telemetry.log_filter import parse

ENTRY = {
    "timestamp": "2026-11-24T08:00:00.5Z",
    "severity": "WARNING",
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
        ("jsonPayload.x != 1", True),
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
        "a = b OR c = d",
        "NOT a = b",
        "(a = b)",
        "a =",
        "a",
        "severity >= LOUD",
        "timestamp > yesterday",
        "a = b c",
        "x" * 30_000,
    ],
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="filter"):
        parse(text)
