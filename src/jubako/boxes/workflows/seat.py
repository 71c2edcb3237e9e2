"""One execution in memory: the machine's state, and how it came there.

1. The state after ``seq`` outcomes is the same whether they were fed just now, replayed from the journal, or are
   contained in a snapshot; so memory may be lost at any time.
2. Outcomes are fed one at a time; between two of them every thread has come to rest. Long pure stretches are
   cut into slices so that one execution does not hold up the others.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jubako.boxes.workflows.instant import KINDS
from jubako.boxes.workflows.language import (
    Continue,
    Effect,
    EffectDone,
    EffectFailed,
    EffectKind,
    Event,
    Program,
    Start,
    State,
    Status,
    advance,
    current_steps,
    dump,
    initial_state,
    load,
    pending_effects,
)
from jubako.boxes.workflows.language.values import from_data, to_data
from jubako.boxes.workflows.loaded import Loaded
from jubako.boxes.workflows.resources import Execution

SLICE_STEPS = 5_000
_ROWLESS = KINDS | {EffectKind.HTTP, EffectKind.ABANDON}
"""Effects of which the store has their outcomes and nothing else."""
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Outcome = EffectDone | EffectFailed


@dataclass(slots=True)
class Seat:
    """An execution that is being driven."""

    program: Program
    state: State
    seq: int
    """Outcomes fed so far: what the journal must hold when this is committed."""
    snapshot_seq: int
    """Outcomes contained in the newest snapshot; -1 if there is none."""
    under_way: dict[str, Effect]
    """Effects asked for and not answered, by name."""
    document: Execution
    """As it was when it was loaded, or created."""
    told_steps: Sequence[tuple[str, str]]
    """Where it stood, routine and step, when that was last asked for to be stored."""
    has_rows: bool
    """Whether the store may have more of it than its row and its journal: waits, callbacks, a snapshot."""

    @classmethod
    async def restored(
        cls, program: Program, loaded: Loaded, give_way: Callable[[], Awaitable[None]]
    ) -> "Seat":
        """Return the seat at the end of the journal; ``under_way`` is what has to run (again).

        Args:
            program: The revision that the execution runs.
            loaded: What is stored of it.
            give_way: Called between two slices.

        """
        outcomes: list[Event] = [decode_outcome(outcome) for outcome in loaded.outcomes]
        if loaded.snapshot is not None:
            state = load(program, json.loads(loaded.snapshot))
        else:
            state = initial_state(program, json.loads(loaded.document.argument or "null"))
            outcomes.insert(0, Start())
        for outcome in outcomes:
            advance(program, state, outcome, slice_steps=SLICE_STEPS)
            while state.ready and state.status is Status.ACTIVE:
                await give_way()
                advance(program, state, Continue(), slice_steps=SLICE_STEPS)
        pending = {effect.name: effect for effect in pending_effects(program, state)}
        snapshot_seq = -1 if loaded.snapshot is None else loaded.seq - len(loaded.outcomes)
        has_rows = not loaded.is_new or any(effect.kind not in _ROWLESS for effect in pending.values())
        told = [(step["routine"], step["step"]) for step in json.loads(loaded.current_steps)]
        return cls(program, state, loaded.seq, snapshot_seq, pending, loaded.document, told, has_rows)

    @property
    def is_over(self) -> bool:
        """Whether the execution has ended."""
        return self.state.status is not Status.ACTIVE

    def feed(self, outcome: Outcome) -> Iterator[list[Effect]]:
        """Feed one outcome; yield the effects of each slice until the machine rests."""
        self.under_way.pop(outcome.name, None)
        self.seq += 1
        _, effects = advance(self.program, self.state, outcome, slice_steps=SLICE_STEPS)
        yield self._note(effects)
        while self.state.ready and not self.is_over:
            _, effects = advance(self.program, self.state, Continue(), slice_steps=SLICE_STEPS)
            yield self._note(effects)

    def snapshot(self) -> str:
        """Return the state as JSON text."""
        self.snapshot_seq, self.has_rows = self.seq, True
        return _JSON(dump(self.state))

    def news_of_steps(self) -> str | None:
        """Return where the execution stands, a JSON list of ``{"routine", "step"}``; None if that is known."""
        steps = [(step.routine, step.step) for step in current_steps(self.state)]
        if steps == self.told_steps:
            return None
        self.told_steps = steps
        return _JSON([{"routine": routine, "step": step} for routine, step in steps])

    def _note(self, effects: Sequence[Effect]) -> list[Effect]:
        asked = [effect for effect in effects if effect.kind is not EffectKind.ABANDON]
        for effect in asked:
            self.under_way[effect.name] = effect
            self.has_rows = self.has_rows or effect.kind not in _ROWLESS
        return asked


def encode_outcome(outcome: Outcome) -> str:
    """Return an outcome as the journal keeps it: ``{"name", "value"}`` or ``{"name", "error"}``."""
    told: dict[str, Any] = {"name": outcome.name}
    if isinstance(outcome, EffectDone):
        told["value"] = to_data(outcome.value)
    else:
        told["error"] = to_data(outcome.error)
    text = _JSON(told)
    # Half a surrogate pair (another server's JSON may hold one) has no UTF-8; escaped it can be stored.
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def decode_outcome(text: str) -> Outcome:
    """Return what ``encode_outcome`` wrote."""
    told = json.loads(text)
    if "error" in told:
        return EffectFailed(told["name"], from_data(told["error"]))
    return EffectDone(told["name"], from_data(told["value"]))
