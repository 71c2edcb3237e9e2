"""``jubako up``: the one command that is the server, so the one module that imports it (inside the function)."""

import argparse

from jubako.cli.context import Context
from jubako.cli.errors import FAILED, USAGE, CliError
from jubako.cli.flags import at_least
from jubako.cli.parsing import Group

DEFAULT_PORT = 8123
TREE_KILLS = ("cgroup", "pid-namespace", "subreaper", "process-group")
"""The surest first."""


def register(top: Group, word: str, summary: str) -> None:
    """Add ``up``."""
    up = top.command(word, serve, summary, example="jubako up --state ./.jubako --port 8123", connects=False)
    up.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; other than loopback only with --auth (127.0.0.1)",
    )
    up.add_argument(
        "--host-name",
        metavar="NAME",
        action="append",
        default=[],
        help="a name under which the server may be asked besides localhost and its address; repeatable",
    )
    up.add_argument("--auth", action="store_true", help="let nobody in without a token")
    up.add_argument(
        "--strict-iam",
        action="store_true",
        help="service accounts must be made first, and may only do what IAM policies grant them",
    )
    up.add_argument(
        "--port",
        metavar="N",
        type=at_least(0),
        help="port; 0: any free one (the one it had before, else 8123)",
    )
    up.add_argument(
        "--http-port", metavar="N", type=at_least(0), help="port for HTTP alone; gRPC stays at --port (8123)"
    )
    up.add_argument(
        "--grpc-port", metavar="N", type=at_least(0), help="port for gRPC alone; HTTP stays at --port"
    )
    up.add_argument(
        "--state", metavar="DIR", default=argparse.SUPPRESS, help="state directory (JUBAKO_STATE, ./.jubako)"
    )
    up.add_argument(
        "--offline",
        action="store_true",
        help="keep workflows, and programs of `exec` and tasks, from what is not on this machine",
    )
    up.add_argument(
        "--google-credentials",
        metavar="FILE",
        help="let connectors of services that Jubako does not play go to the real Google, with a service account key "
        "or the file of `gcloud auth application-default login` (default: where Google's libraries look)",
    )
    up.add_argument("--google-discovery", metavar="URL", help=argparse.SUPPRESS)
    up.add_argument(
        "--grace",
        metavar="SECONDS",
        type=at_least(0),
        default=10,
        help="how long tasks and instances may take between SIGTERM and SIGKILL (10)",
    )
    up.add_argument(
        "--tree-kill",
        choices=TREE_KILLS,
        default=TREE_KILLS[0],
        help="end the processes of a task by this at most, or by what comes next if it cannot be had; it holds for "
        "tasks after those under way have ended",
    )
    up.add_argument(
        "--leave-tasks",
        action="store_true",
        help="let tasks and instances go on when the server stops; the next one takes them up (they are ended, and run "
        "again then)",
    )
    up.add_argument(
        "--clock",
        choices=("real", "virtual", "manual"),
        default="real",
        help="virtual: time jumps over what workflows wait for when nothing real is under way; manual: it jumps "
        "when `jubako clock advance` says so",
    )
    up.add_argument("--log-json", action="store_true", help="write the server's own log as JSON lines")


def serve(args: argparse.Namespace, context: Context) -> int:
    """``jubako up``."""
    from jubako.core.errors import InvalidArgument, JubakoError  # noqa: PLC0415
    from jubako.server import Config, main  # noqa: PLC0415 - a client command must not pay for the server

    http, grpc = _ports(args)
    more = {"google_discovery": args.google_discovery} if args.google_discovery else {}
    config = Config(
        google_credentials=args.google_credentials,
        **more,
        state_dir=context.state,
        host=args.host,
        port=http,
        grpc_port=grpc,
        auth=args.auth,
        strict_iam=args.strict_iam,
        host_names=args.host_name,
        log_json=args.log_json,
        offline=args.offline,
        clock=args.clock,
        grace_s=args.grace,
        tree_kill_max=args.tree_kill,
        leave_tasks=args.leave_tasks,
    )
    try:
        code = main(config, announce=_announce)
    except JubakoError as error:
        raise CliError(
            error.message, exit_code=USAGE if isinstance(error, InvalidArgument) else FAILED
        ) from None
    return code


def _ports(args: argparse.Namespace) -> tuple[int | None, int | None]:
    """Return the port of HTTP and that of gRPC (None: the same)."""
    if args.http_port is None:
        return args.port, args.grpc_port
    if args.grpc_port is None:
        return args.http_port, DEFAULT_PORT if args.port is None else args.port
    if args.port is not None:
        raise CliError("--port: nothing is left for it beside --http-port and --grpc-port.", exit_code=USAGE)
    return args.http_port, args.grpc_port


def _announce(text: str) -> None:
    print(text, flush=True)
