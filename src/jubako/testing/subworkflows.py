"""A subworkflow as a program of its own, so that a test can run it alone."""

import json
from collections.abc import Iterable
from dataclasses import replace

from jubako.boxes.workflows.language import Program, compile_workflow

CALL = "call"


def alone(program: Program, name: str, given: Iterable[str]) -> Program:
    """Return a program that calls the subworkflow ``name`` with the arguments of these names and returns its result.

    Its argument is a map of the arguments' values.

    Raises:
        LookupError: There is none of this name.
        TypeError: It needs other arguments.

    """
    unit = program.units.get(name)
    if unit is None or name == "main":
        known = ", ".join(sorted(set(program.units) - {"main"})) or "none"
        raise LookupError(f"there is no subworkflow {name}; there are: {known}")
    names = list(given)
    missing = [one for one, default in unit.params.items() if default is None and one not in names]
    if missing or set(names) - set(unit.params):
        takes = ", ".join(
            one if default is None else f"{one} (optional)" for one, default in unit.params.items()
        )
        raise TypeError(
            f"subworkflow {name} takes {takes or 'no arguments'}; given: {', '.join(names) or 'none'}"
        )
    call = {"call": name, "args": {one: f"${{args.{one}}}" for one in names}, "result": "result"}
    source = {
        "main": {"params": ["args"], "steps": [{CALL: call}, {"done": {"return": "${result}"}}]},
        name: {"params": [{one: None} for one in unit.params], "steps": [{"x": {"return": None}}]},
    }
    caller = compile_workflow(json.dumps(source)).units["main"]
    return replace(program, units={**program.units, "main": caller})


def inside(path: str, name: str) -> str | None:
    """Return the path of a step as the subworkflow's own test knows it; None for a step of the caller."""
    prefix = f"main/{CALL}/{name}()/"
    return f"{name}/{path.removeprefix(prefix)}" if path.startswith(prefix) else None
