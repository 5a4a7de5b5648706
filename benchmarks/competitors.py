"""The competitors' losses, each loaded from its installed package and never rewritten.

open_clip and lightly import torchvision at the top of their packages. Their losses do not need it: the file of the loss
is loaded by its path.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from mmcl.pair import Pair

PACKAGES = ("open_clip_torch", "info-nce-pytorch", "lightly", "pytorch-metric-learning")


def versions() -> dict[str, str]:
    """Those of the competitors that are installed: a trial of some parts may need none."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _folder(package: str) -> Path:
    """Where a package is installed; it is found, not imported."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed: run `make bench`, which installs it.")
    return Path(spec.origin).parent


def _loaded(name: str, path: Path) -> ModuleType:
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def open_clip() -> torch.nn.Module:
    """`ClipLoss` of open_clip: both directions, averaged."""
    return _loaded("bench_open_clip_loss", _folder("open_clip") / "loss.py").ClipLoss()


def info_nce(inverse_temperature: float) -> torch.nn.Module:
    """`InfoNCE` of info-nce-pytorch: one direction; it normalises its inputs."""
    return import_module("info_nce").InfoNCE(temperature=1 / inverse_temperature)


def lightly(inverse_temperature: float) -> torch.nn.Module:
    """`NTXentLoss` of lightly: 2n × 2n scores; it normalises its inputs.

    Its file imports the memory bank (unused here), and with it `lightly.models`, which wants torchvision. Empty modules
    that only know their folders stand in for the packages above it.
    """
    top = _folder("lightly")
    hollow = {"lightly": top, "lightly.models": top / "models", "lightly.models.modules": top / "models" / "modules",
              "lightly.utils": top / "utils", "lightly.models.utils": None}  # fmt: skip
    for name, folder in hollow.items():
        module = sys.modules.setdefault(name, ModuleType(name))
        if folder is not None:
            module.__path__ = [str(folder)]
    sys.modules["lightly.models"].utils = sys.modules["lightly.models.utils"]  # type: ignore[attr-defined]
    loss = _loaded("bench_lightly_loss", top / "loss" / "ntx_ent_loss.py")
    return loss.NTXentLoss(temperature=1 / inverse_temperature)


def metric_learning(inverse_temperature: float) -> torch.nn.Module:
    """`NTXentLoss` of pytorch-metric-learning on labelled rows; it normalises its inputs."""
    module = import_module("pytorch_metric_learning.losses.ntxent_loss")
    return module.NTXentLoss(temperature=1 / inverse_temperature)


def stacked(loss: torch.nn.Module, features: Pair[Tensor]) -> Tensor:
    """pytorch-metric-learning's call: both views under one another, equal labels for a pair."""
    labels = torch.arange(len(features.a)).repeat(2)
    return loss(torch.cat(features), labels)
