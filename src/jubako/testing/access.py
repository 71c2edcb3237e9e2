"""An Access for tests that are about something else."""

from jubako.wire.method import Caller


class Everybody:
    """May do everything that has a permission at all."""

    async def check(self, permission: str, caller: Caller, resource: str = "") -> None:
        """See `jubako.wire.dispatch.Access`."""
        assert permission, (caller, resource)
