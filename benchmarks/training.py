"""Training in the canonical world: a run, the full gradient, the width, bare products, many seeds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.plain_loop import DOUBLE, NUMPY, SINGLE, PlainLoop, assert_same_work
from benchmarks.timing import Contender, compete, say
from mmcl import InBatchInfoNCE, InfoNCE, train
from mmcl.benchmark import AT_LEAST, AT_MOST, Cost, Growth, Race
from mmcl.objectives import Objective
from mmcl.pair import Pair
from mmcl.training import gaussian_weights
from mmcl.training.many import train_many
from mmcl.trajectory import Trajectory
from mmcl.worlds import CANONICAL

BATCH, WIDTH, STEP, STEPS, TAU2 = 512, 512, 0.5, 800, 4.0
OBJECTIVE = InfoNCE(TAU2, negatives=BATCH - 1.0)
SAME = InBatchInfoNCE(TAU2)
NAMES = {SINGLE: "float32", DOUBLE: "float64"}
WIDTHS = (64, 256, 1024, 4096, 16384, 65536)
MORE = 1000  # steps between the two lengths of run whose difference is timed, at least
ERROR = 0.01


def start(width: int = WIDTH, seed: int = 0) -> Pair[np.ndarray]:
    """Random weights, the same for every contender."""
    return gaussian_weights((64, 64), width, rng=np.random.default_rng(seed))


def ours(
    weights: Pair[np.ndarray], steps: int, dtype: type, seed: int = 1, loss: Objective = OBJECTIVE, **settings: object
) -> Pair[np.ndarray]:
    """`train` on fresh batches, as a user calls it."""
    run = train(CANONICAL, loss, weights=weights, step_size=STEP, steps=steps, batch_size=BATCH,
                rng=np.random.default_rng(seed), dtype=dtype, progress=False, **settings)  # fmt: skip
    assert run.weights is not None
    return run.weights


def run_of_800_steps(rounds: int, steps: int = STEPS) -> Iterator[Race]:
    """The run itself, in single and in double precision; with the loop's own loss too, which costs more."""
    for dtype in (SINGLE, DOUBLE):
        loop = PlainLoop(CANONICAL, TAU2, BATCH, dtype)
        assert_same_work(PlainLoop(CANONICAL, TAU2, BATCH, DOUBLE), WIDTH)
        weights = start()
        costs = compete(
            {
                "ours": Contender("mmcl.train", lambda w=weights, d=dtype: ours(w, steps, NUMPY[d]), managed=True),
                "same": Contender(
                    "mmcl.train, InBatchInfoNCE", lambda w=weights, d=dtype: ours(w, steps, NUMPY[d], loss=SAME),
                    managed=True,
                ),
                "theirs": Contender(
                    "PyTorch loop, open_clip ClipLoss", lambda w=weights, one=loop: one.run(w, steps, STEP, 1),
                    probe=lambda w=weights, one=loop: one.run(w, 10, STEP, 1),
                ),
            },
            2 * rounds - 1,
        )  # fmt: skip
        work, theirs = f"{steps} steps of the canonical world, width {WIDTH}, {NAMES[dtype]}", costs["theirs"]
        yield Race(
            f"training-{NAMES[dtype]}", work, costs["ours"], theirs, AT_LEAST, 25.0 if dtype is SINGLE else None,
            note="512 fresh anchors a step. Not the same loss: ours has the expectation over K = 511 negatives in "
            "closed form, which costs no scores between pairs; the loop has the 511 others of the batch. Ours is "
            "compiled, the loop runs as PyTorch does by itself.",
        )  # fmt: skip
        yield Race(
            f"training-same-{NAMES[dtype]}", f"{work}, the same loss", costs["same"], theirs, AT_LEAST,
            note="Both have the negatives of the batch; one step of ours is one of the loop to 1e-9 (asserted before).",
        )  # fmt: skip


def full_gradient(rounds: int, batches: int = 400) -> Iterator[Race]:
    """Time to know the full gradient to 1%: batches that are needed, times the time of one."""
    loop, time = PlainLoop(CANONICAL, TAU2, BATCH, SINGLE), 10
    states = {"at the start": start(), "at t = 5": ours(start(), time, np.float64)}
    for place, weights in states.items():
        mean = _mean_gradient(weights)
        theirs = _batches_needed(loop.gradients(weights, batches, seed=2), None)
        need = _batches_needed((_step_gradient(weights, seed) for seed in range(batches // 4)), mean)
        costs = compete(
            {
                "ours": Contender(
                    "mmcl.train, control variates",
                    lambda w=weights: ours(w, 200, np.float32, control_variates=True, record_every=200),
                    per=200.0, managed=True,
                ),
                "theirs": Contender(
                    "PyTorch loop, open_clip ClipLoss", lambda w=weights: list(loop.gradients(w, 20, seed=3)),
                    per=20.0,
                ),
            },
            rounds,
        )  # fmt: skip
        used = max(1.0, need)
        note = (
            f"Ours, with control variates, needs {need:.3g} batches of {BATCH} anchors (one is counted at least), the "
            f"loop, without, {theirs:.4g}, each about its own expectation: most of the ratio is the estimator's. Ours "
            "is timed with the step that follows."
        )
        yield Race(
            f"full-gradient-{place.split()[-1]}", f"full gradient to {ERROR:.0%}, {place}",
            _times(costs["ours"], used), _times(costs["theirs"], max(1.0, theirs)), AT_LEAST, 1000.0, note=note,
        )  # fmt: skip


def _times(cost: Cost, factor: float) -> Cost:
    return Cost(cost.name, tuple(value * factor for value in cost.values), cost.threads)


def _step_gradient(weights: Pair[np.ndarray], seed: int) -> np.ndarray:
    """The gradient that one step of ours follows."""
    after = ours(weights, 1, np.float32, seed=100 + seed, control_variates=True)
    return np.concatenate([((w - v) / STEP).ravel() for w, v in zip(weights, after, strict=True)])


def _mean_gradient(weights: Pair[np.ndarray], count: int = 200) -> np.ndarray:
    """Over many batches of ours, by control variates, in double precision."""
    total = np.zeros(sum(w.size for w in weights))
    for seed in range(count):
        after = ours(weights, 1, np.float64, seed=10_000 + seed, control_variates=True)
        total += np.concatenate([((w - v) / STEP).ravel() for w, v in zip(weights, after, strict=True)])
    return total / count


def _batches_needed(gradients: Iterator[np.ndarray], mean: np.ndarray | None) -> float:
    """The variance of one gradient over its squared mean, in units of the squared error allowed.

    Without a `mean` the sample's own is taken, less the share of the variance that it still contains.
    """
    count, total, square = 0, np.zeros(1), 0.0
    for one in gradients:
        count, total, square = count + 1, total + one, square + one @ one
    own = total / count
    variance = (square - count * (own @ own)) / (count - 1)
    power = own @ own - variance / count if mean is None else mean @ mean
    return float(variance / power) / ERROR**2


def growth_with_width(rounds: int, widths: tuple[int, ...] = WIDTHS) -> Iterator[Growth | Race]:
    """A step at every width: ours must not grow."""
    loop = PlainLoop(CANONICAL, TAU2, BATCH, SINGLE)
    mine, theirs, last = [], [], {}
    for width in widths:
        weights, many = start(width), max(3, min(40, 2**15 // width))
        # Two lengths of run: their difference is free of the one reduction of the weights at the start. That takes the
        # longer the wider they are, and so must the difference, or it is that of two reductions.
        more = max(MORE, width // 8)
        costs = compete(
            {
                "long": Contender(
                    "", lambda w=weights, k=more: ours(w, 100 + k, np.float32, record_every=100 + k), managed=True
                ),
                "short": Contender("", lambda w=weights: ours(w, 100, np.float32, record_every=100), managed=True),
                "theirs": Contender(
                    "PyTorch loop, open_clip ClipLoss", lambda w=weights, k=many: loop.run(w, k, STEP, 1),
                    per=many, probe=lambda w=weights: loop.run(w, 3, STEP, 1),
                ),
            },
            rounds,
        )  # fmt: skip
        step = [(a - b) / more for a, b in zip(costs["long"].values, costs["short"].values, strict=True)]
        last = {"ours": Cost("mmcl.train", tuple(step)), "theirs": costs["theirs"]}
        mine.append(last["ours"].median)
        theirs.append(costs["theirs"].median)
        say(f"  width {width}: {mine[-1] * 1e3:.3f} ms, the loop {theirs[-1] * 1e3:.1f} ms")
    yield Growth("width", "a step of `train`", "m", widths, tuple(mine), 0.0, "m^0")
    yield Growth("width-plain", "a step of the PyTorch loop", "m", widths, tuple(theirs))
    yield Race("widest", f"a step at width {widths[-1]:,}", **last,
               note="Not the same loss, as above. Ours is reduced to the 64 dimensions of the data, so the width does "
               "not enter. The loop's best number of threads is tried at every width.")  # fmt: skip


def bare_products(rounds: int, repeats: int = 40) -> Iterator[Race]:
    """A step of `train` against matrix products alone."""
    for dtype in (SINGLE, DOUBLE):
        kind, rng = NUMPY[dtype], np.random.default_rng(0)
        weights, name = start(), NAMES[dtype]
        x, w, f, s, pull = (
            rng.standard_normal(shape).astype(kind)
            for shape in ((BATCH, 64), (64, WIDTH), (BATCH, WIDTH), (BATCH, BATCH), (BATCH, 64))
        )
        r = rng.standard_normal((64, 64)).astype(kind)

        def weight_form(x=x, w=w, f=f, s=s) -> None:
            for _ in range(repeats):
                x @ w, x @ w, f @ f.T, s @ f, s.T @ f, x.T @ f, x.T @ f

        def exact_form(x=x, w=w, f=f, pull=pull) -> None:
            for _ in range(repeats):  # per direction: f = xW, U = f K', pulls on f and K', x' pull
                for _ in range(2):
                    x @ w, f @ w.T, pull @ w, pull.T @ f, x.T @ f

        def reduced(x=x, r=r, pull=pull) -> None:
            for _ in range(repeats):
                x @ r, x @ r, x.T @ pull, x.T @ pull, r @ r, r @ r, r @ r, r @ r

        torches = {"weights": weight_form, "exact": exact_form, "reduced": reduced}
        named = {
            "weights": "7 products of weights and scores", "exact": "10 products of weights, no scores",
            "reduced": "its own 8 products",
        }  # fmt: skip
        costs = compete(
            {
                "ours": Contender(
                    "mmcl.train", lambda w=weights, k=kind: ours(w, 400, k, record_every=400), per=400.0, managed=True
                ),
                **{key: Contender(named[key], work, per=repeats) for key, work in torches.items()},
            },
            rounds,
        )
        for key in torches:
            bound = None if key == "reduced" else 2.0
            note = {
                "weights": "In weight form, in NumPy: xW and its backward product for both modalities, the scores and "
                "the two products that carry their gradient back.",
                "exact": "The same without scores, for exact negatives: five products a direction.",
                "reduced": "What the reduced form would multiply. The four with signs are looked up instead, which "
                "is quicker; drawing signs, tanh and log-cosh add to it.",
            }[key]  # fmt: skip
            yield Race(f"bare-{key}-{name}", f"a step of `train` against {named[key]}, {name}", costs["ours"],
                       costs[key], AT_MOST, bound, note=note if dtype is SINGLE else "")  # fmt: skip


def many_seeds(rounds: int, seeds: int = 32, steps: int = STEPS) -> Iterator[Race]:
    """Many seeds in one call, a seed's share against the time of one alone."""
    settings: dict[str, Any] = {"step_size": STEP, "batch_size": BATCH, "width": WIDTH, "progress": False}
    for dtype, name in ((np.float32, "float32"), (np.float64, "float64")):

        def together(count: int = steps, dtype: type = dtype) -> list[Trajectory]:
            rngs = np.random.default_rng(0).spawn(seeds)
            return train_many(CANONICAL, OBJECTIVE, rngs=rngs, steps=count, record_every=count, dtype=dtype, **settings)

        def alone(count: int = steps, dtype: type = dtype) -> Trajectory:
            rng = np.random.default_rng(0).spawn(1)[0]
            return train(CANONICAL, OBJECTIVE, rng=rng, steps=count, record_every=count, dtype=dtype, **settings)

        apart = float(np.max(np.abs(together(5)[0].theta - alone(5).theta)))
        assert apart < (1e-5 if dtype is np.float32 else 1e-10), f"one seed of many differs from itself by {apart:.1e}"
        costs = compete(
            {
                "ours": Contender("mmcl.train_many", together, per=float(seeds), managed=True),
                "theirs": Contender("mmcl.train", alone, managed=True),
            },
            2 * rounds - 1,
        )
        yield Race(
            f"seeds-{name}", f"a seed of {seeds} at once, {steps} steps, against one alone, {name}", **costs,
            relation=AT_MOST, bound=0.5, note="" if dtype is np.float64 else "Each seed has weights, batches and "
            "results of its own: those of `train`, to round-off (asserted before).",
        )  # fmt: skip
