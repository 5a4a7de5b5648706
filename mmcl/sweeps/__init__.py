"""A long sweep: a grid, or worlds × objectives × seeds, computed on every core or on a cluster, kept cell by cell, and
delivered as a labelled table with coordinates, units, and where it came from.

`run` is the door. A `Study` says what is to be computed, an executor where; every finished cell is stored at once.
"""

from __future__ import annotations

from mmcl.provenance import folder
from mmcl.sweeps.cluster import Cluster
from mmcl.sweeps.driver import SweepInterrupted, place, run
from mmcl.sweeps.executors import CellFailed, Processes, Serial
from mmcl.sweeps.fitness import Unfit
from mmcl.sweeps.runs import Followed, Trained
from mmcl.sweeps.study import Axis, Quantity, Study
from mmcl.sweeps.table import load, save
from mmcl.sweeps.toml import read
from mmcl.sweeps.worlds import of_grid, of_worlds

__all__ = [
    "Axis", "CellFailed", "Cluster", "Followed", "Processes", "Quantity", "Serial", "Study", "SweepInterrupted",
    "Trained", "Unfit", "folder", "load", "of_grid", "of_worlds", "place", "read", "run", "save",
]  # fmt: skip
