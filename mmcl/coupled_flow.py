r"""The exact flow of any loss of the shares (α, β, θ), separable or not.

The state is logarithmic: $\log a_p,\log b_p$, the angle $w_p$ with $\tanh w_p=c_p/\sqrt{a_pb_p}$, and the logarithm of
one noise coordinate's mass for each distinct scale. Nothing cancels in it, however late.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from scipy.special import expit

from mmcl.data import PairedData
from mmcl.family import Coupled, NTXent
from mmcl.force_flow import lsoda
from mmcl.pair import Pair
from mmcl.share_potentials import Shares, slopes
from mmcl.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class CoupledFlow:
    r"""The equations of motion of one loss in one world.

    .. math:: \dot a_p = 2\sigma_{A,p}^2\Big(\frac{(2G_p-M_A)\,a_p}{N_A^2}+\frac{g_pc_p}{N_AN_B}\Big),\qquad
              \dot w_p = \frac{g_p}{N_AN_B}\Big(\sigma_{A,p}^2\sqrt{b_p/a_p}+\sigma_{B,p}^2\sqrt{a_p/b_p}\Big)

    with $G_j=-\partial L/\partial\alpha_j$, $g_p=-\partial L/\partial\theta_p$ and
    $M_A=2\sum_jG_j\alpha_j+\sum_pg_p\theta_p$, the sum over noise coordinates included; noise follows $\dot a$ without
    $g$, and B is alike.

    Source: derived in the chapter "A family of losses".

    Attributes:
        data: the world.
        objective: Sigmoid, AlignmentUniformity or NTXent.
    """

    data: PairedData
    objective: Coupled

    @cached_property
    def squares(self) -> Pair[Array]:
        r"""$\sigma_{A,p}^2,\sigma_{B,p}^2$, in units of the largest of each modality: it changes nothing else."""
        return Pair(*((view.signal / unit) ** 2 for view, unit in zip(self.data.views, self.units, strict=True)))

    @cached_property
    def units(self) -> Pair[float]:
        """The largest scale of each modality."""
        return Pair(*(float(view.scales.max()) for view in self.data.views))

    @cached_property
    def noises(self) -> Pair[tuple[Array, Array]]:
        """The distinct squared noise scales above zero, and how many coordinates have each."""
        own = zip(self.data.views, self.units, strict=True)
        return Pair(*(np.unique((view.noise[view.noise > 0] / unit) ** 2, return_counts=True) for view, unit in own))

    @property
    def start(self) -> Float[Array, " n"]:
        """Orthogonal rows of unit length."""
        (s_a, s_b), (x_a, x_b) = self.squares, (square for square, _ in self.noises)
        return np.concatenate([np.log(s_a), np.log(s_b), np.zeros_like(s_a), np.log(x_a), np.log(x_b)])

    def split(self, y: Float[Array, " n"]) -> tuple[Array, ...]:
        """$\\log a,\\log b,w$ and the two logarithms of the noise."""
        r, n = self.data.signal_dim, len(self.noises.a[0])
        return tuple(np.split(y, [r, 2 * r, 3 * r, 3 * r + n]))

    def shares(self, y: Float[Array, " n"]) -> tuple[Shares, Pair[float]]:
        """What the loss sees, and $N_A^2,N_B^2$."""
        log_a, log_b, w, *log_noise = self.split(y)
        a, b, noise = np.exp(log_a), np.exp(log_b), Pair(*map(np.exp, log_noise))
        counts = Pair(*(count for _, count in self.noises))
        N2 = Pair(*(float(x.sum() + k @ n) for x, k, n in zip((a, b), counts, noise, strict=True)))
        theta = np.exp((log_a + log_b) / 2) * np.tanh(w) / np.sqrt(N2.a * N2.b)
        return Shares(a / N2.a, b / N2.b, theta, Pair(*(n / N for n, N in zip(noise, N2, strict=True))), counts), N2

    def velocity(self, _: float, y: Float[Array, " n"]) -> Float[Array, " n"]:
        """The derivative of the state."""
        (at, N2), (s_a, s_b) = self.shares(y), self.squares
        found = slopes(self.objective, at)
        total = found.theta @ at.theta
        log_a, log_b, w = self.split(y)[:3]
        odds, N = np.exp((log_b - log_a) / 2), np.sqrt(N2.a * N2.b)
        grown, faded = [], []
        for i, (own, share) in enumerate(((found.alpha, at.alpha), (found.beta, at.beta))):
            square, ratio = (s_a, odds) if i == 0 else (s_b, 1 / odds)
            M = 2 * (own @ share + at.counts[i] @ (found.noise[i] * at.noise[i])) + total
            grown.append(2 * square * ((2 * own - M) / N2[i] + found.theta * ratio * np.tanh(w) / N))
            faded.append(2 * self.noises[i][0] * (2 * found.noise[i] - M) / N2[i])
        return np.concatenate([*grown, found.theta * (s_a * odds + s_b / odds) / N, *faded])

    def row(self, y: Float[Array, " n"]) -> dict[str, object]:
        """The state as a row of the record."""
        at, _ = self.shares(y)
        log_a, log_b, w = self.split(y)[:3]
        shared = isinstance(self.objective, NTXent)
        theta = at.alpha if shared else at.theta
        unit = max(self.units)
        u_a, u_b = (own / unit for own in self.units)
        k_a, k_b = u_a * np.exp(log_a / 2), u_b * np.exp(log_b / 2)
        apart = (k_a - k_b) ** 2 + 4 * k_a * k_b * expit(-2 * w)
        with np.errstate(over="ignore"):  # in units as large as 1e300 a square is infinite
            apart = unit * (unit * apart)
        return {
            "alignment": theta.sum(),
            "condition_number": np.exp(np.ptp(log_a) / 2),
            "condition_number_b": np.exp(np.ptp(log_b) / 2),
            "theta": theta,
            "noise_share": np.array([k @ n for k, n in zip(at.counts, at.noise, strict=True)]),
            "misalignment": np.zeros_like(apart) if shared else apart / 4,
            "loss": slopes(self.objective, at).loss,
            "inverse_temperature": getattr(self.objective, "inverse_temperature", np.nan),
        }


def coupled_flow(data: PairedData, objective: Coupled, times: Float[Array, " T"], tolerance: float) -> Trajectory:
    """The flow at `times`: what `gradient_flow` returns for a loss that is not separable in θ.

    Raises:
        ValueError: if NTXent, which has one encoder, meets two modalities of different scales.
        ArithmeticError: if the flow cannot be followed.
    """
    one_encoder(data, objective)
    system = CoupledFlow(data, objective)
    records = [system.row(y) for y in lsoda(system.velocity, system.start, times, tolerance, tolerance)]
    return Trajectory(time=times, **{name: np.array([row[name] for row in records]) for name in records[0]})  # type: ignore[arg-type]


def one_encoder(data: PairedData, objective: object) -> None:
    """Refuse a loss with one encoder where the two modalities are not two augmentations of one thing."""
    a, b = data.views
    if isinstance(objective, NTXent) and not (
        np.array_equal(a.scales, b.scales) and np.array_equal(a.mixing, b.mixing)
    ):
        raise ValueError(
            "`data` must have two modalities of the same scales and axes for NTXent, which has one encoder; "
            "got two that differ."
        )
