"""The worlds that the book returns to."""

from __future__ import annotations

import numpy as np

from mmcl.data import PairedData

#: The running example: eight signal coordinates, scales geometric from 2 down to 1, in 64 dimensions.
CANONICAL = PairedData(signal_a=np.geomspace(2.0, 1.0, 8), noise_a=0.5, ambient_dim=64)

#: The same without noise.
NOISELESS = PairedData(signal_a=np.geomspace(2.0, 1.0, 8), noise_a=0.0, ambient_dim=64)

#: Few enough signs (2d - r = 10) that every pattern can be listed.
SMALL = PairedData(signal_a=(2.0, 1.0), noise_a=0.5, ambient_dim=6)

#: Two modalities that differ in everything, small enough to list.
UNEQUAL = PairedData(signal_a=(2.0, 1.0), signal_b=(1.0, 1.5), noise_a=(0.5, 0.3), noise_b=0.7, ambient_dim=(4, 5))
