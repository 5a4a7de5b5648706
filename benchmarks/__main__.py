"""``python -m benchmarks``: run every race and leave the results where the book looks for them."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

from benchmarks import flow, in_batch, sweeps, training
from benchmarks.growth import growths
from benchmarks.machine import machine, versions
from benchmarks.timing import say
from mmcl.benchmark import AT_LEAST, Growth, Price, Race, Results, code, place, quantity

Found = Iterable[Race | Growth | Price | str]
ROUNDS = 5
FAILED = ": ended in"


def parts(quick: bool) -> dict[str, Callable[[], Found]]:
    """What is measured, by name; in a trial with fewer rounds and smaller sizes."""
    few, rounds = (1, 1) if quick else (3, ROUNDS)
    widths = training.WIDTHS[:4] if quick else training.WIDTHS
    return {
        "training": lambda: training.run_of_800_steps(few, 40 if quick else training.STEPS),
        "gradient": lambda: training.full_gradient(rounds, 40 if quick else 400),
        "width": lambda: training.growth_with_width(few, widths),
        "products": lambda: training.bare_products(rounds),
        "seeds": lambda: training.many_seeds(rounds),
        "in-batch": lambda: in_batch.times(rounds, 1024 if quick else in_batch.PAIRS),
        "memory": lambda: in_batch.memory(few, 1024 if quick else in_batch.PAIRS),
        "largest": lambda: in_batch.largest(4096 if quick else in_batch.LARGEST),
        "flow": lambda: flow.many_coordinates(few, 2000 if quick else flow.COORDINATES),
        "flow-values": lambda: flow.few_values(few, 8000 if quick else flow.MILLION),
        "flow-worlds": lambda: flow.many_worlds(few, 9 if quick else flow.WORLDS),
        "sweeps": lambda: sweeps.workers(few, 8 if quick else 24),
        "tasks": lambda: sweeps.prices(few, 200 if quick else 2000),
        "growth": lambda: growths(rounds, quick=quick),
    }


def main() -> None:
    """Run the parts that were asked for, and save what they found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, small sizes: a trial")
    parser.add_argument("--only", nargs="+", choices=list(parts(False)), help="some parts, not all")
    parser.add_argument("--out", type=Path, help="the JSON file (default: where the book looks; a trial's is another)")
    asked = parser.parse_args()
    out = asked.out or place(trial=asked.quick or asked.only is not None)
    day, hashed = date.today().isoformat(), code()
    races, growing, prices, omitted = [], [], [], []
    for name, run in parts(asked.quick).items():
        if asked.only and name not in asked.only:
            omitted.append(f"{name}: was not asked for.")
            continue
        say(name)
        for found in _kept_going(name, run):
            if isinstance(found, Race):
                races.append(found)
                other = quantity(found.theirs.median, found.unit)
                sign = "theirs/ours" if found.relation == AT_LEAST else "ours/theirs"
                say(f"  {found.ratio:9.3g} {sign}  {found.work}: {quantity(found.ours.median, found.unit)}, "
                    f"{found.theirs.name} {other}")  # fmt: skip
            elif isinstance(found, Growth):
                growing.append(found)
                say(f"  slope {found.slope:.2f} in {found.variable}, expected {found.expected}: {found.work}")
            elif isinstance(found, Price):
                prices.append(found)
                say(f"  {quantity(found.median)}: {found.work}")
            else:
                omitted.append(found)
                say(f"  left out: {found}")
    failed = [text for text in omitted if FAILED in text]
    everything = (tuple(races), tuple(growing), tuple(prices), tuple(omitted))
    results = Results(machine(), versions(), *everything, asked.quick, day, hashed)
    say(f"The measurements are in {results.save(out)}.")
    if failed:
        sys.exit(" ".join(failed))


def _kept_going(name: str, run: Callable[[], Found]) -> Found:
    """What a part finds; if it ends in an error, what was measured before and after it is kept all the same."""
    try:
        yield from run()
    except Exception as error:
        traceback.print_exc()
        yield f"{name}{FAILED} {type(error).__name__}: {' '.join(str(error).split())}."


if __name__ == "__main__":
    main()
