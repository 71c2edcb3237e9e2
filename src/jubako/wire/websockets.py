"""A listener whose connections may become WebSockets."""

import asyncio

from jubako.wire.listener import BoundedProtocol, Listener
from jubako.wire.upgrade import Upgrade, scope_of


class UpgradingProtocol(BoundedProtocol):
    """Gives a connection up to its WebSocket request, if one comes."""

    def _should_upgrade_to_ws(self) -> bool:
        return True

    def handle_websocket_upgrade(self) -> None:
        """See uvicorn: the head is read, but not yet in the scope."""
        try:
            scope = scope_of(dict(self.scope), self.parser.get_method(), self.url)
        except ValueError:
            self.send_400_response("Invalid HTTP request received.")
            return
        self._is_in_body = True  # no other head follows here, so none is timed
        self.connections.discard(self)
        task = self.loop.create_task(Upgrade(scope, self.transport).run(self.app), name="http.upgrade")
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class WebSocketListener(Listener):
    """See Listener."""

    def accept_http(self) -> asyncio.Protocol:
        """See Listener."""
        return UpgradingProtocol(self._at_once, self._config, self._state)
