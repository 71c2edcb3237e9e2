"""``jubako demo ...``: a complete application, deployed, run and watched. Stands on the public API only."""

from jubako.cli.demo.command import register

__all__ = ["register"]
