"""Callbacks as effects: making an endpoint, and awaiting it.

The id of an endpoint is computed from the effect that makes it, so making it again after a crash makes the same one.
"""

import hashlib
from datetime import timedelta
from functools import partial

from jubako.boxes.workflows import callback_rows
from jubako.boxes.workflows.language import Effect
from jubako.store.port import Store, Tx


class CallbackEndpoints:
    """Makes endpoints; ``base_url`` is this server's address, such as ``http://127.0.0.1:8123``."""

    def __init__(self, store: Store, base_url: str) -> None:
        self._store = store
        self._base_url = base_url

    async def create(self, effect: Effect, execution_id: str, execution_name: str) -> dict[str, str]:
        """Return ``{"url"}`` of the endpoint that ``effect`` asks for; it can be called when this returns."""
        callback = _id(execution_id, effect.name)
        method = effect.args["http_callback_method"]
        await self._store.write(
            partial(callback_rows.create, execution=execution_id, callback=callback, method=method)
        )
        return {"url": f"{self._base_url}/v1/{execution_name}/callbacks/{callback}"}


def ensure(tx: Tx, execution: str, effect: Effect) -> None:
    """Have the await end by a request or by its time-out."""
    url = effect.args["callback"]["url"]
    before, _, callback = url.rpartition("/callbacks/")
    own = before.endswith(f"/executions/{execution}")
    timeout = timedelta(seconds=effect.args["timeout"])
    callback_rows.wait(tx, execution, effect.name, callback if own else "", timeout)


def _id(execution: str, effect: str) -> str:
    return hashlib.sha256(f"{execution}/{effect}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
