"""The server: reads the configuration, picks adapters, starts services. The only room that wires."""

from jubako.server.config import Config
from jubako.server.main import main

__all__ = ["Config", "main"]
