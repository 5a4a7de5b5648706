"""What each idealisation of the theory costs, in one table, read from the evidence of the claims."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mmcl.claims import Evidence, evidence

GOOD = 0.01


@dataclass(frozen=True)
class Row:
    """One idealisation.

    Attributes:
        name: what practice does otherwise.
        predicted: what theory says of it.
        measured: how far the trained run is.
        good: from which size on theory is good to 1%; with † where the law goes beyond the sizes that were run.
    """

    name: str
    predicted: str
    measured: str
    good: str


@dataclass(frozen=True)
class Idealisations:
    """All of them; in a chapter they show themselves as a table."""

    rows: tuple[Row, ...]

    def __getitem__(self, name: str) -> Row:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"no idealisation is called {name!r}; there are: {', '.join(row.name for row in self.rows)}")

    def _repr_markdown_(self) -> str:
        head = ["| practice | what theory predicts | how far the run is | good to 1% from |", "|:--|:--|:--|:--|"]
        return "\n".join([*head, *(f"| {r.name} | {r.predicted} | {r.measured} | {r.good} |" for r in self.rows)])


def idealisations(found: Callable[[str], Evidence] = evidence) -> Idealisations:
    """The table of the chapter "How far is practice from the limit".

    Where a law is known, the size for 1% is read off it: an error e at size n that falls like 1/n is 1% at 100 n e,
    one that falls like $n^{-1/2}$ at $n(100e)^2$. Where every size that was run is good, the coarsest of them is named,
    whatever the law would say of coarser ones.

    Args:
        found: where the evidence of a claim comes from.
    """
    return Idealisations((*_sizes(found), *_features(found), *_steps(found), *_worlds(found)))


def _sizes(found: Callable[[str], Evidence]) -> tuple[Row, ...]:
    wide, batch = found("enough-width"), found("batch-bias")
    good, power = wide["predicted width: share of runs good to 1%"], batch["power of n in the excess of the largest κ"]
    return (
        Row("width", "spread of log κ is $s\\,m^{-1/2}$, with $s$ in closed form",
            f"{100 * good.measured:.0f} % of runs within 1%, {100 * good.predicted:.0f} % predicted",
            f"$m={_whole(wide.curves['width'][-1])}$"),
        Row("batch", "a flow at every $n$; excess of the largest κ falls like $1/n$",
            f"power ${power.measured:.2f}$", _size("n", float(batch.curves["enough"]), batch.curves["batch"])),
    )  # fmt: skip


def _features(found: Callable[[str], Evidence]) -> tuple[Row, ...]:
    same, centred, offset = found("normalisation"), found("centring"), found("offset")
    width, size = same.curves["width"], same.curves["batch"]
    by_width, by_size = same.curves["listed"][0], same.curves["by batch"].max(axis=1)[0]
    powers = [check.measured for check in same.checks[1:3]]
    change: float = centred["τ² = 1 and 4, n from 4 on: largest change of κ at any time"].measured
    added = centred["n times what it adds to the loss, extrapolated"]
    far = max(offset[f"{name}: largest error of θ"].measured for name in ("InfoNCE", "positives only"))
    return (
        Row("normalisation", "none at infinite width; $1/m$, with batches $m^{-1/2}$; $1/n$",
            f"powers ${powers[0]:.2f}$ and ${powers[1]:.2f}$ in $m$; at most {same.curves['largest'].max():.4f} in θ "
            f"from $m={_whole(width[0])}$ on, {by_size:.4f} at $n={size[0]}$",
            f"{_size('m', width[0] * by_width / GOOD, width)} with all pairs; "
            f"{_size('n', size[0] * by_size / GOOD, size)}"),
        Row("centring", "positives: clock $1-1/n$; in-batch loss: a shift of order $1/n$, none at $n=2$",
            f"shift ${added.measured:.4f}/n$, ${added.predicted:.4f}/n$ predicted; κ moves by at most {change:.3f}",
            f"$n={_whole(1 / GOOD)}$ (clock of positives)"),
        Row("common offset", "InfoNCE: one more noise coordinate; positives only: one more signal",
            f"{far:.4f} in θ", _step("\\eta", 0.05 * GOOD / far, [0.05])),
    )  # fmt: skip


def _steps(found: Callable[[str], Evidence]) -> tuple[Row, ...]:
    edge, momentum, decay, adam = (found(id) for id in ("step-limit", "momentum", "weight-decay", "adam"))
    plain = found("unequal")["largest error of θ, noise shares and log κ at η = 0.05"].measured
    gap = max(abs(check.measured / check.predicted - 1) for check in edge.checks)
    when = decay["time at which the edge is reached"]
    slow = momentum.curves["steps 0.9"][-1], momentum.curves["errors 0.9"][-1]
    decayed = decay.curves["steps"][-1], decay.curves["errors"][-1]
    errors = adam.curves["InfoNCE errors"][-1]
    return (
        Row("step", "error of order one; edge at $2/\\lambda_{\\max}$", f"edge off by {1e6 * gap:.1f} millionths",
            _step("\\eta", 0.05 * GOOD / plain, [0.05])),
        Row("weight decay", "the flow at $s(t)=(e^{2\\lambda t}-1)/2\\lambda$; then the edge",
            f"{decayed[1]:.4f} in θ at $\\eta={decayed[0]:g}$; edge at {when.measured:.0f}, {when.predicted:.0f} due",
            _step("\\eta", decayed[0] * GOOD / decayed[1], decay.curves["steps"]) + " at $\\lambda=0.3$"),
        Row("momentum", "the flow, faster by $1/(1-\\beta)$, late by its run-up",
            f"{slow[1]:.4f} in θ at $\\eta/(1-\\beta)={slow[0]:g}$",
            _step("\\eta/(1-\\beta)", slow[0] * GOOD / slow[1], momentum.curves["steps 0.9"]) + " at $\\beta=0.9$"),
        Row("Adam", "not the flow, but a limit of its own; positives keep $\\kappa=\\sigma_1/\\sigma_r$",
            f"{errors:.4f} in θ at $m={_whole(adam.curves['width'][-1])}$",
            _size("m", adam.curves["width"][-1] * (errors / GOOD) ** 2, adam.curves["width"]) + "; of the flow: never"),
    )  # fmt: skip


def _worlds(found: Callable[[str], Evidence]) -> tuple[Row, ...]:
    laws, unequal, overlap = found("latents"), found("unequal"), found("missing-overlap")
    errors = {name: laws[f"{name}: largest error of θ along a trained run"].measured
              for name in ("Gaussian", "uniform", "sparse")}  # fmt: skip
    says = {
        "Gaussian": "$L(\\theta)$ by quadrature; rest at $\\theta_p=\\min(1/r,1/\\tau^2)$",
        "uniform": "$L(\\theta)$ by quadrature; balance", "sparse": "$L(\\theta)$ by quadrature; balance",
    }  # fmt: skip
    far = overlap["largest error of θ along a trained run"].measured
    spreads = [unequal[f"spread of log κ of {letter}, times √m"] for letter in "AB"]
    ratios = " and ".join(f"{x.measured / x.predicted:.2f}" for x in spreads)
    return (
        Row("latents: signs", "the closed form", "as in the other rows", ""),
        *(Row(f"latents: {name}", says[name], f"{error:.4f} in θ at $n=256$", _noisy(256, error))
          for name, error in errors.items()),
        Row("unequal spectra and noise", "the flow; spread of log κ is $s\\,m^{-1/2}$ in either modality",
            f"spreads {ratios} of the predicted", f"$m={_whole(max(unequal.curves['width']))}$"),
        Row("missing overlap", "noise, loud or not", f"{far:.4f} in θ at $n=128$", _noisy(128, far)),
    )  # fmt: skip


def _noisy(size: int, error: float) -> str:
    """The batch at which an error that is a step's noise has fallen to 1%."""
    return _size("n", size * (error / GOOD) ** 2, [size])


def _size(letter: str, enough: float, tried: ArrayLike) -> str:
    """From which size on: larger ones are better."""
    sizes = np.asarray(tried)
    if enough <= sizes.min():
        return f"${letter}={_whole(sizes.min())}$ (smallest run)"
    return f"${letter}={_whole(enough)}$" + (" †" if enough > sizes.max() else "")


def _step(letter: str, enough: float, tried: ArrayLike) -> str:
    """From which step on: smaller ones are better."""
    sizes = np.asarray(tried)
    if enough >= sizes.max():
        return f"${letter}={sizes.max():g}$ (largest run)"
    return f"${letter}={enough:.2g}$" + (" †" if enough < sizes.min() else "")


def _whole(value: float) -> str:
    return f"{int(np.ceil(value)):,}".replace(",", "{,}")
