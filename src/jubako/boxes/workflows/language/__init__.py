"""Google's workflow language: a small compiler, and a machine without I/O. This module is its whole interface.

Compile::

    program = compile_workflow(source_text, connectors=frozenset({...}) or None)   # raises SourceRefused
    program.warnings      # tuple[Problem]: line, column, step, message, fix; str() is one line
    program.connectors    # names of the connectors it calls

Run::

    state = initial_state(program, argument)              # argument: any JSON value; InvalidArgument
    state, effects = advance(program, state, Start())     # state is changed in place
    state, effects = advance(program, state, EffectDone(name, value))
    state, effects = advance(program, state, EffectFailed(name, error_map))
    state, effects = advance(program, state, Cancel())

Each effect has ``name`` (unique, the same in every replay), ``kind`` (`EffectKind`: HTTP, CONNECTOR, SLEEP, LOG, NOW,
UUID, ENV, CALLBACK_CREATE, CALLBACK_AWAIT, ABANDON), ``function``, ``args``, ``step`` and ``routine``. Every effect but
ABANDON is answered by one outcome; an outcome nobody waits for is ignored. ``error_map(tag, message, **fields)`` makes
the map for `EffectFailed`. An effect of kind CONNECTOR has its ``function`` as ``googleapis...``.

Look: ``state.status`` (ACTIVE, SUCCEEDED, FAILED, CANCELLED), ``state.result``, ``state.error`` ({"payload", "context",
"stackTrace"}), ``state.steps``, ``state.bytes``, ``current_steps(state)``, ``variables(state)``.

Keep: ``dump(state)`` is data for JSON with a format version; ``load(program, data)`` goes on exactly as the original
would have; ``pending_effects(program, state)`` are the effects under way, to be done again after a crash. Feeding the
recorded events in their recorded order to a fresh state gives the same state.

With ``advance(..., slice_steps=n)`` a long computation is left after about n steps, ``state.ready`` not empty; feed
`Continue` until it is, before any other event.
"""

from jubako.boxes.workflows.language.build import compile_workflow
from jubako.boxes.workflows.language.effects import Effect, EffectKind
from jubako.boxes.workflows.language.errors import error_map
from jubako.boxes.workflows.language.events import Cancel, Continue, EffectDone, EffectFailed, Event, Start
from jubako.boxes.workflows.language.inspection import CurrentStep, current_steps, pending_effects, variables
from jubako.boxes.workflows.language.machine import advance, initial_state
from jubako.boxes.workflows.language.problems import Problem, SourceRefused
from jubako.boxes.workflows.language.program import Program
from jubako.boxes.workflows.language.state import State, Status, dump, load

__all__ = [
    "Cancel",
    "Continue",
    "CurrentStep",
    "Effect",
    "EffectDone",
    "EffectFailed",
    "EffectKind",
    "Event",
    "Problem",
    "Program",
    "SourceRefused",
    "Start",
    "State",
    "Status",
    "advance",
    "compile_workflow",
    "current_steps",
    "dump",
    "error_map",
    "initial_state",
    "load",
    "pending_effects",
    "variables",
]
