"""Steps per second of the workflow machine, beside a bare Python loop doing the same in the same run.

Budget: 100,000 assign and switch steps in at most 0.5 s, and linear in steps.
Run: ``python benchmarks/workflow_machine.py``.
"""

import json
import sys
from collections.abc import Callable
from time import perf_counter

from jubako.boxes.workflows.language import (
    Start,
    Status,
    advance,
    compile_workflow,
    dump,
    initial_state,
    load,
)

STEPS = 99_999
BUDGET_S = 0.5
REPEATS = 9

SOURCE = """
main:
  params: [rounds]
  steps:
    - init: {assign: [{n: 0}]}
    - check: {switch: [{condition: "${n < rounds}", next: count}], next: done}
    - count: {assign: [{n: "${n + 1}"}], next: check}
    - done: {return: "${n}"}
"""


def machine(steps: int) -> float:
    """Return the seconds for about so many steps."""
    program = compile_workflow(SOURCE)
    state = initial_state(program, (steps - 3) // 2)
    begun = perf_counter()
    advance(program, state, Start())
    seconds = perf_counter() - begun
    assert state.status is Status.SUCCEEDED, state.error
    assert abs(state.steps - steps) <= 2, state.steps
    return seconds


def bare(steps: int) -> float:
    """Return the seconds of a Python loop with the same two steps a round, its variables in a dict."""
    begun = perf_counter()
    names = {"n": 0, "rounds": (steps - 3) // 2}
    while names["n"] < names["rounds"]:
        names["n"] = names["n"] + 1
    return perf_counter() - begun


def snapshot() -> float:
    """Return the seconds to dump, print, parse and load a waiting state with 100 KB of variables."""
    source = "main: {params: [a], steps: [{w: {call: sys.sleep, args: {seconds: 1}}}]}"
    program = compile_workflow(source)
    state = initial_state(program, [{"key": f"value {number}"} for number in range(2_000)])
    advance(program, state, Start())
    begun = perf_counter()
    load(program, json.loads(json.dumps(dump(state))))
    return perf_counter() - begun


def best(*works: Callable[[], float]) -> list[float]:
    """Return the least of several runs of each, the runs interleaved so that all meet the same machine."""
    runs = [[work() for work in works] for _ in range(REPEATS)]
    return [min(run[number] for run in runs) for number in range(len(works))]


def main() -> int:
    """Print the figures; exit with 1 over the budget."""
    works = (lambda: machine(STEPS), lambda: machine(STEPS // 2), lambda: bare(STEPS), snapshot)
    whole, half, loop, stored = best(*works)
    print(f"machine: {STEPS} steps in {whole:.3f} s = {STEPS / whole:,.0f} steps/s (budget {BUDGET_S} s)")
    print(f"linear: {STEPS} steps take {whole / half:.2f} x the time of {STEPS // 2} (ideal 2.00)")
    print(f"bare Python loop: {loop:.4f} s; the machine takes {whole / loop:.1f} x that")
    print(f"dump, print, parse and load a state of 100 KB: {stored * 1000:.2f} ms")
    return int(whole > BUDGET_S)


if __name__ == "__main__":
    sys.exit(main())
