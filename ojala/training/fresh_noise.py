"""New noise for a mock at every draw, as stage noise gives it once (Section 2.3).

    flux = flux_clean 10^(0.4 (dm_i - dm)) + flux_err N(0, 1),    dm, dm_i ~ N(0, calibration_err)

A source that is drawn fifty times with the same noise is learnt by heart.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from ojala.tables.shards import PERTURBED
from ojala.training.resident import IS_BAND, ResidentTable
from ojala.vocabulary.bands import reference_band
from ojala.vocabulary.quantities import vocabulary

I_BAND = reference_band().token_id - 1
LOG_PER_MAG = 0.4 * math.log(10)


def renoised(
    table: ResidentTable,
    rows: Tensor,
    calibration_err: float,
    deviates: Tensor,
) -> Tensor:
    """Scaled values of the rows with new noise where a band was observed, (num_rows, num_tokens).

    The noiseless values are the table's ``clean`` ones; a band without is taken as noiseless.
    calibration_err: 1 sigma of the zero-points, mag, of the bands that J-PAS measures
    deviates: of a standard normal, noise and zero-points, (2, num_rows, num_tokens)
    """
    noise, zero = deviates
    values, errors = table.values[rows].float(), table.errors[rows].float()
    if table.clean is not None:
        clean = table.clean[rows].float()
        values = torch.where(torch.isfinite(values) & torch.isfinite(clean), clean, values)
    if calibration_err:
        values = _calibrated(values, calibration_err * zero, table)
    noisy: Tensor = values + errors * noise * _is_band(values.device)
    return noisy


def _calibrated(values: Tensor, shift: Tensor, table: ResidentTable) -> Tensor:
    """The zero-point of i moves all narrow bands of a source together: they are ratios to it."""
    scale = torch.from_numpy(table.scaling.sigma).float().to(values.device)
    offset = torch.from_numpy(table.scaling.median).float().to(values.device)
    is_ratio, is_i = _jpas_bands(values.device)
    i_shift = shift[:, I_BAND : I_BAND + 1]
    gain = torch.exp(LOG_PER_MAG * (i_shift - shift))
    ratio = ((values * scale + offset) * gain - offset) / scale
    values = torch.where(is_ratio, ratio, values)
    return torch.where(is_i, values + i_shift / scale, values)


@cache
def _jpas_bands(device: torch.device) -> tuple[Tensor, Tensor]:
    """Narrow bands, and i, (num_tokens,)."""
    is_i = torch.arange(len(vocabulary()), device=device) == I_BAND
    measured = torch.tensor([token in PERTURBED for token in vocabulary()], device=device)
    return measured & ~is_i, is_i


@cache
def _is_band(device: torch.device) -> Tensor:
    return torch.from_numpy(IS_BAND).to(device)
