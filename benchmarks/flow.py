"""The exact flow of many distinct coordinates, against SciPy's integrators on the plain formula."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.in_batch import ROOM, memory_of_the_machine
from benchmarks.timing import Contender, compete, cores, say, seconds
from mmcl import InfoNCE, PairedData, Trajectory, gradient_flow, gradient_flows
from mmcl.benchmark import AT_LEAST, AT_MOST, Cost, Race
from mmcl.coordinates import Coordinates, Samples, choices

COORDINATES, HORIZON, TOLERANCE, PATIENCE = 10**5, 400.0, 1e-8, 120.0
MILLION, WORLDS = 10**6, 100
NOISY = 56  # noise coordinates, as in the canonical world
OBJECTIVE = InfoNCE(4.0, negatives=1.0)
WITHIN = 10.0  # tolerances, of the end's error in alignment and κ
SAMPLED = " The modalities are alike, so ours follows samples of the coordinates and reads off the others."


class Stopped(Exception):
    """A competitor ran out of time."""


def world(r: int) -> PairedData:
    """The canonical world with r signal coordinates, all of different strength."""
    return PairedData(signal_a=np.geomspace(2.0, 1.0, r), noise_a=0.5, ambient_dim=r + NOISY)


def unlike(r: int) -> PairedData:
    """The same, the strengths of B in random order: no few coordinates stand for the others."""
    signal = world(r).views.a.signal
    mixed = np.random.default_rng(0).permutation(signal)
    return PairedData(signal, mixed, noise_a=0.5, ambient_dim=r + NOISY)


def ours(data: PairedData, horizon: float, tolerance: float = TOLERANCE) -> np.ndarray:
    """Alignment and κ at the horizon."""
    found = gradient_flow(data, OBJECTIVE, [horizon], tolerance=tolerance)  # its end alone, as SciPy
    return np.array([found.alignment[-1], found.condition_number[-1]])


def plain(data: PairedData, horizon: float, method: str, rtol: float = TOLERANCE) -> np.ndarray:
    """The same by SciPy, on the 3r + 2 numbers a, b, c, n_A, n_B as theory writes them.

    Raises:
        Stopped: after `PATIENCE` seconds.
    """
    velocity, start = _formula(data)
    deadline = time.perf_counter() + PATIENCE

    def patient(t: float, y: np.ndarray) -> np.ndarray:
        if time.perf_counter() > deadline:
            raise Stopped
        return velocity(t, y)

    found = solve_ivp(patient, (0.0, horizon), start, method, rtol=rtol, atol=rtol, t_eval=[horizon])
    assert found.success, found.message
    r, y = data.signal_dim, found.y[:, -1]
    a, b, c, (n_a, n_b) = y[:r], y[r : 2 * r], y[2 * r : 3 * r], y[3 * r :]
    alignment = c.sum() / np.sqrt((a.sum() + n_a) * (b.sum() + n_b))
    return np.array([alignment, np.sqrt(a.max() / a.min())])


def _formula(data: PairedData) -> tuple[Callable[[float, np.ndarray], np.ndarray], np.ndarray]:
    r"""$\dot a_p,\dot b_p,\dot c_p,\dot n_A,\dot n_B$ and their start; one buffer, so that SciPy is not held up."""
    r, tau2, log_k = data.signal_dim, OBJECTIVE.inverse_temperature, np.log(OBJECTIVE.negatives)
    s_a, s_b = (view.signal**2 for view in data.views)
    x_a, x_b = (float(view.noise[0] ** 2) for view in data.views)
    start = np.concatenate([s_a, s_b, np.zeros(r), [NOISY * x_a, NOISY * x_b]])

    def velocity(_: float, y: np.ndarray) -> np.ndarray:
        a, b, c, (n_a, n_b) = y[:r], y[r : 2 * r], y[2 * r : 3 * r], y[3 * r :]
        N2_a, N2_b = a.sum() + n_a, b.sum() + n_b
        both = np.sqrt(N2_a * N2_b)
        tanh = np.tanh(tau2 * c / both)
        # ∏ (1 + e^{-2x}) / 2 = ∏ 1 / (1 + tanh x)
        odds = np.exp(log_k - np.log1p(tanh).sum())
        g = 2 * odds / (1 + odds) * tau2 * (1 - tanh)
        total = (g @ c) / both
        pull = g * c / both
        out = np.empty_like(y)
        out[:r] = 2 * s_a * (pull - total / N2_a * a)
        out[r : 2 * r] = 2 * s_b * (pull - total / N2_b * b)
        out[2 * r : 3 * r] = g * (s_a * b + s_b * a) / both - total * c * (s_a / N2_a + s_b / N2_b)
        out[3 * r :] = -2 * x_a * total * n_a / N2_a, -2 * x_b * total * n_b / N2_b
        return out

    return velocity, start


def many_coordinates(rounds: int, r: int = COORDINATES) -> Iterator[Race | str]:
    """To the canonical horizon, and to the horizon at which so many coordinates have balanced as far."""
    assert_as_exact()
    data, canonical = world(r), world(8)
    longer = HORIZON * power(data) / power(canonical)
    for name, horizon in (("", HORIZON), ("-scaled", longer)):
        say(f"  flow to t = {horizon:.4g}")
        yield from _against(f"flow{name}", data, horizon, "RK45", rounds if name == "" else 1, promised=name == "")
    yield from _against("flow-unlike", unlike(r), HORIZON, "RK45", rounds, promised=False)
    for small in (8, 100, 1000):
        yield from _against(f"flow-lsoda-{small}", world(small), HORIZON, "LSODA", rounds, promised=False)
    need = 8 * (3 * r + 2) ** 2
    if need > ROOM * memory_of_the_machine():
        yield (
            f"SciPy's LSODA at r = {r:,}: its dense Jacobian alone would hold {need / 1e9:,.0f} GB. It is shown at "
            "r = 8, 100 and 1,000."
        )
    else:
        yield from _against("flow-lsoda", data, HORIZON, "LSODA", 1, promised=False)


def few_values(rounds: int, r: int = MILLION) -> Iterator[Race]:
    """Very many coordinates of eight distinct scales, against eight coordinates, to the same point of the same path."""
    canonical, times = m_fold(1), np.array([0.0, HORIZON])
    large, many = m_fold(r // 8), r // 8
    loss = InfoNCE(OBJECTIVE.inverse_temperature * many, OBJECTIVE.negatives)  # θ is as much smaller
    name = "mmcl.gradient_flow"
    costs = compete(
        {
            "ours": Contender(name, lambda: gradient_flow(large, loss, times * many), managed=True),
            "theirs": Contender(f"{name}, r = 8", lambda: gradient_flow(canonical, OBJECTIVE, times), managed=True),
        },
        rounds,
    )
    yield Race("flow-values", f"the exact flow, r = {r:,} of 8 distinct values, to κ of t = {HORIZON:,.0f} at r = 8",
               **costs, relation=AT_MOST, note="Eight equations with a multiplicity, and θ for all.")  # fmt: skip


def m_fold(m: int) -> PairedData:
    """The canonical world with every coordinate m times."""
    return PairedData(np.tile(world(8).views.a.signal, m), noise_a=0.5, ambient_dim=(8 + NOISY) * m)


def many_worlds(rounds: int, count: int = WORLDS) -> Iterator[Race]:
    """Many temperatures and weights of negatives at once, against one after another."""
    side, times = round(count**0.5), np.linspace(0.0, HORIZON, 41)
    losses = [
        InfoNCE(float(heat), float(K)) for heat in np.geomspace(0.1, 100, side) for K in np.geomspace(1, 1e4, side)
    ]
    canonical = world(8)

    def one_by_one() -> list[Trajectory]:
        return [gradient_flow(canonical, loss, times) for loss in losses]

    pairs = zip(gradient_flows(canonical, losses, times), one_by_one(), strict=True)
    apart = max(float(np.max(np.abs(one.theta - other.theta))) for one, other in pairs)
    assert apart < 1e-7, f"flows at once differ from themselves by {apart:.1e}"
    costs = compete({"ours": Contender("mmcl.gradient_flows", lambda: gradient_flows(canonical, losses, times),
                                       managed=True),
                     "theirs": Contender("gradient_flow, in turn", one_by_one, managed=True)}, rounds)  # fmt: skip
    yield Race(
        "flow-worlds",
        f"{len(losses)} exact flows at once, r = 8, 41 times",
        **costs,
        note=f"Their θ differ by {apart:.0e}.",
    )


def assert_as_exact() -> None:
    """At the same tolerance both end as near to a reference, at 1e-12, as the tolerance says."""
    data = world(1000)
    due = ours(data, HORIZON, 1e-12)
    for found in (ours(data, HORIZON), plain(data, HORIZON, "RK45"), plain(data, HORIZON, "LSODA")):
        error = np.max(np.abs(found / due - 1))
        assert error < WITHIN * TOLERANCE, f"a solver errs by {error:.1e} at a tolerance of {TOLERANCE:.0e}"


def power(data: PairedData) -> float:
    """N² at the start, which sets the pace."""
    return float(np.sum(data.views.a.scales**2))


def _against(id: str, data: PairedData, horizon: float, method: str, rounds: int, *, promised: bool) -> Iterator[Race]:
    coordinates = Coordinates.distinct(data)
    kind = "distinct" if coordinates.alike else "distinct, modalities unlike"
    work = f"the exact flow, r = {data.signal_dim:,} {kind}, to t = {horizon:,.0f}, at {TOLERANCE:.0e}"
    sampled = SAMPLED if isinstance(next(choices(coordinates)), Samples) else ""
    mine, their_name = Contender("mmcl.gradient_flow", lambda: ours(data, horizon), managed=True), f"SciPy {method}"
    ours(world(8), 1.0)  # compiles the formulas
    begun = time.perf_counter()
    try:
        theirs = plain(data, horizon, method)
    except Stopped:
        spent = time.perf_counter() - begun
        own = Cost(mine.name, tuple(seconds(mine.work, cores()) for _ in range(rounds)))
        yield Race(id, work, own, Cost(their_name, (spent,), cores()), bound=3.0 if promised else None,
                   censored=True,
                   note=f"{method} was stopped after {PATIENCE:.0f} s.{sampled}")  # fmt: skip
        costs = {"ours": own}
    else:
        apart = np.max(np.abs(theirs / ours(data, horizon) - 1))
        assert apart < WITHIN * TOLERANCE, f"the two solvers differ by {apart:.1e}"
        other = Contender(their_name, lambda: plain(data, horizon, method), probe=lambda: plain(data, 1.0, method))
        costs = compete({"ours": mine, "theirs": other}, rounds)
        yield Race(id, work, **costs, relation=AT_LEAST, bound=3.0 if promised else None,
                   note=f"Both at a tolerance of {TOLERANCE:.0e}; their ends differ by {apart:.0e}."
                        f"{sampled}")  # fmt: skip
    if promised:
        limit = Cost("the time promised", (5.0,) * len(costs["ours"].values))
        yield Race(f"{id}-limit", work, costs["ours"], limit, AT_MOST, 1.0)
