"""What the three jobs run: ``python -m jubako_apps.telop.tasks ocr|speech|report``.

Environment: ``RECEPTION_ID``, ``OUTPUT_URI`` and Cloud Run's ``CLOUD_RUN_TASK_*``; with ``TELOP_AGAIN=1`` finished
shards are done anew.

1. A shard's result is one object with a fixed name, published whole. Done twice it is the same bytes, so what exists
   need not be done again: that is how an interrupted run resumes.
2. A shard that fails does not keep its task from doing the others; its reason is kept as a sentence for people.
3. What will not get better (a file that is no video) is not tried again: the next attempt ends at once.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from jubako_apps.telop import receptions
from jubako_apps.telop.intake import Unusable
from jubako_apps.telop.receptions import STAGES, Missing, Reception, Stage
from jubako_sdk import (
    ObjectNotFound,
    Sink,
    SinkError,
    Task,
    current_task,
    encode_json,
    get_json,
    log,
    progress,
    put_json,
    shard_range,
    sink,
)

EXIT_DATA: Final = 65
"""EX_DATAERR of sysexits.h: the input is at fault; trying again is of no use."""
EXIT_USAGE: Final = 64
"""EX_USAGE: the command or its environment is wrong."""
EXIT_CANCELLED: Final = 130

Objects = list[tuple[str, bytes]]
"""What is published, in this order; the last one says that the shard is done."""

DOING: dict[Stage, str] = {
    "ocr": "reading the captions",
    "speech": "listening to the speech",
    "report": "comparing captions and speech",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What the other stages have left for the report.

    Attributes:
        segments: The telops of every segment, as JSON.
        speech: The parts of the transcript, as JSON.
        glossary: The programme's own terms, CSV, if there are any.
        ng_words: What must not be shown, CSV, if there is such a list.
        missing: The shards that have no result, and why.

    """

    segments: list[object]
    speech: list[object]
    glossary: bytes | None = None
    ng_words: bytes | None = None
    missing: Sequence[Missing] = ()


class Stages(Protocol):
    """The work proper, free of where it runs. Methods raise `Unusable` with a sentence for a caption editor."""

    def ocr(self, reception: Reception, video: Path, segments: range) -> object:
        """Return the telops of the first of these segments, as JSON; the others are asked for next, in order."""

    def speech(self, reception: Reception, video: Path, part: int, script: bytes | None) -> object:
        """Return one part of the transcript, as JSON."""

    def report(self, reception: Reception, video: Path, results: "Results") -> Objects:
        """Return the final objects, names relative to the reception's home."""


class Cancelled(Exception):
    """The reception was cancelled; there is nothing more to do."""


class Run:
    """One task of one job, for one reception."""

    def __init__(self, place: Sink, reception: Reception, stages: Stages, task: Task, *, again: bool) -> None:
        self._sink = place
        self._reception = reception
        self._stages = stages
        self._task = task
        self._again = again

    def execute(self, stage: Stage) -> int:
        """Do this task's shards of ``stage``; return the exit code."""
        total = receptions.shards(self._reception, stage)
        # Neighbours, so that nothing is looked at twice but where one task's part ends and the next one's begins.
        own = shard_range(total, self._task)
        code = 0
        for done, number in enumerate(own, start=1):
            code = max(code, self._shard(stage, range(number, own.stop)))
            progress(done, len(own), stage, reception=self._reception.id, shard=number)
        return code

    def _shard(self, stage: Stage, numbers: range) -> int:
        """Do the first of these shards; the task does the others next."""
        identifier, number = self._reception.id, numbers[0]
        if receptions.is_cancelled(self._sink, identifier):
            raise Cancelled
        if not self._again and self._sink.exists(receptions.result_name(identifier, stage, number)):
            log("INFO", f"{stage} {number}: the result is there already", shard=number)
            return 0
        if self._task.attempt and self._is_hopeless(stage, number):
            log("ERROR", f"{stage} {number}: the input is at fault; not tried again", shard=number)
            return EXIT_DATA
        begun = time.monotonic()
        try:
            with self._explaining(stage, number):
                self._publish(self._work(stage, numbers))
        except Unusable as error:
            log("ERROR", str(error), shard=number)
            return EXIT_DATA
        seconds = round(time.monotonic() - begun, 3)
        put_json(self._sink, receptions.timing_name(identifier, stage, number), {"seconds": seconds})
        self._sink.delete(receptions.error_name(identifier, stage, number))
        log("INFO", f"{stage} {number}: done in {seconds} s", shard=number, seconds=seconds)
        return 0

    def _work(self, stage: Stage, numbers: range) -> Objects:
        reception, number = self._reception, numbers[0]
        name = receptions.result_name(reception.id, stage, number)
        if stage == "ocr":
            return [(name, encode_json(self._stages.ocr(reception, self._video(), numbers)))]
        if stage == "speech":
            part = self._stages.speech(reception, self._video(), number, self._attached(reception.script))
            return [(name, encode_json(part))]
        objects = self._stages.report(reception, self._video(), self._results())
        return [(receptions.home(reception.id) + name, data) for name, data in objects]

    def _results(self) -> Results:
        reception = self._reception
        return Results(
            segments=self._parts("ocr"),
            speech=self._parts("speech"),
            glossary=self._attached(reception.glossary),
            ng_words=self._attached(reception.ng_words),
            missing=receptions.missing(self._sink, reception),
        )

    def _parts(self, stage: Stage) -> list[object]:
        """Return what there is. One bad part never loses the others; the last one missing loses everything.

        Raises:
            Unusable: There is nothing at all, with the reason of the first part.

        """
        found = []
        for number in range(receptions.shards(self._reception, stage)):
            with suppress(ObjectNotFound):
                found.append(self._result(stage, number))
        if not found and stage == "ocr":
            reason = receptions.reason_of(self._sink, self._reception.id)
            raise Unusable(reason or f"No part of {self._reception.name} was looked at.")
        return found

    def _attached(self, name: str | None) -> bytes | None:
        return self._sink.get(name) if name else None

    def _publish(self, objects: Objects) -> None:
        for name, data in objects:
            self._sink.put(name, data)

    def _result(self, stage: Stage, number: int) -> object:
        result: object = get_json(self._sink, receptions.result_name(self._reception.id, stage, number))
        return result

    def _video(self) -> Path:
        reception = self._reception
        if not reception.video.startswith("/"):
            return Path(self._sink.local_path(reception.video))
        path = Path(reception.video)
        try:
            size = path.stat().st_size
        except OSError as error:
            raise Unusable(f"{reception.name} is no longer where it was: {path}.") from error
        if size != reception.size:
            raise Unusable(f"{reception.name} was changed after it was received; send it again.")
        return path

    def _is_hopeless(self, stage: Stage, number: int) -> bool:
        try:
            error = get_json(self._sink, receptions.error_name(self._reception.id, stage, number))
        except ObjectNotFound:
            return False
        return bool(error["permanent"])

    @contextmanager
    def _explaining(self, stage: Stage, number: int) -> Iterator[None]:
        """Keep the reason of whatever goes wrong inside; it goes on its way unchanged."""
        failed = True
        try:
            yield
            failed = False
        finally:
            if failed:
                reason = _reason(sys.exc_info()[1], self._reception, stage, number)
                put_json(self._sink, receptions.error_name(self._reception.id, stage, number), reason)


def run(stage: Stage, stages: Stages, environ: Mapping[str, str], *, place: Sink | None = None) -> int:
    """Do what the environment asks for; return the exit code."""
    try:
        task = current_task(environ)
        target = place or sink(environ.get("OUTPUT_URI", ""))
        identifier = environ.get("RECEPTION_ID", "")
        reception = receptions.load(target, identifier)
    except (ValueError, SinkError) as error:
        log("ERROR", str(error))
        return EXIT_USAGE
    if reception is None:
        log("ERROR", f"RECEPTION_ID is {identifier!r}: there is no such reception under OUTPUT_URI")
        return EXIT_USAGE
    again = environ.get("TELOP_AGAIN") == "1"
    try:
        return Run(target, reception, stages, task, again=again).execute(stage)
    except Cancelled:
        log("NOTICE", f"reception {identifier} was cancelled", reception=identifier)
        return EXIT_CANCELLED


def main(argv: list[str], load_stages: Callable[[], Stages]) -> int:
    """Run the stage that the command line names."""
    stage = next((known for known in STAGES if argv[1:] == [known]), None)
    if stage is None:
        sys.stderr.write(f"usage: python -m jubako_apps.telop.tasks {'|'.join(STAGES)}\n")
        return EXIT_USAGE
    return run(stage, load_stages(), os.environ)


def _reason(
    error: BaseException | None, reception: Reception, stage: Stage, number: int
) -> dict[str, object]:
    permanent = isinstance(error, Unusable)
    if permanent:
        text = str(error)
    else:
        total = receptions.shards(reception, stage)
        where = f" in part {number + 1} of {total}" if total > 1 else ""
        text = f"{DOING[stage].capitalize()} of {reception.name}{where} stopped: {_kind_of(error)}."
    return {"stage": stage, "shard": number, "reason": text, "permanent": permanent}


def _kind_of(error: BaseException | None) -> str:
    if isinstance(error, MemoryError):
        return "the machine has not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return f"the machine says {error.strerror.lower()!r}"
    return f"an error of the program ({type(error).__name__}); its log tells more"


if __name__ == "__main__":
    from jubako_apps.telop.pipeline import RealStages

    sys.exit(main(sys.argv, RealStages))
