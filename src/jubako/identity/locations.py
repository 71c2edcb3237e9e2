"""The locations of a project, as every Google API has them: google.cloud.location.Locations.

Cloud Run's regions are listed; any other name is a location too. Source: google/cloud/location/locations.proto;
Cloud Run, "Locations".
"""

from collections.abc import Mapping

from jubako.core.names import LOCATION, Pattern
from jubako.wire.codec import invalid
from jubako.wire.google_types import (
    GetLocationRequest,
    ListLocationsRequest,
    ListLocationsResponse,
    Location,
)
from jubako.wire.method import Api, Caller, Handler, HttpRule, Method
from jubako.wire.paging import cut, page_of

REGIONS = (
    "africa-south1", "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2", "asia-northeast3",
    "asia-south1", "asia-south2", "asia-southeast1", "asia-southeast2", "australia-southeast1",
    "australia-southeast2", "europe-central2", "europe-north1", "europe-southwest1", "europe-west1", "europe-west10",
    "europe-west12", "europe-west2", "europe-west3", "europe-west4", "europe-west6", "europe-west8", "europe-west9",
    "me-central1", "me-west1", "northamerica-northeast1", "northamerica-northeast2", "southamerica-east1",
    "southamerica-west1", "us-central1", "us-east1", "us-east4", "us-east5", "us-south1", "us-west1", "us-west2",
    "us-west3", "us-west4",
)  # fmt: skip
_PROJECT = Pattern("projects/{project}")
_SERVICE = "google.cloud.location.Locations"


def locations_methods(version: str) -> tuple[Method, ...]:
    """Return the table; ``version`` begins the paths."""
    return (
        Method(
            name=f"{_SERVICE}.ListLocations",
            http=(HttpRule("GET", f"/{version}/{{name=projects/*}}/locations"),),
            request=ListLocationsRequest,
            response=ListLocationsResponse,
            permission="run.locations.list",
        ),
        Method(
            name=f"{_SERVICE}.GetLocation",
            http=(HttpRule("GET", f"/{version}/{{name=projects/*/locations/*}}"),),
            request=GetLocationRequest,
            response=Location,
            permission="run.locations.list",
        ),
    )


def locations_api(version: str) -> Api:
    """Return the locations of all APIs whose paths begin with ``/VERSION/``."""
    handlers: Mapping[str, Handler] = {
        f"{_SERVICE}.ListLocations": list_locations,
        f"{_SERVICE}.GetLocation": get_location,
    }
    return Api(
        name="locations", version=version, hosts=(), methods=locations_methods(version), handlers=handlers
    )


async def list_locations(request: ListLocationsRequest, caller: Caller) -> ListLocationsResponse:
    """Return a page of Cloud Run's regions."""
    del caller
    if request.filter:
        raise invalid("filter", "is not supported; leave it empty.")
    project = _PROJECT.parse(request.name)["project"]
    page = page_of(request.page_size, request.page_token)
    found = [region for region in REGIONS if region > page.after][: page.size + 1]
    shown, token = cut(found, page, str)
    return ListLocationsResponse(
        locations=[_location(project, region) for region in shown], next_page_token=token
    )


async def get_location(request: GetLocationRequest, caller: Caller) -> Location:
    """Return a location."""
    del caller
    return _location(**LOCATION.parse(request.name))


def _location(project: str, location: str) -> Location:
    return Location(
        name=f"projects/{project}/locations/{location}",
        location_id=location,
        display_name=location,
        labels={"cloud.googleapis.com/region": location},
    )
