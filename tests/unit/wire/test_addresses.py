import pytest

from jubako.wire.addresses import (
    host_name,
    is_api_host,
    is_service_host,
    project_number,
    service_host,
    service_uri,
)

HOSTS = frozenset({"run.googleapis.com", "workflowexecutions.googleapis.com"})


def test_a_services_address_is_the_same_everywhere_and_names_project_and_location() -> None:
    host = service_host("local", "asia-northeast1", "telop")
    assert service_uri("local", "asia-northeast1", "telop") == f"https://{host}"
    assert host == f"telop-{project_number('local')}.asia-northeast1.run.app"
    assert is_service_host(service_host("local", "asia-northeast1", "my-api"))


def test_project_numbers_have_twelve_digits_and_differ() -> None:
    numbers = {project_number(f"project-{n}") for n in range(1000)}
    assert len(numbers) == 1000
    assert all(len(str(number)) == 12 for number in numbers)


@pytest.mark.parametrize("name", ["run.googleapis.com", "asia-northeast1-run.googleapis.com"])
def test_api_names_count_with_and_without_region(name: str) -> None:
    assert is_api_host(name, HOSTS)


OTHERS = [
    "storage.googleapis.com",
    "googleapis.com",
    "evil.asia-run.googleapis.com",
    "run.googleapis.com.evil",
]


@pytest.mark.parametrize("name", [*OTHERS, "rrun.googleapis.com"])
def test_other_names_do_not(name: str) -> None:
    assert not is_api_host(name, HOSTS)


NO_SERVICES = [
    "x.run.app",
    "x-1.run.app",
    "x-a.l.run.app",
    "run.app",
    "x-1.l.run.app.evil",
    "x-1.l.m.run.app",
]


@pytest.mark.parametrize("name", NO_SERVICES)
def test_what_has_not_the_form_of_a_service_is_none(name: str) -> None:
    assert not is_service_host(name)


@pytest.mark.parametrize(
    ("authority", "name"),
    [("Localhost:1", "localhost"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a", "a"), ("", "")],
)
def test_the_port_is_taken_off_a_name(authority: str, name: str) -> None:
    assert host_name(authority) == name
