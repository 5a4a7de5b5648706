r"""The exact flow at infinite width.

In the limit the weights of every coordinate stay orthogonal to all others, and gradient flow closes on the lengths
and angles of the pairs $(k_{A,p},k_{B,p})$.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from mmcl import checks
from mmcl.coordinates import Coordinates, Samples, Unresolved, choices
from mmcl.coupled_flow import coupled_flow
from mmcl.course import Held, Stretch
from mmcl.data import PairedData
from mmcl.extrapolation import integrate
from mmcl.family import Coupled, Family, Separable, Spectral
from mmcl.flow_system import FlowSystem
from mmcl.force_flow import force_flow
from mmcl.forces import LatentForce
from mmcl.latents import Signs
from mmcl.objectives import InfoNCE, PositiveOnly
from mmcl.temperature import AnnealedTemperature, LearnedTemperature, StagewiseTemperature, Temperature
from mmcl.trajectory import Trajectory

ROUND_OFF = 64 * np.finfo(float).eps  # of a Chebyshev coefficient, in units of the largest value


def gradient_flow(
    data: PairedData,
    objective: InfoNCE | PositiveOnly | Family,
    times: ArrayLike,
    *,
    temperature: Temperature | None = None,
    tolerance: float = 1e-9,
) -> Trajectory:
    r"""Gradient flow of the population loss at infinite width, exactly.

    .. math:: \dot a_p = 2\sigma_{A,p}^2\Big(\frac{g_pc_p}{N_AN_B}-\frac{\Lambda a_p}{N_A^2}\Big),\quad
              \dot c_p = \frac{g_p(\sigma_{A,p}^2b_p+\sigma_{B,p}^2a_p)}{N_AN_B}
              -\Lambda c_p\Big(\frac{\sigma_{A,p}^2}{N_A^2}+\frac{\sigma_{B,p}^2}{N_B^2}\Big),\quad
              \dot n_A = -\frac{2\sigma_{\xi,A}^2\Lambda n_A}{N_A^2},

    and likewise for B, with $\theta_p=c_p/(N_AN_B)$, the force $g_p=-\partial L/\partial\theta_p$ and
    $\Lambda=\sum_pg_p\theta_p$. The cost is linear in the number of distinct coordinates; of very many, in modalities
    that are alike, some are followed and the others read off, see `mmcl.coordinates`.

    Source: derived in the chapters "The dynamics, derived" and "An exactly solvable model".

    Args:
        data: the world.
        objective: InfoNCE, PositiveOnly or one of `mmcl.family`; for a loss on finite batches its limit,
            ``.population(n)``.
        times: gradient-flow times, increasing, from 0 on, shape (T,).
        temperature: how τ² moves from the objective's on: learned, or on a schedule; None: not at all.
        tolerance: local error allowed, relative to the lengths; 1e-9 leaves errors of about 1e-8 in the results.

    Returns:
        The `Trajectory` at `times`.

    Raises:
        TypeError, ValueError: on a world, an objective or times that do not fit.
        ArithmeticError: if the flow cannot be followed, naming the time.
    """
    data = checks.kind(data, PairedData, "`data`")
    t, tolerance = checks.times(times), checks.between(tolerance, "`tolerance`", 1e-13, 1e-2)
    if isinstance(objective, Family):
        checks.kind(data.latents, Signs, "`data.latents`")
    if isinstance(objective, Coupled):
        if temperature is not None:
            raise TypeError(f"`temperature` must be left out for {type(objective).__name__}, where it is held.")
        return coupled_flow(data, objective, t, tolerance)
    if isinstance(objective, InfoNCE) and not isinstance(data.latents, Signs):
        if temperature is not None:
            raise TypeError(f"`temperature` must be left out in a world of other latents than signs, {data.latents!r}.")
        return force_flow(data, LatentForce(objective, data.latents, data.signal_dim), t, tolerance=tolerance / 10)
    stretches = list(_stretches(objective, temperature))
    for coordinates in choices(Coordinates.distinct(data)):
        system = FlowSystem.of(data, objective, coordinates=coordinates)
        try:
            rows = _followed(system, coordinates, stretches, t, tolerance)
            break
        except Unresolved:
            continue
    return record(objective, t, rows)


def record(objective: object, t: Float[Array, " T"], rows: list[dict[str, Any]]) -> Trajectory:
    """The rows as a `Trajectory`."""
    series: dict[str, Any] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    if isinstance(objective, PositiveOnly | Spectral):
        series["inverse_temperature"][:] = np.nan
    return Trajectory(time=t, **series)


def _followed(
    system: FlowSystem,
    coordinates: Coordinates | Samples,
    stretches: list[Stretch],
    t: Float[Array, " T"],
    tolerance: float,
) -> list[dict[str, Any]]:
    """The rows of the record, along one stretch of the temperature after another.

    Raises:
        Unresolved: if the samples of coordinates that the system is solved on do not suffice.
    """
    now, state = 0.0, None
    rows: list[dict[str, Any]] = []
    for until, course, ceiling in stretches:
        system = replace(system, course=course)
        watch = _watch(system, coordinates, tolerance)
        state = system.start if state is None else np.append(state[:-1], course.start(now))
        ends = [until] if until <= t[-1] else []
        pending = t[len(rows) :]
        wanted = np.array([*pending[pending < until], *ends])
        begun = now
        for target, y in zip(wanted, integrate(system, state, wanted - begun, tolerance, watch), strict=True):
            if y[-1] > ceiling:
                now, state = _reached(system, (now, state), target, ceiling, tolerance)
                break
            if target < until:
                rows.append(row(system, coordinates, y))
            now, state = target, y
        if len(rows) == len(t):
            break
    return rows


def _watch(
    system: FlowSystem, samples: Coordinates | Samples, tolerance: float
) -> Callable[[Float[Array, " n"]], None] | None:
    """Refuses a state whose samples leave more open than the tolerance; nothing to watch on the coordinates themselves.

    The logarithms of the lengths are asked for themselves, φ for its sum (whose exponential the force is), and what
    else is summed relative to its mean.
    """
    if not isinstance(samples, Samples):
        return None
    count = samples.weights.sum()

    def watch(y: Float[Array, " n"]) -> None:
        at = system.point(y)
        phi, _ = system.objective.phi(at.theta, np.exp(at.log_tau2))
        a, b, _ = at.lengths
        values = np.array([at.v, at.delta, phi * count, a, b, at.pull * at.theta])
        scale = np.array([1.0, 1.0, 1.0, *np.abs(values[3:] @ samples.weights) / count])
        allowed = np.maximum(tolerance * scale, ROUND_OFF * np.abs(values).max(axis=1))
        if not (samples.tails(values) <= allowed).all():
            raise Unresolved

    return watch


def _stretches(objective: InfoNCE | PositiveOnly | Separable, temperature: Temperature | None) -> Iterator[Stretch]:
    if temperature is None:
        yield Stretch(np.inf, Held(np.log(getattr(objective, "inverse_temperature", 1.0))))
        return
    kinds = (LearnedTemperature, StagewiseTemperature, AnnealedTemperature)
    temperature = checks.kind(temperature, kinds, "`temperature`")
    if isinstance(objective, PositiveOnly | Spectral):
        name = type(objective).__name__
        raise TypeError(f"`temperature` must be left out for {name}, which has none to move.")
    yield from temperature.stretches(objective.inverse_temperature)


def _reached(
    system: FlowSystem, before: tuple[float, Array], after: float, ceiling: float, tolerance: float
) -> tuple[float, Array]:
    """When, and in which state, e reaches the ceiling between two times."""
    time, state = before
    if state[-1] >= ceiling:
        return before
    # A walk in growing steps first: beyond the ceiling the flow stiffens, and every try of the search starts afresh.
    walk, below = (after - time) * np.geomspace(1e-12, 1.0, 121), 0.0
    for h, y in zip(walk, integrate(system, state, walk, tolerance), strict=True):
        if y[-1] >= ceiling:
            break
        below, state = h, y

    def later(h: float) -> Array:
        return next(integrate(system, state, np.array([h]), tolerance))

    width = h - below
    if width == 0 or later(width)[-1] <= ceiling:  # reached, to within the tolerance
        return time + h, y
    found = brentq(lambda h: later(h)[-1] - ceiling, 0.0, width, xtol=1e-12 * after, rtol=1e-12)
    return time + below + found, later(found)


def row(system: FlowSystem, coordinates: Coordinates | Samples, y: Float[Array, " n"]) -> dict[str, Any]:
    """The state, on these coordinates, as a row of the record."""
    if isinstance(coordinates, Samples):
        v_delta = coordinates.at_all(y[:-3].reshape(2, -1))
        coordinates, y = coordinates.world, np.concatenate([v_delta.ravel(), y[-3:]])
        system = system.on(coordinates)
    with np.errstate(over="ignore", invalid="ignore"):  # of a force beyond the floats, which a row does not hold
        at = system.point(y)
    a, b, _ = at.lengths
    return {
        "alignment": system.weights @ at.theta,
        "condition_number": np.sqrt(a.max() / a.min()),
        "condition_number_b": np.sqrt(b.max() / b.min()),
        "theta": coordinates.everywhere(at.theta),
        "noise_share": np.array([mass.sum() for mass in at.noise]) / at.norms,
        "misalignment": coordinates.everywhere(system.misalignment(at)),
        "loss": float(system.objective.outer(at.potential)),
        "inverse_temperature": np.exp(at.log_tau2),
    }
