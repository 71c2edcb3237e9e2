"""``jubako projects``: who may do what in a project; every project exists."""

from jubako.cli import policies
from jubako.cli.parsing import Group


def register(top: Group, word: str, summary: str) -> None:
    """Add the commands below ``projects``."""
    policies.register(top.group(word, summary), policies.PROJECT)
