import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako.boxes.jobs.resources import Execution, Job, RunJobRequest, TaskTemplate
from jubako.boxes.services.resources import UpdateServiceRequest
from jubako.core.errors import InvalidArgument
from jubako.core.timestamps import format_timestamp
from jubako.wire.codec import decode, encode, pack, unpack
from jubako.wire.google_types import Empty, LaunchStage, Operation, SetIamPolicyRequest, Status
from jubako.wire.run_types import Condition, EnvVar


def test_a_presence_field_at_zero_is_sent_and_an_unset_one_is_not() -> None:
    assert encode(TaskTemplate(max_retries=0)) == b'{"maxRetries":0}'
    assert encode(TaskTemplate()) == b"{}"
    assert decode(TaskTemplate, b'{"maxRetries":0}').max_retries == 0
    assert decode(TaskTemplate, b"{}").max_retries is None
    assert encode(EnvVar(name="A", value="")) == b'{"name":"A","value":""}'


def test_plain_fields_at_zero_are_left_out() -> None:
    assert encode(Execution(task_count=0, labels={}, conditions=[], name="")) == b"{}"


def test_int64_is_text_on_the_way_out_and_text_or_number_on_the_way_in() -> None:
    assert encode(Job(generation=7)) == b'{"generation":"7"}'
    assert decode(Job, b'{"generation":"7"}') == decode(Job, b'{"generation":7}') == Job(generation=7)


def test_enums_go_out_by_name_or_number_and_come_in_as_either() -> None:
    condition = Condition(state=Condition.State.CONDITION_FAILED)
    assert encode(condition) == b'{"state":"CONDITION_FAILED"}'
    assert encode(condition, enum_as_int=True) == b'{"state":3}'
    for text in (b'{"state":"CONDITION_FAILED"}', b'{"state":3}', b'{"state":"3"}'):
        assert decode(Condition, text) == condition


def test_json_and_proto_names_are_both_taken() -> None:
    assert (
        decode(Execution, b'{"task_count":2}')
        == decode(Execution, b'{"taskCount":2}')
        == Execution(task_count=2)
    )


def test_null_means_unset() -> None:
    assert decode(Job, b'{"template":null,"labels":null,"generation":null}') == Job()


def test_field_masks_are_camel_case_outside_and_proto_names_inside() -> None:
    request = UpdateServiceRequest(update_mask=("template.max_retries", "labels"))
    assert encode(request) == b'{"updateMask":"template.maxRetries,labels"}'
    assert decode(UpdateServiceRequest, b'{"updateMask":"template.max_retries,labels"}') == request


def test_bytes_come_in_standard_or_url_safe_base64_with_or_without_padding() -> None:
    for text in ("-_-_Cg==", "+/+/Cg==", "-_-_Cg"):
        body = f'{{"policy":{{"etag":"{text}"}}}}'.encode()
        policy = decode(SetIamPolicyRequest, body).policy
        assert policy is not None
        assert policy.etag == b"\xfb\xff\xbf\n"


def test_messages_are_packed_and_unpacked_as_any() -> None:
    packed = pack(Execution(name="e"))
    assert packed == {"@type": "type.googleapis.com/google.cloud.run.v2.Execution", "name": "e"}
    assert unpack(Execution, packed) == Execution(name="e")
    assert pack(Empty()) == {"@type": "type.googleapis.com/google.protobuf.Empty"}
    with pytest.raises(InvalidArgument):
        unpack(Job, packed)


OVERRIDES = b'{"overrides":{"containerOverrides":[%s]}}'


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"job":1}', "job: no such field"),
        (b'{"overrides":{"x":1}}', "overrides.x: no such field"),
        (OVERRIDES % b'{},{"env":[{"value":1}]}', "overrides.containerOverrides[1].env[0].value: must be text"),
        (b'{"overrides":{"containerOverrides":{}}}', "overrides.containerOverrides: must be a list"),
        (b'{"overrides":[]}', "overrides: must be a JSON object"),
        (b'{"overrides":{"containerOverrides":[null]}}', "containerOverrides[0]: must be a JSON object"),
        (b'{"overrides":{"taskCount":2147483648}}', "overrides.taskCount: must be between"),
        (b'{"overrides":{"taskCount":1.5}}', "overrides.taskCount: 1.5 is not an integer"),
        (b'{"overrides":{"taskCount":true}}', "overrides.taskCount: True is not an integer"),
        (b'{"overrides":{"taskCount":"0x10"}}', "overrides.taskCount: '0x10' is not an integer"),
        (b'{"overrides":{"timeout":3}}', "overrides.timeout: must be text"),
        (b'{"overrides":{"timeout":"3 min"}}', "overrides.timeout: '3 min' is not a duration"),
        (b'{"validateOnly":"true"}', "validateOnly: must be true or false"),
        (b'{"validateOnly":true,"validate_only":true}', "validate_only: given twice"),
        (OVERRIDES % b'{"env":[{"value":"","valueSource":{}}]}', "env[0]: only one of value, valueSource"),
        (b"[]", "The request body: must be a JSON object"),
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"nul", "not valid JSON"),
        (b'{"name":"\xff"}', "not valid JSON"),
        (b'{"name":"\\ud800"}', "not valid JSON"),
        (b"[" * 10_000, "nested too deeply"),
        (b'{"name":' * 10_000, "nested too deeply"),
        (b'{"overrides":{"taskCount":1e999}}', "not valid JSON"),
        (b'{"' + b"x" * 5000 + b'":1}', "xxx...: no such field"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(body: bytes, words: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        decode(RunJobRequest, body)
    assert words in caught.value.message
    assert len(caught.value.message) < 400


def test_a_refused_field_is_also_told_in_details() -> None:
    with pytest.raises(InvalidArgument) as caught:
        decode(RunJobRequest, b'{"overrides":{"x":1}}')
    [details] = caught.value.details
    assert details["fieldViolations"] == [{"field": "overrides.x", "description": "no such field."}]


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-11-24", "2026-11-24T06:00:00", "0001-01-01T00:00:00+23:00", "\u0660", ""]
)
def test_bad_timestamps_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="createTime"):
        decode(Job, f'{{"createTime":"{text}"}}'.encode())


LEAVES = st.none() | st.booleans() | st.floats() | st.text() | st.integers()
KEYS = st.sampled_from(["name", "overrides", "containerOverrides", "env", "etag"])


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)))
def test_any_json_value_is_taken_or_refused_but_never_a_bug(tree: object) -> None:
    with suppress(InvalidArgument):
        decode(RunJobRequest, json.dumps(tree).encode())


@given(st.binary())
def test_any_bytes_are_taken_or_refused_but_never_a_bug(data: bytes) -> None:
    with suppress(InvalidArgument):
        decode(RunJobRequest, data)


def test_an_operation_reads_as_googles() -> None:
    operation = Operation(
        name="n", done=True, error=Status(code=5, message="gone"), metadata=pack(Job(name="j"))
    )
    assert decode(Operation, encode(operation)) == operation


def test_fields_are_left_out_however_they_came_to_be_empty() -> None:
    empty = Execution(
        name="x"[1:],
        uid="".join([]),
        generation=int("0"),
        task_count=10**20 - 10**20,
        labels={},
        conditions=[],
        reconciling=bool(""),
        launch_stage=LaunchStage(0),
    )
    assert encode(empty) == b"{}"


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 120_000, tzinfo=UTC), "2026-01-02T03:04:05.120Z"),
        (datetime(2026, 1, 2, 3, 4, 0, 1, tzinfo=UTC), "2026-01-02T03:04:00.000001Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=9))), "2026-01-01T18:00:00Z"),
    ],
)
def test_instants_go_out_in_utc_with_the_digits_they_need(instant: datetime, text: str) -> None:
    assert encode(Job(create_time=instant)) == f'{{"createTime":"{text}"}}'.encode()
    assert format_timestamp(instant) == text
