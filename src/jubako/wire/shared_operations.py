"""Long-running operations over gRPC, where several APIs have one method name and no host name tells them apart."""

from collections.abc import Sequence

from jubako.wire.google_types import ListOperationsRequest, ListOperationsResponse
from jubako.wire.paging import cut, page_of
from jubako.wire.schema import Message


def merged(request: ListOperationsRequest, pages: Sequence[Message]) -> ListOperationsResponse:
    """Return the page that the APIs' pages make together.

    Pages go by name and a token says after which name, so the token of the merged page holds for every API.
    """
    page = page_of(request.page_size, request.page_token)
    found, has_more = [], False
    for one in pages:
        assert isinstance(one, ListOperationsResponse)
        found += one.operations
        has_more = has_more or bool(one.next_page_token)
    found.sort(key=lambda operation: operation.name)
    shown, token = cut(found, page, lambda operation: operation.name)
    if has_more and not token:
        # One API alone filled the page to its end, so the others have nothing after it that is not in the next one.
        _, token = cut([*shown, shown[-1]], page, lambda operation: operation.name)
    return ListOperationsResponse(operations=shown, next_page_token=token)
