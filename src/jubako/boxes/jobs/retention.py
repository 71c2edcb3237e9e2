"""Output whose execution is gone: a crash came between the deletion of the rows and of the files."""

from jubako.boxes.jobs.logs import Outputs
from jubako.store.port import Store, Tx


async def sweep(store: Store, outputs: Outputs) -> list[str]:
    """Remove output of executions that do not exist, and return their uids; call it after a start."""
    # First the directories, then the rows: an execution is stored before it writes, so that one that is missing
    # from the rows by now was deleted.
    found = await outputs.executions()
    known = await store.read(_uids)
    orphans = [uid for uid in found if uid not in known]
    await outputs.remove(orphans)
    return orphans


def _uids(tx: Tx) -> set[str]:
    return {str(uid) for (uid,) in tx.all("SELECT uid FROM job_executions")}
