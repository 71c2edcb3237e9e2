import pytest

from jubako.core.errors import InvalidArgument
from jubako.wire.template import parse_template, split_path

JOB = parse_template("/v2/{name=projects/*/locations/*/jobs/*}")
RUN = parse_template("/v2/{name=projects/*/locations/*/jobs/*}:run")
UPDATE = parse_template("/v2/{job.name=projects/*/locations/*/jobs/*}")
LIST = parse_template("/v2/{parent=projects/*/locations/*}/jobs")
SINGLE = parse_template("/b/{bucket}/o/{object=*}")


def test_templates_are_parsed_into_segments_verb_and_variables() -> None:
    assert LIST.segments == ("v2", "projects", "*", "locations", "*", "jobs")
    assert LIST.variables == {"parent": (1, 5)}
    assert (JOB.verb, RUN.verb) == ("", "run")
    assert UPDATE.variables == {"job.name": (1, 7)}
    assert SINGLE.variables == {"bucket": (1, 2), "object": (3, 4)}


def test_the_verb_is_not_swallowed_by_the_last_star() -> None:
    assert split_path("/v2/projects/p/locations/l/jobs/j:run")[1] == "run"
    assert split_path("/v2/projects/p/locations/l/jobs/a:b:run")[0][-1] == "a:b"
    assert split_path("/v2/jobs/j:") == (("v2", "jobs", "j:"), "")
    assert split_path("/v2/projects/p:x/locations/l/jobs/j") == (
        ("v2", "projects", "p:x", "locations", "l", "jobs", "j"),
        "",
    )


def test_segments_must_not_be_empty() -> None:
    assert not JOB.match(split_path("/v2/projects//locations/l/jobs/j")[0])
    assert not JOB.match(split_path("/v2/projects/p/locations/l/jobs/")[0])


def test_an_encoded_slash_stays_encoded_in_a_long_variable_and_is_decoded_in_a_short_one() -> None:
    segments, _ = split_path("/v2/projects/p%20q/locations/l/jobs/a%2Fexecutions%2fb")
    assert JOB.match(segments)
    assert JOB.bind(segments) == {"name": "projects/p q/locations/l/jobs/a%2Fexecutions%2fb"}
    assert SINGLE.bind(split_path("/b/x/o/a%2Fb%3A")[0]) == {"bucket": "x", "object": "a/b:"}


@pytest.mark.parametrize("segment", ["%", "%z1", "%ff", "a%2", "%C3%28"])
def test_malformed_escapes_are_refused(segment: str) -> None:
    for template, path in (
        (JOB, f"/v2/projects/{segment}/locations/l/jobs/j"),
        (SINGLE, f"/b/{segment}/o/x"),
    ):
        with pytest.raises(InvalidArgument):
            template.bind(split_path(path)[0])


def test_templates_overlap_when_some_path_has_both_forms() -> None:
    assert parse_template("/a/{x}/b").overlaps(parse_template("/a/c/{y}"))
    assert not parse_template("/a/{x}/b").overlaps(parse_template("/a/{x}/c"))
    assert not JOB.overlaps(RUN)
