"""Effects that are answered on the spot: the time, an id, a setting, a line in the log.

Their answers are journalled like any other, so a replay sees the same time and the same id.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jubako.boxes.workflows.language import Effect, EffectKind
from jubako.core.clock import Clock
from jubako.core.events import Events, Severity
from jubako.core.ids import IdSource
from jubako.core.timestamps import EPOCH

_SEVERITY: Mapping[str, Severity] = {
    "DEBUG": "DEBUG",
    "WARNING": "WARNING",
    "ERROR": "ERROR",
    "CRITICAL": "ERROR",
    "ALERT": "ERROR",
    "EMERGENCY": "ERROR",
}


@dataclass(frozen=True, slots=True)
class Instant:
    """Answers instant effects."""

    clock: Clock
    ids: IdSource
    events: Events

    def answer(self, effect: Effect, execution: str, env: Mapping[str, str]) -> Any:
        """Return the effect's value; ``env`` is what ``sys.get_env`` sees."""
        if effect.kind is EffectKind.NOW:
            return (self.clock.now() - EPOCH).total_seconds()
        if effect.kind is EffectKind.UUID:
            return self.ids.uid()
        if effect.kind is EffectKind.ENV:
            return env.get(effect.args["name"], effect.args.get("default"))
        self._log(effect, execution)
        return None

    def _log(self, effect: Effect, execution: str) -> None:
        payload = next((effect.args[key] for key in ("text", "json", "data") if key in effect.args), None)
        self.events.emit(
            "workflow.logged",
            _SEVERITY.get(effect.args["severity"], "INFO"),
            execution=execution,
            step=effect.step,
            payload=payload,
        )


KINDS = frozenset({EffectKind.NOW, EffectKind.UUID, EffectKind.ENV, EffectKind.LOG})
