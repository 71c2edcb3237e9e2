"""``jubako demo telop``: from nothing to a report of suspected typos, in one command.

1. Find the server of the state directory, or start one; 2. deploy the application; 3. hand the clip to its reception;
4. show every branch and shard until it is over; 5. show what was found. Every step may be repeated: the same content
is the same reception, so a run that was interrupted goes on.
"""

import argparse
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from jubako.cli.context import Context
from jubako.cli.demo.board import Board
from jubako.cli.demo.clip import Clip, chosen_clip, require_extra
from jubako.cli.demo.deployment import Application, deploy
from jubako.cli.demo.findings import facts, report_paths, show_findings, timing_line, truth_line
from jubako.cli.demo.reception import Reception
from jubako.cli.demo.server import DemoServer
from jubako.cli.demo.watch import Snapshot, Watch
from jubako.cli.errors import FAILED, INTERRUPTED, OK, ServerUnreachable
from jubako.cli.flags import at_least
from jubako.cli.parsing import Group

POLL_S = 0.25
GATE_CLOSED = 3
"""Exit code of ``--gate``: the check has run and the video should not go out as it is."""
KNOWN = "This video was handed in before: going on where it was."
KNOWN_AND_OVER = (
    "This video was checked before: the same content is the same reception. --fresh checks it again."
)
FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


def register(top: Group, word: str, summary: str) -> None:
    """Add the commands below ``demo``."""
    demo = top.group(word, summary)
    telop = demo.command(
        "telop",
        run_telop,
        "Look for typos in the burned-in captions of a video.",
        example="jubako demo telop --video news.mp4 --script news.srt --lang ja",
    )
    family = telop.add_argument_group("what to check")
    family.add_argument(
        "--video", metavar="FILE", type=Path, help="a video of yours (default: a bundled clip)"
    )
    family.add_argument("--script", metavar="FILE", type=Path, help="what is said: .srt, .vtt or .txt")
    family.add_argument("--glossary", metavar="FILE", type=Path, help="names and terms spelt right: .csv")
    family.add_argument("--ng-words", metavar="FILE", type=Path, help="words that must not be shown: .csv")
    family.add_argument(
        "--lang", choices=("en", "ja"), default="en", help="language of captions and speech (en)"
    )
    family.add_argument(
        "--segment-seconds", metavar="S", type=at_least(5), help="length of a shard of the OCR job"
    )
    family.add_argument(
        "--gate", action="store_true", help="exit with 3 if anything suspicious was found or is missing"
    )
    family.add_argument("--fresh", action="store_true", help="check again what has been checked before")
    telop.add_argument("--port", metavar="N", type=at_least(0), help="port of the server it starts; 0: any")


def run_telop(args: argparse.Namespace, context: Context) -> int:
    """``jubako demo telop``."""
    require_extra(args.lang)
    clip = chosen_clip(args)
    with _signals_interrupt():
        server = DemoServer(context, args.port)
        try:
            server.find_or_start()
            return _check(args, context, server, clip)
        except KeyboardInterrupt:
            _say_stopping(context, server)
            return INTERRUPTED
        finally:
            if server.stop():
                context.note(
                    f"The server has been stopped. Look around with: jubako up --state {context.state}"
                )


def _check(args: argparse.Namespace, context: Context, server: DemoServer, clip: Clip) -> int:
    application = Application.at(server.address, context)
    context.note("Deploying the application: a service, three jobs and a workflow.")
    client = server.client
    deploy(client, application)
    reception = Reception.submit(client, application, clip, is_fresh=args.fresh)
    if reception.is_known:
        is_over = reception.first_view["state"] in FINAL
        context.note(KNOWN_AND_OVER if is_over else KNOWN)
    watch = Watch(client, application, reception)
    snapshot = _follow(context, server, watch)
    if snapshot.state != "SUCCEEDED":
        return _explain(context, snapshot)
    report = _show(context, application, reception, watch, clip)
    return gate(report) if args.gate else OK


def gate(report: Mapping[str, Any]) -> int:
    """Return the exit code of a gate: 3 if the report has findings or is not complete, else 0."""
    return GATE_CLOSED if report.get("findings") or report.get("missing") else OK


def _show(
    context: Context, application: Application, reception: Reception, watch: Watch, clip: Clip
) -> dict[str, Any]:
    report = reception.result()
    findings = report.get("findings", [])
    out = context.out
    show_findings(out, findings)
    folder = Path(application.output) / "receptions" / reception.id
    pairs = [("measured", truth_line(findings, clip.truth))] if clip.truth is not None else []
    time_taken = timing_line(watch.timing(), os.cpu_count() or 1)
    pairs += [("time", time_taken), *report_paths(folder, f"{application.server}{reception.path}")]
    for line in facts(out, pairs):
        out.print(line)
    for gap in report.get("missing", []):
        out.print(f"NOT CHECKED: {gap['reason']}")
    out.print()
    return report


def _follow(context: Context, server: DemoServer, watch: Watch) -> Snapshot:
    board = Board(context.out, is_quiet=context.is_quiet)
    try:
        while True:
            try:
                snapshot = watch.look()
            except ServerUnreachable as error:
                board.pause()
                server.revive(error)
                continue
            board.show(snapshot)
            if snapshot.state in FINAL:
                board.finish()
                return snapshot
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        board.finish()
        raise


def _explain(context: Context, snapshot: Snapshot) -> int:
    reason = snapshot.reason or "nobody said why"
    context.err.print(f"ERROR: The check has {snapshot.state.lower()}: {reason}")
    context.err.print("Try again with --fresh.")
    return FAILED


def _say_stopping(context: Context, server: DemoServer) -> None:
    if server.was_started:
        context.err.print("\nStopping. Run the same command again and it goes on where it was.")
    else:
        context.err.print(f"\nLeaving; the check goes on in the server at {server.address}.")


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo as Ctrl-C does, so that nothing is left running."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = [(number, signal.signal(number, interrupt)) for number in (signal.SIGTERM, signal.SIGHUP)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
