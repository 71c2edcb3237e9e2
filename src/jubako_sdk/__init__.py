"""What task code imports; it runs unchanged on Jubako and on the real Cloud Run. Standard library only."""

from jubako_sdk.checkpoint import Checkpoint, checkpoint
from jubako_sdk.log import log, progress
from jubako_sdk.sink import (
    ObjectNotFound,
    Sink,
    SinkError,
    Writer,
    encode_json,
    get_json,
    put_json,
    put_once,
    sink,
)
from jubako_sdk.stop import on_stop
from jubako_sdk.table import upsert
from jubako_sdk.task import STRIDE, Task, current_task, global_id, shard, shard_range

__all__ = [
    "STRIDE",
    "Checkpoint",
    "ObjectNotFound",
    "Sink",
    "SinkError",
    "Task",
    "Writer",
    "checkpoint",
    "current_task",
    "encode_json",
    "get_json",
    "global_id",
    "log",
    "on_stop",
    "progress",
    "put_json",
    "put_once",
    "shard",
    "shard_range",
    "sink",
    "upsert",
]
