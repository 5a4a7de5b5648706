"""How the cost of each part grows with its sizes, on one thread, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict

import numpy as np

from benchmarks.flow import NOISY, power, world
from benchmarks.flow import OBJECTIVE as FLOW_OBJECTIVE
from benchmarks.in_batch import features, ours
from mmcl import InfoNCE, PairedData, gradient_flow
from mmcl.benchmark import Growth, slope
from mmcl.training import gaussian_weights
from mmcl.training.descent import Descent
from mmcl.training.many import train_many
from mmcl.worlds import CANONICAL

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
Sizes = tuple[int, ...]


def growths(rounds: int, *, quick: bool = False) -> Iterator[Growth]:
    """All slopes, measured by a child that has one thread: more threads for larger sizes would bend the line."""
    command = [sys.executable, "-m", "benchmarks.growth", str(rounds), "quick" if quick else "full"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | ONE_THREAD)
    for line in done.stdout.splitlines():
        stored = json.loads(line)
        yield Growth(**stored | {"sizes": tuple(stored["sizes"]), "values": tuple(stored["values"])})


def _measured(rounds: int, quick: bool) -> Iterator[Growth]:
    less = 4 if quick else 1

    def sizes(*all: int) -> Sizes:
        return tuple(size // less for size in all)

    def of(id: str, work: str, letter: str, at: Sizes, call: Callable[[int], Callable[[], float]],
           cost: Callable[[float], float], formula: str) -> Growth:  # fmt: skip
        calls = [call(size) for size in at]
        for one in calls:
            one()
        values = np.median([[one() for one in calls] for _ in range(rounds)], axis=0)
        expected = slope(at, [cost(size) for size in at])
        return Growth(id, work, letter, at, tuple(map(float, values)), expected, formula)

    yield of("step-n", "a step of `train`, d = 64", "n", sizes(4096, 8192, 16384, 32768), lambda n: _step(n, 64),
             lambda n: 4 * n * 64**2 + 6 * 64**3, "4nd^2+6d^3")  # fmt: skip
    # The formula counts products. Exponentials (nd) and passes over memory (d²) grow more slowly: at d = 512 a step
    # gets through 0.7 times the products a second that it does at 3200, at 832 through 0.9 times as many.
    yield of("step-d", "a step of `train`, n = 512", "d", sizes(832, 1280, 2048, 3200), lambda d: _step(512, d),
             lambda d: 4 * 512 * d**2 + 6 * d**3, "4nd^2+6d^3")  # fmt: skip
    yield of("in-batch-n", "the in-batch loss and gradient, m = 512", "n", sizes(2048, 4096, 8192, 16384),
             lambda n: _batch(n, 512), lambda n: n**2 * 512, "n^2m")  # fmt: skip
    yield of("in-batch-m", "the in-batch loss and gradient, n = 2048", "m", sizes(1024, 2048, 4096, 8192),
             lambda m: _batch(2048 // less, m), lambda m: 2048**2 * m, "n^2m")  # fmt: skip
    yield of("seeds", "a step of `train_many`", "s", sizes(16, 32, 64, 128), _seeds, lambda s: s, "s")
    yield of("flow-r", "the exact flow to the same stage, modalities unlike", "r",
             sizes(10_000, 20_000, 40_000, 80_000), _flow, lambda r: r, "r")  # fmt: skip


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _step(n: int, d: int) -> Callable[[], float]:
    """The time of a step in double precision, without the reduction of the weights before the first: that is longer."""
    data = PairedData(signal_a=np.geomspace(2.0, 1.0, 8), noise_a=0.5, ambient_dim=d)
    weights = gaussian_weights((d, d), 2 * d, rng=np.random.default_rng(0))  # 2d is where the reduced form is largest
    descent = Descent(data, InfoNCE(4.0, 511.0), weights, n, "population")
    rng = np.random.default_rng(1)
    steps = 4 if d < 1000 else 1
    return lambda: _timed(lambda: [descent.step(0.1, rng) for _ in range(steps)]) / steps


def _seeds(count: int, steps: int = 32) -> Callable[[], float]:
    """The time of a step of all: two lengths of run, whose difference is free of start and end."""

    def run(length: int) -> float:
        rngs = np.random.default_rng(0).spawn(count)
        return _timed(
            lambda: train_many(CANONICAL, InfoNCE(4.0, 511.0), rngs=rngs, width=128, step_size=0.1, steps=length,
                               batch_size=512, record_every=10**6, progress=False, dtype=np.float32)
        )  # fmt: skip

    return lambda: (run(1 + steps) - run(1)) / steps


def _batch(n: int, m: int) -> Callable[[], float]:
    inputs = features(n, m)
    return lambda: _timed(lambda: ours(inputs))


def _flow(r: int) -> Callable[[], float]:
    """To the stage that 8 coordinates have reached at t = 20: N² sets the pace, and with it the number of steps."""
    signal = world(r).views.a.signal
    data = PairedData(
        signal, signal[::-1].copy(), noise_a=0.5, ambient_dim=r + NOISY
    )  # unlike, so that none is sampled
    horizon = 20.0 * power(data) / power(world(8))
    return lambda: _timed(lambda: gradient_flow(data, FLOW_OBJECTIVE, [0.0, horizon]))


if __name__ == "__main__":
    for found in _measured(int(sys.argv[1]), sys.argv[2] == "quick"):
        print(json.dumps(asdict(found)), flush=True)
