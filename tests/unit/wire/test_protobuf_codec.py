"""Protobuf bytes that no official client writes: broken, hostile, newer than we are."""

from datetime import UTC, datetime, timedelta

import pytest

from jubako.boxes.jobs.resources import GetJobRequest, Job, ListJobsRequest, TaskTemplate
from jubako.core.errors import InvalidArgument
from jubako.wire import codec
from jubako.wire.any_types import message_type
from jubako.wire.descriptors import protobuf_class
from jubako.wire.google_types import Location, Operation, Policy, SetIamPolicyRequest, Status
from jubako.wire.protobuf_codec import decode, encode
from jubako.wire.run_types import Container, EnvVar

NAME = b"\x0a\x01n"


def test_unknown_fields_are_skipped() -> None:
    assert decode(GetJobRequest, NAME + b"\xfa\x7f\x03abc" + b"\xa0\x1f\x01") == GetJobRequest(name="n")


@pytest.mark.parametrize(
    "data",
    [b"\x0a\x05ab", b"\x0a", b"\x08", b"\xff" * 11, b"\x0b", b"\x0a\x02\xff\xfe", b"\x0f\x01"],
    ids=["cut", "no length", "no value", "endless varint", "open group", "not UTF-8", "wire type 7"],
)
def test_broken_bytes_are_an_invalid_argument(data: bytes) -> None:
    with pytest.raises(InvalidArgument, match=r"google\.cloud\.run\.v2\.GetJobRequest"):
        decode(GetJobRequest, data)


@pytest.mark.parametrize(
    ("cls", "data", "field"),
    [
        (GetJobRequest, b"\x08\x01", "name"),
        (ListJobsRequest, b"\x12\x011", "pageSize"),
        (Job, b"\x0a\x01n\x22\x04\x08\x01\x12\x00", "labels"),
    ],
    ids=["number for text", "text for number", "entry of a map"],
)
def test_a_field_of_another_wire_type_is_named(cls, data: bytes, field: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{field}: has another type on the wire"):
        decode(cls, data)


def test_a_field_deep_inside_is_named_by_its_path() -> None:
    container = protobuf_class(Container)().SerializeToString() + b"\x08\x01"
    inner = b"\x0a" + bytes([len(container)]) + container
    with pytest.raises(InvalidArgument, match=r"containers\[0\]\.name: has another type"):
        decode(TaskTemplate, inner)


def test_an_enum_value_that_does_not_exist_is_named() -> None:
    data = protobuf_class(Job)(launchStage=99).SerializeToString()
    with pytest.raises(InvalidArgument, match="launchStage: 99 is not one of"):
        decode(Job, data)


@pytest.mark.parametrize("seconds", [2**62, -(2**62), 253402300800])
def test_an_instant_out_of_range_is_named(seconds: int) -> None:
    data = protobuf_class(Job)(createTime={"seconds": seconds}).SerializeToString()
    with pytest.raises(InvalidArgument, match="createTime: is out of range"):
        decode(Job, data)


def test_nanoseconds_are_cut_to_microseconds_towards_zero() -> None:
    data = protobuf_class(TaskTemplate)(timeout={"seconds": -1, "nanos": -1999}).SerializeToString()
    assert decode(TaskTemplate, data).timeout == timedelta(seconds=-1, microseconds=-1)


def test_messages_nested_too_deeply_are_refused() -> None:
    data = b""
    for _ in range(200):
        data = b"\x0b" + data + b"\x0c"  # groups of field 1
    with pytest.raises(InvalidArgument):
        decode(Location, data)


def test_presence_survives() -> None:
    update = SetIamPolicyRequest(policy=Policy(), update_mask=("labels", "template.task_count"))
    assert decode(SetIamPolicyRequest, encode(update)) == update
    assert decode(Container, encode(Container(env=[EnvVar(name="A", value="")]))).env[0].value == ""
    assert decode(Container, encode(Container(env=[EnvVar(name="A")]))).env[0].value is None


def test_an_any_holds_one_of_our_messages() -> None:
    instant = datetime(2026, 11, 24, 6, tzinfo=UTC)
    job = Job(name="j", create_time=instant)
    packed = {"@type": "type.googleapis.com/google.cloud.run.v2.Job", "name": "j"}
    packed["createTime"] = "2026-11-24T06:00:00Z"
    operation = Operation(name="o", done=True, response=packed)
    assert encode(job) in encode(operation)
    assert decode(Operation, encode(operation)) == operation


@pytest.mark.parametrize(
    "packed", [{}, {"@type": "x"}, {"@type": 3}, {"@type": "a/google.cloud.run.v2.None"}]
)
def test_an_any_of_another_type_is_refused(packed) -> None:
    with pytest.raises(InvalidArgument, match="@type"):
        encode(Status(details=[packed]))


def test_an_any_of_an_unknown_type_on_the_wire_is_kept_as_it_is() -> None:
    data = b"\x12\x09\x0a\x03x/y\x12\x02\xff\x00"
    operation = decode(Operation, data)
    assert operation.metadata == {"@type": "x/y", "value": "/wA="}
    assert encode(operation) == data
    assert codec.decode(Operation, codec.encode(operation)) == operation


def test_an_any_of_an_unknown_type_in_json_is_refused_as_google_refuses_it() -> None:
    for bad in ({"@type": "x/y", "name": "z"}, {"@type": "x/y", "value": "!"}, {"name": "z"}, {"@type": 3}):
        with pytest.raises(InvalidArgument, match="metadata"):
            codec.from_json(Operation, {"metadata": bad})
    job = {"@type": "type.googleapis.com/google.cloud.run.v2.Job", "nmae": "z"}
    with pytest.raises(InvalidArgument, match=r"metadata\.nmae"):
        codec.from_json(Operation, {"metadata": job})


def test_types_are_found_by_their_url() -> None:
    assert message_type("type.googleapis.com/google.cloud.run.v2.Job") is Job
    assert message_type("google.cloud.run.v2.Job") is Job
    assert message_type("type.googleapis.com/google.cloud.run.v2.Nothing") is None
