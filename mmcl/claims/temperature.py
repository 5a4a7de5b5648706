"""Claims: which temperature pulls hardest, how long each waits for balance, and what a schedule buys."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import ndarray as Array
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline

from mmcl.claims.balancing import BALANCED, balancing_time
from mmcl.claims.claim import Check, Evidence, Run, at_least, at_most, claim, close
from mmcl.claims.clock import clocks
from mmcl.claims.plain_flow import PlainFlow
from mmcl.data import PairedData
from mmcl.flow import gradient_flow
from mmcl.objectives import InfoNCE
from mmcl.optimum import optimal_temperatures
from mmcl.relaxation import relaxation_rates
from mmcl.temperature import AnnealedTemperature, StagewiseTemperature, Temperature
from mmcl.trajectory import Trajectory
from mmcl.worlds import CANONICAL

#: Two coordinates have one imbalance.
PAIRED = PairedData(signal_a=(1.5, 1.0), noise_a=0.5, ambient_dim=4)
EVEN = PairedData(signal_a=np.ones(8), noise_a=0.5, ambient_dim=10)
TEMPERATURES = np.concatenate([np.geomspace(0.1, 12, 9), np.geomspace(18, 150, 9)])  # of the map
PLACES = 6  # of the map that runs of their own are held against
DONE = 0.95  # the alignment that a run must reach, besides κ ≤ 1.1, to be done


@claim(
    id="optimal-temperatures",
    statement="Between symmetric modalities stage two has two best temperatures: noise and misalignment fade fastest "
    "at one, imbalance at another. With many negatives they are $\\tau^2=0.639\\,r$ and $1.200\\,r$; with few "
    "both are lower.",
    source="ours",
    chapter="temperature",
)
def optimal(plain: Callable[..., PlainFlow] = PlainFlow) -> Evidence:
    """The closed conditions against how fast the plain equations return to balance at neighbouring temperatures."""
    checks: list[Check] = []
    reason = "a polynomial of degree 4 through rates at five temperatures within a tenth of the best"
    for world, K, shown in ((PAIRED, 1.0, "1"), (PAIRED, 1e9, "10⁹"), (EVEN, 1.0, "1")):
        best = optimal_temperatures(world.signal_dim, K)
        for name, due in (("alignment", best.alignment), ("balance", best.balance)):
            around = due * np.linspace(0.9, 1.1, 5)
            rates = [_return_rate(plain(world, InfoNCE(tau2, negatives=K)), name) for tau2 in around]
            found = _peak(around, np.array(rates))
            label = f"r = {world.signal_dim}, K = {shown}: τ² at which the end of {name} is fastest"
            checks.append(close(label, due, found, rel=1e-3, reason=reason))
    r = 8
    weights = np.geomspace(0.1, 1e8, 200)
    curves = [optimal_temperatures(r, K) for K in weights]
    table = {
        "K": weights,
        "alignment": np.array([x.alignment for x in curves]) / r,
        "balance": np.array([x.balance for x in curves]) / r,
    }
    return Evidence(tuple(checks), table)


def _return_rate(plain: PlainFlow, what: str) -> float:
    """The rate at which a little noise, or a little imbalance, decays near the balanced point."""
    r, y = plain.data.signal_dim, plain.balanced
    if what == "balance":
        y[: 3 * r] *= np.tile([1 + 1e-4, 1 - 1e-4], 3 * r // 2)  # one mode: of two coordinates, or of equal ones
    else:
        y[3 * r :] = 1e-4
    slowest = relaxation_rates(plain.data, plain.objective).slowest
    times = np.linspace(0, 0.5, 6) / slowest
    solved = solve_ivp(lambda _, y: plain.velocity(y), (0, times[-1]), y, "LSODA", times, rtol=1e-11, atol=1e-15)
    masses = plain.split(solved.y)
    left = np.ptp(masses.c, axis=0) if what == "balance" else masses.n_a[0]
    return float(-np.polyfit(times, np.log(left), 1)[0])


def _peak(places: Array, heights: Array) -> float:
    """Where the polynomial through the points is highest."""
    centre, width = places.mean(), np.ptp(places) / 2
    slopes = np.polyder(np.polyfit((places - centre) / width, heights / heights.max(), 4))
    inside = [root.real for root in np.roots(slopes) if abs(root.imag) < 1e-9 and abs(root.real) < 1.5]
    return float(centre + width * min(inside, key=abs)) if inside else float("nan")


@claim(
    id="wait-map",
    statement="One path for each temperature gives the time to balance at every weight $K$ of the negatives: the map "
    "of waiting times over $(\\tau^2,K)$ needs no further run.",
    source="ours",
    chapter="temperature",
)
def waits(flow: Run = gradient_flow) -> Evidence:
    """The map from the two clocks of each path, and runs of their own at random places of it."""
    tau2, K = TEMPERATURES, np.geomspace(0.01, 1e6, 49)
    balance, alignment = (np.empty((len(K), len(tau2))) for _ in range(2))
    for column, value in enumerate(tau2):
        balance[:, column], alignment[:, column] = waiting_times(float(value), K, flow)
    rng = np.random.default_rng(80)
    checks = []
    for _ in range(PLACES):
        value, weight = 10 ** rng.uniform(-0.5, 1.5), 10 ** rng.uniform(-1, 4)
        due = float(waiting_times(value, np.array([weight]), flow)[0][0])
        run = balancing_time(InfoNCE(value, negatives=weight), flow)
        reason = "splines through 120 points of the path and more, and an integrator at 1e-9"
        checks.append(
            close(f"τ² = {value:.3g}, K = {weight:.3g}: time to κ = {BALANCED}", due, run, rel=1e-4, reason=reason)
        )
    return Evidence(tuple(checks), {"tau2": tau2, "K": K, "balance": balance, "alignment": alignment})


def waiting_times(tau2: float, K: Array, flow: Run = gradient_flow) -> tuple[Array, Array]:
    r"""When κ = 1.1 and the alignment 0.9 are reached, for each K, from the path of K = 1 alone: $t=t_{DCL}+J/K$.

    NaN for what the path does not reach before t = 1e10.
    """
    coarse = np.geomspace(1e-2, 1e10, 80)
    first = flow(CANONICAL, InfoNCE(tau2), coarse, tolerance=1e-5)  # to know where to look closely
    marks = [_around(coarse, rising, level) for rising, level in _rising(first)]
    seen = [mark for mark in marks if mark is not None]
    if not seen:
        return np.full_like(K, np.nan), np.full_like(K, np.nan)
    ways = [np.geomspace(coarse[0], max(late for _, late in seen), 120), *(np.linspace(*mark, 16) for mark in seen)]
    path = flow(CANONICAL, InfoNCE(tau2), np.unique(np.concatenate([[0.0], *ways])))
    bare, weighted = clocks(path, tau2)
    found = []
    for mark, (rising, level) in zip(marks, _rising(path), strict=True):
        if mark is None:
            found.append(np.full_like(K, np.nan))
            continue
        here = (mark[0] <= path.time) & (path.time <= mark[1])
        reached = CubicSpline(path.time[here], rising[here]).solve(level, extrapolate=False)[-1]
        at = [float(CubicSpline(path.time, clock)(reached)) for clock in (bare, weighted)]
        found.append(at[0] + at[1] / K)
    return found[0], found[1]


def _rising(path: Trajectory) -> tuple[tuple[Array, float], ...]:
    """What must rise through which level: minus κ, and the alignment."""
    return (-path.condition_number, -BALANCED), (path.alignment, 0.9)


def _around(times: Array, rising: Array, level: float) -> tuple[float, float] | None:
    """The two of `times` between which `rising` passes the level for good; None if it ends below."""
    last = int(np.flatnonzero(rising < level)[-1])
    return (float(times[last]), float(times[last + 1])) if last + 1 < len(times) else None


SCHEDULES: dict[str, tuple[float, Temperature | None]] = {
    "constant, small": (1.0, None),
    "constant, best": (4.0, None),
    "constant, 3": (3.0, None),
    "constant, 5": (5.0, None),
    "constant, large": (16.0, None),
    "stages, up": (1.0, StagewiseTemperature((100.0,), (4.0,))),
    "stages, up from 2": (2.0, StagewiseTemperature((100.0,), (4.0,))),
    "linear, up": (1.0, AnnealedTemperature(4.0, 400.0)),
    "cosine, up": (1.0, AnnealedTemperature(4.0, 400.0, cosine=True)),
    "stages, down": (16.0, StagewiseTemperature((30.0,), (4.0,))),
    "stages, down from 8": (8.0, StagewiseTemperature((50.0,), (4.0,))),
    "linear, down": (16.0, AnnealedTemperature(4.0, 30.0)),
    "down too late": (16.0, StagewiseTemperature((300.0,), (4.0,))),
}
SOONER = ("stages, down", "stages, down from 8", "linear, down")


@claim(
    id="schedules",
    statement="In the canonical world $\\tau^2=4$ is the best of the constants tried. Of the schedules tried, those "
    "that begin below it are done, aligned and balanced, later; those that begin far above and soon come down to it, "
    "a little sooner.",
    source="ours",
    chapter="temperature",
)
def schedules(flow: Run = gradient_flow) -> Evidence:
    """When each schedule is done, on the flow."""
    times = np.concatenate([[0.0], np.geomspace(0.5, 3e4, 2000)])
    curves: dict[str, Array] = {"time": times}
    done: dict[str, float] = {}
    for name, (start, temperature) in SCHEDULES.items():
        path = flow(CANONICAL, InfoNCE(start), times, temperature=temperature)
        done[name] = _done(path)
        curves |= {f"{name} kappa": path.condition_number, f"{name} tau2": path.inverse_temperature}
        curves[f"{name} done"] = np.array(done[name])
    best = done.pop("constant, best")
    reason = "one percent; between times half a percent apart a crossing is read off to a tenth of that"
    checks = [
        at_most(f"{name}: time until done, over that of τ² = 4", 0.99, time / best, reason=reason)
        if name in SOONER
        else at_least(f"{name}: time until done, over that of τ² = 4", 1.01, time / best, reason=reason)
        for name, time in done.items()
    ]
    return Evidence(tuple(checks), curves)


def _done(path: Trajectory) -> float:
    """When κ ≤ 1.1 and alignment ≥ 0.95 hold for good."""
    return max(_for_good(path.time, -path.condition_number, -BALANCED), _for_good(path.time, path.alignment, DONE))


def _for_good(time: Array, rising: Array, level: float) -> float:
    """When `rising` passes the level for the last time; infinite if it ends below."""
    below = np.flatnonzero(rising < level)[-1:]
    if below.size and below[0] + 1 == len(time):
        return float("inf")
    here = slice(below[0], below[0] + 2) if below.size else slice(0, 1)
    return float(np.interp(level, rising[here], time[here]))
