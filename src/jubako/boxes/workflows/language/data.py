"""The name for values of the workflow language in signatures."""

from typing import Any

Data = Any
"""A value of the workflow language, or what is not yet known to be one (see `values`)."""
