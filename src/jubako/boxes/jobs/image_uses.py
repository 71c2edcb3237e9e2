"""Which images jobs name, and executions under way run. A transaction function."""

from jubako.boxes.jobs.rows import ExecutionKey, JobKey
from jubako.store.port import Tx
from jubako.wire import images


def image_uses(tx: Tx) -> list[tuple[str, str]]:
    """Return who, and the image."""
    jobs = tx.all("SELECT project, location, job, document FROM jobs")
    executions = tx.all(
        "SELECT project, location, job, execution, document FROM job_executions "
        "WHERE state IN ('active', 'cancelling')"
    )
    named = [(str(JobKey(*row[:3])), row[3]) for row in jobs]
    named += [(str(ExecutionKey(*row[:4])), row[4]) for row in executions]
    return [(who, image) for who, document in named for image in sorted(images.named_in(document))]
