"""``jubako run jobs logs read|tail``."""

from jubako.cli.parsing import Group


def register(jobs: Group) -> None:
    """Add the commands below ``run jobs logs``."""
    jobs.group("logs", "What tasks wrote.")
