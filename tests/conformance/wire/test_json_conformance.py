"""Our JSON against protobuf's own: random messages go round through the official types."""

import string
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import pytest
from google.cloud import logging_v2, run_v2, workflows_v1
from google.cloud.workflows import executions_v1
from google.protobuf import descriptor_pool, json_format, message_factory

from jubako.boxes.jobs.resources import Execution, Job, RunJobRequest, Task
from jubako.boxes.services.resources import Revision, Service, UpdateServiceRequest
from jubako.boxes.workflows import resources as workflows
from jubako.wire.codec import decode, encode
from jubako.wire.logging_types import LogEntry, WriteLogEntriesRequest
from jubako.wire.schema import ANY, DURATION, FIELD_MASK, REST_ONLY, STRUCT, TIMESTAMP, Message
from jubako.wire.shape import Label, Shape, shapes

LOADED = (run_v2, workflows_v1, executions_v1, logging_v2)
TYPES = [Job, Execution, Task, RunJobRequest, UpdateServiceRequest, Service, Revision]
TYPES += [workflows.Workflow, workflows.Execution, workflows.UpdateWorkflowRequest]
TYPES += [LogEntry, WriteLogEntriesRequest]
LETTERS = string.printable + "\0\u2028重箱😀é"
SEEDS = range(60)


def text(rng: Random) -> str:
    return "".join(rng.choices(LETTERS, k=rng.choice([0, 1, 5])))


def instant(rng: Random) -> datetime:
    return datetime(
        rng.randint(1, 9999), 12, 31, microsecond=rng.choice([0, 1, 500_000, 120_000]), tzinfo=UTC
    )


def duration(rng: Random) -> timedelta:
    return timedelta(seconds=rng.randint(-(10**11), 10**11), microseconds=rng.choice([0, 1, 987_654]))


def integer(rng: Random, bits: int) -> int:
    return rng.choice([0, 1, -(1 << (bits - 1)), (1 << (bits - 1)) - 1, rng.randint(0, 1000)])


PLAIN: dict[str, Any] = {
    "string": text,
    "bool": lambda rng: rng.random() < 0.5,
    "int32": lambda rng: integer(rng, 32),
    "int64": lambda rng: integer(rng, 64),
    "bytes": lambda rng: rng.randbytes(rng.randint(0, 5)),
    TIMESTAMP: instant,
    DURATION: duration,
    FIELD_MASK: lambda rng: rng.choice([(), ("labels",), ("template.max_retries", "labels")]),
    STRUCT: lambda rng: {text(rng): rng.choice([None, True, 0.5, "x", [1.0, {"deep": "y"}]])},
    ANY: lambda _: {"@type": "type.googleapis.com/google.rpc.Status", "code": 3},
}


def one(shape: Shape, rng: Random, depth: int) -> Any:
    if shape.kind == "enum":
        return rng.choice(list(shape.cls))
    if shape.cls is not None:
        return filled(shape.cls, rng, depth - 1)
    return PLAIN[shape.type_name or shape.kind](rng)


def value(shape: Shape, rng: Random, depth: int) -> Any:
    if shape.label is Label.REPEATED:
        return [one(shape, rng, depth) for _ in range(rng.randint(0, 2))]
    if shape.label is Label.MAP:
        return {text(rng): one(shape, rng, depth) for _ in range(rng.randint(0, 2))}
    return one(shape, rng, depth)


def filled(cls: Any, rng: Random, depth: int = 5) -> Message:
    """A message with some of its fields set at random, at most one of each oneof; none that protobuf does not have."""
    message: Message = cls()
    taken: set[str] = set()
    known = [shape for shape in shapes(cls) if shape.number < REST_ONLY]
    for shape in rng.sample(known, len(known)):
        is_free = shape.oneof == "" or shape.oneof not in taken
        if is_free and depth > 0 and rng.random() < 0.5:
            setattr(message, shape.name, value(shape, rng, depth))
            taken.add(shape.oneof)
    return message


def googles(cls: type[Message]) -> Any:
    found = descriptor_pool.Default().FindMessageTypeByName(cls.__proto__)
    return message_factory.GetMessageClass(found)()


@pytest.mark.parametrize("cls", TYPES, ids=lambda cls: cls.__proto__)
def test_what_we_write_we_read(cls: type[Message]) -> None:
    for seed in SEEDS:
        message = filled(cls, Random(seed))
        assert decode(cls, encode(message)) == message, seed
        assert decode(cls, encode(message, enum_as_int=True)) == message, seed


@pytest.mark.parametrize("cls", TYPES, ids=lambda cls: cls.__proto__)
@pytest.mark.parametrize("as_int", [False, True])
def test_google_reads_what_we_write_and_we_read_what_google_writes(cls: type[Message], as_int: bool) -> None:
    for seed in SEEDS:
        message = filled(cls, Random(seed))
        theirs = json_format.Parse(encode(message, enum_as_int=as_int), googles(cls))
        text_of = {"use_integers_for_enums": as_int, "preserving_proto_field_name": False}
        assert decode(cls, json_format.MessageToJson(theirs, **text_of)) == message, seed


@pytest.mark.parametrize("cls", TYPES, ids=lambda cls: cls.__proto__)
def test_we_write_what_google_writes_to_the_letter(cls: type[Message]) -> None:
    for seed in SEEDS:
        ours = encode(filled(cls, Random(seed)))
        assert msgspec.json.decode(ours) == json_format.MessageToDict(
            json_format.Parse(ours, googles(cls))
        ), seed
