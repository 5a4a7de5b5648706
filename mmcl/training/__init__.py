"""Training at finite width: what the theory must be held against."""

from __future__ import annotations

from typing import Any, cast, get_args

import numpy as np
from numpy.typing import DTypeLike

from mmcl import checks
from mmcl.coupled_flow import one_encoder
from mmcl.data import PairedData
from mmcl.empirical import EmpiricalPairs
from mmcl.family import AlignmentUniformity, Family, NTXent, Sigmoid
from mmcl.latents import Signs
from mmcl.objectives import InBatchInfoNCE, InfoNCE, Objective, PositiveOnly
from mmcl.pair import Pair
from mmcl.temperature import Temperature
from mmcl.training.initial import Weights, gaussian_weights, orthonormal_weights
from mmcl.training.loop import descend
from mmcl.training.optimizer import Adam, GradientDescent, Momentum, Optimizer, Rule
from mmcl.training.plan import Plan
from mmcl.training.stopped import TrainingDiverged, TrainingInterrupted
from mmcl.trajectory import Trajectory

__all__ = [
    "Adam", "GradientDescent", "Momentum", "TrainingDiverged", "TrainingInterrupted", "gaussian_weights",
    "orthonormal_weights", "train",
]  # fmt: skip

FAMILY = get_args(Family)


def train(
    data: PairedData | EmpiricalPairs,
    objective: Objective | Family,
    *,
    step_size: float,
    steps: int,
    width: int | None = None,
    batch_size: int | None = None,
    rng: np.random.Generator | None = None,
    record_every: int | None = None,
    normalization: str = "population",
    centering: bool = False,
    temperature: Temperature | None = None,
    optimizer: Optimizer | None = None,
    weight_decay: float = 0.0,
    weights: Weights | None = None,
    start: Trajectory | None = None,
    progress: bool | None = None,
    dtype: DTypeLike = np.float64,
    control_variates: bool = False,
) -> Trajectory:
    r"""Train two linear towers $f_A=W_A^\top x_A/N_A$, $f_B=W_B^\top x_B/N_B$ by gradient descent.

    .. math:: W\leftarrow W-\eta\,\nabla_WL,\qquad N_A^2=\mathbb E\|W_A^\top x_A\|^2

    On `PairedData` a step works on the Gram matrices of the latent-space weights and costs $O(nd^2+d^3)$ whatever the
    width; on `EmpiricalPairs` it is one of torch, which never holds the scores of all pairs of a large batch.

    Source: the learner of Ren & Li (2023).

    Args:
        data: the world, or real pairs.
        objective: what to minimise: the *sum* of the two directions. Those of `mmcl.family` on `PairedData` only.
        step_size: η; gradient-flow time is the sum of the step sizes.
        steps: how many steps.
        width: m; not needed where `weights` or `start` are given.
        batch_size: n, fresh pairs a step; None: the full gradient (positives only; InfoNCE where the signs can be
            enumerated; real pairs).
        rng: where weights and batches come from; may be left out if nothing random is left, and where `start` carries
            the state of its generator.
        record_every: steps between two rows of the record; None: about 200 rows.
        normalization: of the outputs: in expectation over the "population" or the "batch", or "sample" by sample, as
            CLIP does. In a `PairedData` world exact negatives cannot be had with "sample".
        centering: whether the features lose their batch's mean, before they are normalised. Only with a `batch_size`,
            for losses of the batch's own pairs. Without batches, centre the data.
        temperature: how τ² moves from the objective's on: learned, or on a schedule; None: not at all.
        optimizer: Momentum or Adam; None: plain descent.
        weight_decay: λ, decoupled from the optimizer: a step also multiplies the weights by $1-\eta\lambda$.
        weights: initial $W_A, W_B$, shapes (d, m); None: independent $\mathcal N(0,1/m)$ entries.
        start: an earlier run to continue, with its weights, its clock, its optimizer's memory and (without `rng`) its
            random numbers: bit for bit as if it had never stopped. With another kind of optimizer or of data, or other
            weights than it ended with, the memory begins empty.
        progress: a progress bar: True, False, or None for one on long work at a terminal.
        dtype: of the arithmetic of a batch, float64 or float32; the weights themselves are kept in float64.
        control_variates: whether what is known of the latents takes the noise out of a batch's gradient, which stays
            unbiased. For InfoNCE in a `PairedData` world, with a `batch_size` of at least 4 and population norms; from
            8 pairs on it pays, with fewer the fit brings more noise than it takes.

    Returns:
        The `Trajectory`, with final weights and the generator's state.

    Raises:
        TypeError, ValueError: on arguments that do not fit, in one sentence.
        TrainingDiverged: if the step size was too large; carries the record so far.
        TrainingInterrupted: on Ctrl-C; carries the record so far.
    """
    data = checks.kind(data, (PairedData, EmpiricalPairs), "`data`")
    objective = checks.kind(objective, (InfoNCE, InBatchInfoNCE, PositiveOnly, *FAMILY), "`objective`")
    rng = _generator(rng, start)
    every = max(1, checks.whole(steps, "`steps`") // 200) if record_every is None else record_every
    plan = Plan(step_size, steps, batch_size, every, normalization, rng, start, progress, temperature)
    rule = Rule(GradientDescent() if optimizer is None else optimizer, weight_decay)
    if rng is None and (batch_size is not None or (weights is None and start is None)):
        raise TypeError("`rng` must be a numpy.random.Generator where weights or batches are drawn; got None.")
    initial = starting_weights(data, objective, width, weights, start, rng, precision(dtype))
    _fits_batch(data, objective, plan, centering)
    _fits_control(data, objective, plan, control_variates)
    if isinstance(objective, FAMILY):
        _fits(data, objective, plan, initial)
    kept = start.learner_state if start is not None else None
    more: dict[str, Any] = {"dtype": precision(dtype), "kept": kept, "centering": centering}
    if isinstance(data, PairedData):
        from mmcl.training.descent import Descent

        more["control_variates"] = control_variates
        return descend(Descent(data, objective, initial, plan.batch_size, normalization, rule, **more), plan)
    from mmcl.training.towers import Towers  # torch, only where it is needed

    return descend(
        Towers(data, cast(Objective, objective), initial, plan.batch_size, normalization, rule, **more), plan
    )


def _fits_batch(data: PairedData | EmpiricalPairs, objective: Objective | Family, plan: Plan, centering: bool) -> None:
    """Refuse what only a batch can be centred or normalised by."""
    if checks.flag(centering, "`centering`"):
        checks.kind(objective, (InBatchInfoNCE, PositiveOnly), "`objective`, with `centering`,")
        if plan.batch_size is None:
            raise ValueError("`batch_size` (n) must be given with `centering`, which subtracts a batch's mean.")
    if isinstance(data, PairedData) and plan.normalization == "sample" and plan.batch_size is None:
        raise ValueError('`batch_size` (n) must be given with `normalization` "sample" in a world of `PairedData`.')


def _fits_control(
    data: PairedData | EmpiricalPairs, objective: Objective | Family, plan: Plan, control_variates: bool
) -> None:
    """Refuse control variates where the mean of what they take away is not known."""
    if not checks.flag(control_variates, "`control_variates`"):
        return
    if not isinstance(data, PairedData):
        raise TypeError(f"`data`, with `control_variates`, must be PairedData; got {type(data).__name__}.")
    checks.kind(objective, InfoNCE, "`objective`, with `control_variates`,")
    if plan.batch_size is None or plan.batch_size < 4:
        raise ValueError(
            "`batch_size` (n) must be at least 4 with `control_variates`, which fit a half of the batch on the other; "
            f"got {plan.batch_size}."
        )
    if plan.normalization != "population":
        raise ValueError(f'`normalization` must be "population" with `control_variates`; got {plan.normalization!r}.')


def _fits(data: PairedData | EmpiricalPairs, objective: Family, plan: Plan, initial: Weights) -> None:
    """Refuse what a loss of the family cannot be trained with."""
    name = type(objective).__name__
    if not isinstance(data, PairedData):
        raise TypeError(f"`data` must be PairedData for {name}; got {type(data).__name__}.")
    checks.kind(data.latents, Signs, "`data.latents`")
    if plan.temperature is not None:
        raise TypeError(f"`temperature` must be left out for {name}, where it is held.")
    if isinstance(objective, AlignmentUniformity | NTXent) and plan.normalization != "population":
        raise ValueError(f'`normalization` must be "population" for {name}; got {plan.normalization!r}.')
    if isinstance(objective, Sigmoid | AlignmentUniformity) and plan.batch_size is not None:
        checks.whole(plan.batch_size, "`batch_size` (n)", least=2)  # their negatives are other pairs of the batch
    one_encoder(data, objective)
    # An earlier run's two, of one encoder, differ by the round-off of its steps.
    allowed = 0.0 if plan.start is None else 1e-9 * np.abs(initial.a).max()
    if isinstance(objective, NTXent) and np.abs(initial.a - initial.b).max() > allowed:
        raise ValueError("`weights` (W) must be the same for both augmentations of NTXent; got two that differ.")


def precision(dtype: DTypeLike) -> type:
    """The arithmetic that `dtype` names."""
    try:
        kind = np.dtype(dtype).type
    except TypeError:
        kind = None
    if kind not in (np.float64, np.float32) or dtype is None:
        raise ValueError(f"`dtype` must be float64 or float32; got {dtype!r}.")
    return kind


def _generator(rng: np.random.Generator | None, start: Trajectory | None) -> np.random.Generator | None:
    """The caller's generator, or one that goes on where the earlier run's stopped."""
    if start is not None:
        checks.kind(start, Trajectory, "`start`")
    if rng is not None:
        return checks.generator(rng)
    if start is None or start.rng_state is None:
        return None
    bits = getattr(np.random, str(start.rng_state["bit_generator"]))()
    bits.state = start.rng_state
    return np.random.Generator(bits)


def starting_weights(
    data: PairedData | EmpiricalPairs,
    objective: object,
    width: int | None,
    weights: Weights | None,
    start: Trajectory | None,
    rng: np.random.Generator | None,
    dtype: type = np.float64,
) -> Weights:
    """The weights that training begins with: given, of an earlier run, or drawn."""
    dims = Pair(*(v.ambient_dim for v in data.views)) if isinstance(data, PairedData) else Pair(*data.ambient_dim)
    if weights is not None and start is not None:
        raise TypeError("`weights` and `start` must not both be given: either says where training starts.")
    given = start.weights if start is not None else weights
    if given is None:
        if width is None:
            raise TypeError("`width` (m) must be given where neither `weights` nor `start` is.")
        drawn = gaussian_weights(dims, width, rng=checks.generator(rng))
        return Pair(drawn.a, drawn.a) if isinstance(objective, NTXent) else drawn
    name = "`start`" if start is not None else "`weights` (W)"
    try:
        both: Weights = Pair(*given)
    except TypeError:
        raise TypeError(f"{name} must be a pair of arrays, W_A and W_B; got {type(given).__name__}.") from None
    arrays = Pair(*(checks.real_array(w, name, ndim=2) for w in both))
    m = arrays.a.shape[1] if width is None else checks.whole(width, "`width` (m)")
    for array, d, letter in zip(arrays, dims, "AB", strict=True):
        if array.shape != (d, m):
            raise ValueError(f"{name} must have shape {(d, m)} for modality {letter}; got {array.shape}.")
        largest = 1e15 if dtype == np.float32 else 1e100  # its square, and that of its inverse, are sums of floats
        if not 1 / largest < np.abs(array).max() < largest:
            raise ValueError(
                f"{name} must have a largest entry between {1 / largest:g} and {largest:g} for modality {letter}, "
                f"whose outputs are normalised in {np.dtype(dtype).name}; got {np.abs(array).max():.3g}."
            )
    return arrays
