"""Align, then balance: the theory of multimodal contrastive learning, solved exactly and checked by training.

The public names load when they are first used, so that ``import mmcl`` stays light: torch and SymPy are only
imported by the calls that need them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOME = {
    "PairedData": "mmcl.data",
    "EmpiricalPairs": "mmcl.empirical",
    "InfoNCE": "mmcl.objectives",
    "InBatchInfoNCE": "mmcl.objectives",
    "PositiveOnly": "mmcl.objectives",
    "Trajectory": "mmcl.trajectory",
    "gradient_flow": "mmcl.flow",
    "gradient_flows": "mmcl.flows",
    "train": "mmcl.training",
    "train_many": "mmcl.training.many",
    "condition_number": "mmcl.metrics",
    "effective_rank": "mmcl.metrics",
    "spectrum": "mmcl.spectra",
    "terminal_condition_number": "mmcl.closed_form",
    "relaxation_rates": "mmcl.relaxation",
    "Decoupled": "mmcl.family",
    "Spectral": "mmcl.family",
    "Sigmoid": "mmcl.family",
    "AlignmentUniformity": "mmcl.family",
    "NTXent": "mmcl.family",
    "SimSiam": "mmcl.methods",
    "BYOL": "mmcl.methods",
    "DirectPred": "mmcl.methods",
    "MaskedReconstruction": "mmcl.methods",
    "VICReg": "mmcl.methods",
    "BarlowTwins": "mmcl.methods",
    "train_method": "mmcl.methods",
}
_MODULES = ("family", "methods", "sweeps")

__all__ = [*_HOME, *_MODULES, "__version__"]

if TYPE_CHECKING:
    from mmcl import family, methods, sweeps
    from mmcl.closed_form import terminal_condition_number
    from mmcl.data import PairedData
    from mmcl.empirical import EmpiricalPairs
    from mmcl.family import AlignmentUniformity, Decoupled, NTXent, Sigmoid, Spectral
    from mmcl.flow import gradient_flow
    from mmcl.flows import gradient_flows
    from mmcl.methods import BYOL, BarlowTwins, DirectPred, MaskedReconstruction, SimSiam, VICReg, train_method
    from mmcl.metrics import condition_number, effective_rank
    from mmcl.objectives import InBatchInfoNCE, InfoNCE, PositiveOnly
    from mmcl.relaxation import relaxation_rates
    from mmcl.spectra import spectrum
    from mmcl.training import train
    from mmcl.training.many import train_many
    from mmcl.trajectory import Trajectory


def __getattr__(name: str) -> object:
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return import_module(f"mmcl.{name}")  # which binds it here
    raise AttributeError(f"module 'mmcl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
