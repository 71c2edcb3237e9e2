"""What can happen to an execution: the only things that move the machine."""

from dataclasses import dataclass

from jubako.boxes.workflows.language.data import Data


@dataclass(frozen=True, slots=True)
class Start:
    """Begin the execution; the first event of every one."""


@dataclass(frozen=True, slots=True)
class EffectDone:
    """The effect of this name was carried out; ``value`` is its answer."""

    name: str
    value: Data = None


@dataclass(frozen=True, slots=True)
class EffectFailed:
    """The effect of this name failed; ``error`` is the string or map that `except` receives."""

    name: str
    error: Data


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the execution now; effects under way are abandoned."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Go on after a slice; the only event allowed while threads are ready."""


Event = Start | EffectDone | EffectFailed | Cancel | Continue
