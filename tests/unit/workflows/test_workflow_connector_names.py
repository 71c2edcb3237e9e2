"""Every documented connector of an API that is served here has Google's own name."""

import pytest

from jubako.boxes.workflows.connectors import connectors, request_of
from jubako.wire.logging_api import HOSTS
from jubako.wire.logging_methods import LOGGING
from jubako.wire.method import Api

KNOWN = connectors([Api(name="logging", version="v2", hosts=HOSTS, methods=LOGGING, handlers={})])


@pytest.mark.parametrize("verb", ["write", "list"])
def test_a_method_whose_address_names_no_resource_is_a_connector(verb: str) -> None:
    connector = KNOWN[f"googleapis.logging.v2.entries.{verb}"]
    request = request_of(connector, {"body": {"entries": []}, "connector_params": {}})
    assert not isinstance(request, str)
    assert (request.verb, request.url) == ("POST", f"https://logging.googleapis.com/v2/entries:{verb}")
    assert request.body == {"entries": []}


def test_a_method_with_a_resource_still_wants_it() -> None:
    connector = next(known for known in KNOWN.values() if known.resource)
    assert "needs the argument" in str(request_of(connector, {}))
