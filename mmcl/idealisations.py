"""What each idealisation of the theory costs, in one table, read from the evidence of the claims."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from mmcl.claims import Evidence, evidence

GOOD = 0.01
IN_THETA = "0.01 in θ"
OFTEN = "in 95 of 100 runs"
OFFSET_STEPS = STEPS = (0.05, 0.1)  # of the runs behind the claims `offset` and `unequal`


@dataclass(frozen=True)
class Row:
    """One idealisation.

    Attributes:
        name: what practice does otherwise.
        predicted: what theory says of it.
        measured: how far the trained run is.
        bar: one percent of what.
        good: the sizes at which the run is that good, with a † if none of them was run.
        tried: the sizes that were, if so.
    """

    name: str
    predicted: str
    measured: str
    bar: str
    good: str
    tried: str = ""


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
        head = ["practice", "what theory predicts", "how far the run is", "1 % means", "good at"]
        lines = [head, [":--"] * len(head), *([r.name, r.predicted, r.measured, r.bar, r.good] for r in self.rows)]
        beyond = "; ".join(f"{row.name}, {row.tried}" for row in self.rows if row.tried)
        note = f"† Read off the law, beyond what was run. Run were: {beyond}."
        return "\n".join([*("| " + " | ".join(cells) + " |" for cells in lines), "", note])


def idealisations(found: Callable[[str], Evidence] = evidence) -> Idealisations:
    """The table of the chapter "How far is practice from the limit".

    Where a law is measured, the size for 1% is read off it: an error e at size n that falls like 1/n is 1% at 100 n e,
    one that falls like $n^{-1/2}$ at $n(100e)^2$. Sizes that all are good are named as they were run.

    Args:
        found: where the evidence of a claim comes from.
    """
    return Idealisations((*_sizes(found), *_features(found), *_steps(found), *_worlds(found)))


def _sizes(found: Callable[[str], Evidence]) -> tuple[Row, ...]:
    wide, batch = found("enough-width"), found("batch-bias")
    good, power = wide["predicted width: share of runs good to 1%"], batch["power of n in the excess of the largest κ"]
    enough, beyond = _at_least("n", float(batch.curves["enough"]), batch.curves["batch"])
    return (
        Row("width", "spread of log κ is $s\\,m^{-1/2}$, with $s$ in closed form",
            f"{100 * good.measured:.0f} % of runs within 1%, {100 * good.predicted:.0f} % predicted",
            f"1 % of κ, {OFTEN}", *_at_least("m", wide.curves["width"][-1], wide.curves["width"])),
        Row("batch", "a flow at every $n$; excess of the largest κ falls like $1/n$",
            f"power ${power.measured:.2f}$ at $\\tau^2=1$", "1 % of the largest κ",
            f"{enough} at $\\tau^2=1$", beyond),
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
            f"powers ${powers[0]:.2f}$ and ${powers[1]:.2f}$ in $m$; in θ at most {same.curves['largest'].max():.4f} "
            f"at $n=64$, {by_size:.4f} at $n={size[0]}$ (root mean square)", IN_THETA,
            " and ".join((_at_least("m", width[0] * by_width / GOOD, width)[0],
                          _at_least("n", size[0] * by_size / GOOD, size)[0]))),
        Row("centring", "positives: clock $1-1/n$; in-batch loss: a shift of order $1/n$, none at $n=2$",
            f"shift ${added.measured:.4f}/n$, ${added.predicted:.4f}/n$ predicted; κ moves by at most {change:.3f}",
            "1 % of the time that positives take", *_at_least("n", 1 / GOOD, (4,))),
        Row("common offset", "InfoNCE: one more noise coordinate; positives only: one more signal",
            f"{far:.4f} in θ at $\\eta={OFFSET_STEPS[0]}$", IN_THETA,
            *_at_most("\\eta", OFFSET_STEPS[0] * GOOD / far, OFFSET_STEPS)),
    )  # fmt: skip


def _steps(found: Callable[[str], Evidence]) -> tuple[Row, ...]:
    edge, momentum, decay, adam = (found(id) for id in ("step-limit", "momentum", "weight-decay", "adam"))
    plain = found("unequal")["largest error of θ, noise shares and log κ at η = 0.05"].measured
    gap = max(abs(check.measured / check.predicted - 1) for check in edge.checks)
    when = decay["time at which the edge is reached"]
    slow = momentum.curves["steps 0.9"][-1], momentum.curves["errors 0.9"][-1]
    decayed = decay.curves["steps"][-1], decay.curves["errors"][-1]
    width, error = adam.curves["width"], adam.curves["InfoNCE errors"][-1]
    allowed, run = _at_most("\\eta", decayed[0] * GOOD / decayed[1], decay.curves["steps"])
    clock, fine = _at_most("\\frac\\eta{1-\\beta}", slow[0] * GOOD / slow[1], momentum.curves["steps 0.9"])
    return (
        Row("step", "error of order one; edge at $2/\\lambda_{\\max}$",
            f"{plain:.4f} at $\\eta={STEPS[0]}$; edge off by {gap:.0e}, relatively",
            "0.01 in θ, noise shares and log κ", *_at_most("\\eta", STEPS[0] * GOOD / plain, STEPS)),
        Row("weight decay", "the flow at $s(t)=(e^{2\\lambda t}-1)/2\\lambda$; then the edge",
            f"{decayed[1]:.4f} in θ at $\\eta={decayed[0]:g}$; edge at {when.measured:.0f}, {when.predicted:.0f} due",
            IN_THETA, f"{allowed} with $\\lambda=0.3$", run),
        Row("momentum", "the flow, faster by $1/(1-\\beta)$, late by its run-up",
            f"{slow[1]:.4f} in θ at $\\frac\\eta{{1-\\beta}}={slow[0]:g}$", IN_THETA,
            f"{clock} with $\\beta=0.9$", fine),
        Row("Adam", "not the flow, but a limit of its own; positives keep $\\kappa=\\sigma_1/\\sigma_r$",
            f"{error:.4f} in θ at $m={_whole(width[-1])}$, from Adam's limit", IN_THETA,
            *_at_least("m", width[-1] * (error / GOOD) ** 2, width)),
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
        Row("latents: signs", "the closed form", "as in the other rows", "", ""),
        *(Row(f"latents: {name}", says[name], f"{error:.4f} in θ at $n=256$", IN_THETA,
              *_at_least("n", 256 * (error / GOOD) ** 2, (256,))) for name, error in errors.items()),
        Row("unequal spectra and noise", "the flow; spread of log κ is $s\\,m^{-1/2}$ in either modality",
            f"spreads {ratios} of the predicted", f"1 % of either κ, {OFTEN}",
            *_at_least("m", max(unequal.curves["width"]), (max(unequal.curves["width"]),))),
        Row("missing overlap", "noise, loud or not", f"{far:.4f} in θ at $n=128$", IN_THETA,
            *_at_least("n", 128 * (far / GOOD) ** 2, (128,))),
    )  # fmt: skip


def _at_least(letter: str, size: float, run: Iterable[float]) -> tuple[str, str]:
    """From which size on; and the sizes run, if that is beyond them."""
    low, high = min(run), max(run)
    if np.ceil(size) < low:
        return (
            f"${letter}={_whole(low)}$, the one run"
            if low == high
            else f"every ${letter}$ run, from ${_whole(low)}$ on"
        ), ""
    tried = f"${letter}={_whole(low)}$" + ("" if low == high else f" to ${_whole(high)}$")
    return f"${letter}\\ge{_whole(size)}$" + _mark(size > high), tried if size > high else ""


def _at_most(letter: str, size: float, run: Iterable[float]) -> tuple[str, str]:
    """Up to which step, rounded down; and the steps run, if that is beyond them."""
    low, high = min(run), max(run)
    digit = 10 ** (np.floor(np.log10(size)) - 1)
    return f"${letter}\\le{np.floor(size / digit) * digit:.2g}$" + _mark(size > high), (
        f"${letter}={low:g}$ to ${high:g}$" if size > high else ""
    )


def _mark(beyond: bool) -> str:
    return " †" if beyond else ""


def _whole(value: float) -> str:
    return f"{int(np.ceil(value)):,}".replace(",", "{,}")
