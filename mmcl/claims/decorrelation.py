"""Claims: methods that reconstruct, or that ask for variance and decorrelation, in the place of negatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy import ndarray as Array

from mmcl.claims.claim import Check, Evidence, Run, at_most, claim, close, zero
from mmcl.claims.summary import dots, drawn, summary
from mmcl.data import PairedData
from mmcl.methods import BarlowTwins, MaskedReconstruction, VICReg, train_method
from mmcl.methods.ends import barlow_end, vicreg_end
from mmcl.methods.reconstruction import reconstruction_flow
from mmcl.pair import Pair
from mmcl.training.initial import gaussian_weights, orthonormal_weights
from mmcl.trajectory import Trajectory
from mmcl.worlds import CANONICAL

STARTS = (1.0, 0.1)  # lengths of the rows at the start of reconstruction
DONE = 1.0  # when the reconstruction's runs are judged
FINE = np.concatenate([[0.0], np.geomspace(1e-3, DONE, 160)])
NOISY = PairedData(signal_a=(1.5, 1.0), noise_a=1.0, ambient_dim=10)


class Setting(NamedTuple):
    """A run from random weights."""

    method: VICReg | BarlowTwins
    world: PairedData
    width: int
    step_size: float
    steps: int


VICREG = {
    "VICReg": Setting(VICReg(), CANONICAL, 16, 0.004, 2500),
    "VICReg, λ = 0.2": Setting(VICReg(0.2, 4.0, 1.0), NOISY, 8, 0.02, 3000),
}
BARLOW = {
    "Barlow Twins": Setting(BarlowTwins(), CANONICAL, 128, 0.1, 1000),
    "Barlow Twins, λ = 0.05": Setting(BarlowTwins(0.05), CANONICAL, 32, 0.1, 1000),
}
SETTLED = "descent in finite steps, and what is left to decay; the bar is chosen, a hundredth of the noise that is kept"
CLOSE = 1e-3  # in noise share and alignment


@claim(
    id="masked-reconstruction",
    statement="Linear masked reconstruction learns coordinate by coordinate and then stops, at "
    "$\\kappa=\\sigma_1/\\sigma_r$ "
    "again. It never removes noise and never quite aligns: only a small start makes both small.",
    source="ours; after He et al. (2022) and Saxe et al. (2014)",
    chapter="non-contrastive",
)
def reconstruction(flow: Run = reconstruction_flow, descend: Run = train_method) -> Evidence:
    """Trained towers from long and from short rows, beside the closed flow; and the flow's end."""
    checks: list[Check] = []
    curves: dict[str, Array] = {"time": FINE}
    signal, noise = np.sum(CANONICAL.views.a.signal**2), np.sum(CANONICAL.views.a.noise**2)
    for s in STARTS:
        due, end = flow(CANONICAL, FINE, start_scale=s), flow(CANONICAL, [0.0, 8.0], start_scale=s)
        coarse, fine = (_reconstructed(descend, s, step) for step in (0.002, 0.001))
        N2 = np.sqrt(1 + s**4) * signal + s**2 * noise
        late = "the flow's error, and what is left to decay"
        halved = "halving the step removes its first order; its second is below the square of 1%"
        checks += [
            close(f"s = {s:g}: κ at the end", 2.0, end.condition_number[-1], rel=1e-6, reason=late),
            close(f"s = {s:g}: alignment at the end", signal / N2, end.alignment[-1], rel=1e-6, reason=late),
            close(
                f"s = {s:g}: noise share at the end", s**2 * noise / N2, end.noise_share[-1, 0], rel=1e-6, reason=late
            ),
            *(
                close(
                    f"s = {s:g}: {name} of trained towers at t = {DONE:g}",
                    predicted[-1],
                    2 * getattr(fine, attribute)[-1] - getattr(coarse, attribute)[-1],
                    rel=1e-3,
                    reason=halved,
                )
                for name, attribute, predicted in (
                    ("κ", "condition_number", due.condition_number),
                    ("alignment", "alignment", due.alignment),
                )
            ),
        ]
        method = f"masked reconstruction, s = {s:g}"
        curves |= drawn(method, due) | dots(method, fine)
        curves[f"{method} end"] = np.array([signal / N2, 2.0, np.nan, s**2 * noise / N2])
        curves |= {f"{method} summary": summary(fine), f"{method} predicted": summary(due)}
    return Evidence(tuple(checks), curves)


def _reconstructed(descend: Run, s: float, step_size: float) -> Trajectory:
    rows = orthonormal_weights((64, 64), 128, rng=np.random.default_rng(93))
    steps = round(DONE / step_size)
    weights = Pair(*(s * w for w in rows))
    return descend(
        CANONICAL, MaskedReconstruction(), weights=weights, step_size=step_size, steps=steps, record_every=steps // 100
    )


@claim(
    id="variance-floor",
    statement="VICReg balances: its price on covariance is strictly convex in the spectrum, as negatives are. It "
    "removes noise if $\\lambda\\ge2\\nu/r$; below, it keeps a share that has a closed form.",
    source="ours; the method is that of Bardes et al. (2022)",
    chapter="non-contrastive",
)
def variance_floor(descend: Run = train_method) -> Evidence:
    """VICReg from random weights on either side of λ = 2ν/r, beside its optimum."""
    return _beside_optimum(descend, VICREG)


@claim(
    id="cross-correlation",
    statement="Barlow Twins balances, and keeps noise: wider than $r$ it cannot decorrelate all axes, and aligns each "
    "by $1/(1+\\lambda(m/r-1))$ only.",
    source="ours; the method is that of Zbontar et al. (2021)",
    chapter="non-contrastive",
)
def cross_correlation(descend: Run = train_method) -> Evidence:
    """Barlow Twins from random weights at two widths, beside its optimum."""
    return _beside_optimum(descend, BARLOW)


def _beside_optimum(descend: Run, settings: Mapping[str, Setting]) -> Evidence:
    checks: list[Check] = []
    curves: dict[str, Array] = {}
    for name, it in settings.items():
        run = _run(descend, it)
        optimum = vicreg_end if isinstance(it.method, VICReg) else barlow_end
        end = optimum(it.world, it.method, it.width)  # type: ignore[arg-type]
        noise, rank = run.noise_share[-1].mean(), run.effective_rank[-1]
        checks += [
            zero(f"{name}: noise share, off", noise - end.noise_share, tolerance=CLOSE, reason=SETTLED),
            zero(f"{name}: alignment, off", run.alignment[-1] - end.alignment, tolerance=CLOSE, reason=SETTLED),
            close(f"{name}: effective rank", end.effective_rank, rank, rel=1e-2, reason=SETTLED),
            at_most(f"{name}: κ", 1.05, run.condition_number[-1], reason="what counts as balanced is chosen"),
        ]
        curves |= dots(name, run) | {f"{name} end": np.array(end)}
        if it.world is CANONICAL:
            curves |= {f"{name} summary": summary(run), f"{name} predicted": np.array([*end, np.nan])}
    return Evidence(tuple(checks), curves)


def _run(descend: Run, it: Setting) -> Trajectory:
    dims = Pair(*(view.ambient_dim for view in it.world.views))
    weights = gaussian_weights(dims, it.width, rng=np.random.default_rng(94))
    every = max(1, it.steps // 100)
    return descend(it.world, it.method, weights=weights, step_size=it.step_size, steps=it.steps, record_every=every)
