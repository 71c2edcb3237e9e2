"""``jubako run ...``: services (``run deploy``, ``run services``) and jobs (``run jobs``)."""

from jubako.cli import run_jobs, run_services
from jubako.cli.parsing import Group


def register(top: Group, word: str, summary: str) -> None:
    """Add the commands below ``run``."""
    run = top.group(word, summary)
    run_services.register(run)
    run_jobs.register(run)
