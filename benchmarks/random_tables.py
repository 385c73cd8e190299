"""Resident tables of random numbers, with the tokens that real sources have: for timing alone."""

import numpy as np
import torch

from ojala.model.scaling import Scaling
from ojala.training.resident import IS_LABEL, ResidentTable
from ojala.vocabulary.quantities import quantities, vocabulary


def random_table(num_sources, *, labelled, device="cpu", dtype=torch.float32, seed=0):
    """A third of the sources of each class; 2 % of the observations are missing."""
    generator = torch.Generator(device).manual_seed(seed)
    shape = (num_sources, len(vocabulary()))
    values = torch.randn(shape, device=device, dtype=dtype, generator=generator)
    missing = torch.rand(shape, device=device, dtype=dtype, generator=generator) < 0.02
    missing[:, vocabulary().index("MAG_i")] = False
    is_label = torch.from_numpy(IS_LABEL).to(device)
    code = torch.arange(num_sources, device=device) % 3
    has_label = (
        labels_of_classes().to(device)[code]
        if labelled
        else torch.zeros(shape, dtype=torch.bool, device=device)
    )
    values[torch.where(is_label, ~has_label, missing)] = torch.nan
    values[:, vocabulary().index("MORPHTYPE")] = (code % 6).to(dtype)
    if labelled:
        values[:, vocabulary().index("SPECTYPE")] = code.to(dtype)
    present = torch.isfinite(values)
    return ResidentTable(
        values=values,
        errors=torch.full(shape, 0.1, device=device, dtype=dtype),
        cumulative=torch.arange(1, num_sources + 1, device=device, dtype=torch.float64),
        frequency=present[:100_000].float().mean(dim=0),
        observed_range=(40, 61),
        scaling=scaling(),
    )


def labels_of_classes():
    """Whether a class has a label, (3, 76)."""
    has_label = torch.zeros(3, len(vocabulary()), dtype=torch.bool)
    for quantity in quantities():
        for code, name in enumerate(("GALAXY", "STAR", "QSO")):
            has_label[code, quantity.token_id - 1] = name in quantity.classes
    return has_label


def scaling():
    size = len(vocabulary())
    return Scaling(median=np.zeros(size), sigma=np.full(size, 0.3), transforms=("linear",) * size)
