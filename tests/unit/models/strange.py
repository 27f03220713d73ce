"""Ids that no model can read."""

from __future__ import annotations

import numpy as np
import torch

STRANGE = {
    "a list": [[5, 6]],
    "an array": np.ones((1, 2), dtype=np.int64),
    "no batch": torch.tensor([5, 6]),
    "an empty batch": torch.zeros((0, 2), dtype=torch.int64),
    "an empty prompt": torch.zeros((2, 0), dtype=torch.int64),
    "no integers": torch.ones((1, 2)),
    "outside the vocabulary": torch.tensor([[5, 120]]),
    "below zero": torch.tensor([[-1, 5]]),
}
