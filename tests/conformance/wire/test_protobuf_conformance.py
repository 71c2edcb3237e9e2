"""Our protobuf bytes against the official packages': the same messages are the same bytes, both ways."""

import subprocess
import sys
from datetime import UTC, timedelta
from functools import cache
from typing import Any

import pytest

pytest.importorskip("google.cloud.run_v2")
pytest.importorskip("google.cloud.workflows_v1")

from google.cloud import run_v2, workflows_v1
from google.cloud.workflows import executions_v1
from google.iam.v1 import iam_policy_pb2
from google.longrunning import operations_pb2
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jubako.boxes.jobs import resources as jobs
from jubako.boxes.services import resources as services
from jubako.boxes.workflows import resources as workflows
from jubako.core.errors import InvalidArgument
from jubako.wire import error_details, google_types, run_types
from jubako.wire.protobuf_codec import decode, encode
from jubako.wire.schema import ANY, DURATION, FIELD_MASK, TIMESTAMP, Enumeration, Message
from jubako.wire.shape import Label, Shape, shapes

LOADED = (run_v2, workflows_v1, executions_v1, iam_policy_pb2, operations_pb2, error_details_pb2)
MODULES = (jobs, services, workflows, google_types, run_types, error_details)
CLASSES = sorted(
    {
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Message) and value.__proto__
    },
    key=lambda cls: cls.__proto__,
)
INT32 = st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, 1])
INT64 = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
ANYTHING = st.builds(
    lambda name: {"@type": "type.googleapis.com/google.cloud.run.v2.GetJobRequest", **name},
    st.fixed_dictionaries({}, optional={"name": TEXT.filter(bool)}),
)
PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXT,
    "bool": st.booleans(),
    "int32": INT32,
    "int64": INT64,
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=5),
    TIMESTAMP: st.datetimes(timezones=st.just(UTC)),
    DURATION: st.timedeltas(timedelta(days=-3_650_000), timedelta(days=3_650_000)),
    FIELD_MASK: st.lists(st.sampled_from(["labels", "template.max_retries"]), max_size=2).map(tuple),
    ANY: ANYTHING,
}


def one(shape: Shape, depth: int) -> st.SearchStrategy[Any]:
    if shape.kind == "enum":
        members: list[Enumeration] = list(shape.cls)
        return st.sampled_from(members)
    return PLAIN[shape.type_name or shape.kind] if shape.cls is None else messages(shape.cls, depth - 1)


def value(shape: Shape, depth: int) -> st.SearchStrategy[Any]:
    if shape.label is Label.REPEATED:
        return st.lists(one(shape, depth), max_size=2)
    if shape.label is Label.MAP:
        return st.dictionaries(TEXT, one(shape, depth), max_size=2)
    return one(shape, depth)


def without_rivals(cls: type[Message], fields: dict[str, Any]) -> Message:
    """At most one field of each oneof."""
    taken: set[str] = set()
    kept = {}
    for shape in shapes(cls):
        if shape.name in fields and not (shape.oneof and shape.oneof in taken):
            kept[shape.name] = fields[shape.name]
            taken.add(shape.oneof)
    return cls(**kept)


@cache
def messages(cls: type[Message], depth: int = 3) -> st.SearchStrategy[Any]:
    usable = [s for s in shapes(cls) if depth > 0 or s.cls is None or s.kind == "enum"]
    optional = {shape.name: value(shape, depth) for shape in usable}
    return st.fixed_dictionaries({}, optional=optional).map(lambda fields: without_rivals(cls, fields))


def googles(cls: type[Message]) -> Any:
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(cls.__proto__))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__proto__)
def test_the_same_message_is_the_same_bytes(cls: type[Message]) -> None:
    theirs = googles(cls)

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(messages(cls))
    def both_ways(message: Message) -> None:
        ours = encode(message)
        parsed = theirs.FromString(ours)
        assert parsed.SerializeToString(deterministic=True) == ours
        assert decode(cls, ours) == message

    both_ways()


@pytest.mark.parametrize("cls", [jobs.Job, jobs.RunJobRequest, services.Service, workflows.Execution])
@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=80))
def test_random_bytes_are_read_or_refused(cls: type[Message], data: bytes) -> None:
    try:
        message = decode(cls, data)
    except InvalidArgument:
        return
    # What we accept the official package accepts too, and means the same.
    assert decode(cls, googles(cls).FromString(data).SerializeToString()) == message


def test_a_real_job_of_the_official_package_is_read() -> None:
    container = run_v2.Container(image="i", env=[run_v2.EnvVar(name="EMPTY", value="")])
    template = run_v2.TaskTemplate(containers=[container], max_retries=0, timeout="90.5s")
    theirs = run_v2.Job(
        labels={"b": "2", "a": "1"}, template=run_v2.ExecutionTemplate(task_count=3, template=template)
    )
    job = decode(jobs.Job, run_v2.Job.pb(theirs).SerializeToString())
    assert job.labels == {"a": "1", "b": "2"}
    assert job.template is not None
    task = job.template.template
    assert task is not None
    assert (task.max_retries, task.timeout, task.containers[0].env[0].value) == (
        0,
        timedelta(seconds=90.5),
        "",
    )


PROGRAM = """
from jubako.boxes.jobs.resources import Job
from jubako.wire.protobuf_codec import encode, decode
{first}
{second}
"""
OURS = "assert decode(Job, encode(Job(name='n'))).name == 'n'"
THEIRS = "from google.cloud import run_v2; assert run_v2.Job(name='n').name == 'n'"


@pytest.mark.parametrize(("first", "second"), [(OURS, THEIRS), (THEIRS, OURS)])
def test_googles_packages_may_be_in_the_same_process(first: str, second: str) -> None:
    program = PROGRAM.format(first=first, second=second)
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)
