"""One record of a run: theory and training return the same `Trajectory`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from mmcl import checks
from mmcl.pair import Pair


@dataclass(frozen=True, eq=False)
class Trajectory:
    r"""What a learner looks like at the recorded times t.

    Attributes:
        time: gradient-flow time t (the sum of the step sizes), shape (T,).
        alignment: $\mathbb E f_A\cdot f_B = \sum_p\theta_p$, shape (T,).
        condition_number: $\kappa(K_A)$, shape (T,); NaN where no world is known (real pairs).
        condition_number_b: $\kappa(K_B)$, likewise.
        theta: $\theta_p$, the share of the alignment carried by coordinate p, in the order of the coordinates,
            shape (T, r); for real pairs the $\theta_i$ of `spectrum`, largest singular value first.
        noise_share: share of $\mathbb E\|f\|^2$ that is noise, one column per modality, shape (T, 2); NaN for real
            pairs.
        misalignment: $\|k_{-,p}\|^2 = \|k_{A,p}-k_{B,p}\|^2/4$, shape (T, r); NaN for real pairs. Of a
            method without negatives it is relative to $N^2$, each modality in its own unit.
        loss: the objective's value, shape (T,).
        inverse_temperature: $\tau^2(t)$, shape (T,); NaN for an objective without one.
        weights: from training, the final weights $W_A, W_B$, shapes (d, m); None from theory.
        rng_state: from training, the state of the generator after the last step; None from theory.
        steps: from training, how many steps were taken in all; 0 from theory.
        learner_state: from training, what a continued run needs beside the weights, the optimizer's memory above all;
            None from theory.
    """

    time: Float[Array, " T"]
    alignment: Float[Array, " T"]
    condition_number: Float[Array, " T"]
    condition_number_b: Float[Array, " T"]
    theta: Float[Array, "T r"]
    noise_share: Float[Array, "T 2"]
    misalignment: Float[Array, "T r"]
    loss: Float[Array, " T"]
    inverse_temperature: Float[Array, " T"]
    weights: Pair[Float[Array, "d m"]] | None = field(default=None, repr=False)
    rng_state: Mapping[str, Any] | None = field(default=None, repr=False)
    steps: int = 0
    learner_state: Mapping[str, Any] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.time)

    @property
    def effective_rank(self) -> Float[Array, " T"]:
        r"""$(\sum_p\theta_p)^2/\sum_p\theta_p^2$ at each time: r when balanced, 1 when one coordinate carries all.

        NaN where every $\theta_p$ is zero.
        """
        sums, squares = self.theta.sum(axis=1), (self.theta**2).sum(axis=1)
        return np.divide(sums**2, squares, out=np.full(len(sums), np.nan), where=squares > 0)

    def after(self, earlier: Trajectory) -> Trajectory:
        """This record appended to an `earlier` one that ends where it begins; the shared instant is kept once.

        Raises:
            TypeError, ValueError: if it is no Trajectory or ends elsewhere.
        """
        checks.kind(earlier, Trajectory, "`earlier`")
        if not len(self) or not len(earlier) or self.theta.shape[1] != earlier.theta.shape[1]:
            raise ValueError(
                f"`earlier` must be a record of as many coordinates, {self.theta.shape[1]}, and neither may be empty; "
                f"got {earlier.theta.shape[1]} of them, and records of {len(earlier)} and {len(self)} rows."
            )
        if not np.isclose(self.time[0], earlier.time[-1], rtol=1e-12, atol=0):
            raise ValueError(
                f"`earlier` must end at the time this record begins, {self.time[0]:g}; it ends at {earlier.time[-1]:g}."
            )
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(earlier, name)[:-1], getattr(self, name)]) for name in _SERIES
        }
        return replace(self, **joined)

    def columns(self) -> dict[str, Float[Array, " T"]]:
        """Every recorded series as named columns of length T, in the order in which they are saved."""
        table: dict[str, Array] = {}
        for name in _SERIES:
            values = getattr(self, name)
            if values.ndim == 1:
                table[name] = values
            else:
                suffixes = ("a", "b") if name == "noise_share" else range(1, values.shape[1] + 1)
                table |= {f"{name}_{suffix}": values[:, i] for i, suffix in enumerate(suffixes)}
        return table

    def save(self, path: str | Path) -> Path:
        """Write the record to `path`: a table for ``.csv``, the arrays for ``.npz``.

        Raises:
            TypeError, ValueError: if the name is none or ends otherwise.
            FileNotFoundError: if the folder does not exist.
        """
        path = Path(checks.kind(path, (str, Path), "`path`"))
        if path.suffix in {".csv", ".npz"} and not path.parent.is_dir():
            raise FileNotFoundError(f"`path` must lie in a folder that exists; got {str(path)!r}.")
        if path.suffix == ".csv":
            table = self.columns()
            np.savetxt(path, np.column_stack(list(table.values())), delimiter=",", header=",".join(table), comments="")
        elif path.suffix == ".npz":
            weights: dict[str, Any] = (
                {} if self.weights is None else {"weights_a": self.weights.a, "weights_b": self.weights.b}
            )
            np.savez_compressed(path, **weights | {name: getattr(self, name) for name in _SERIES})
        else:
            raise ValueError(f"`path` must end in .csv or .npz; got {path.name!r}.")
        return path


_SERIES = tuple(f.name for f in fields(Trajectory) if f.name not in {"weights", "rng_state", "steps", "learner_state"})
