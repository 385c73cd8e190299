"""Images of FITS files, plain or compressed, as the physical values that they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray


def shape(hdu: Any) -> tuple[int, ...]:
    """Shape of an image, compressed or not."""
    if not hdu.header.get("ZIMAGE", False):
        return tuple(hdu.shape)
    return tuple(hdu.header[f"ZNAXIS{i}"] for i in range(hdu.header["ZNAXIS"], 0, -1))


def stored_in(hdu: Any) -> str:
    """The file on disk that holds the HDU's bytes: its own, or the unpacked one."""
    return str(hdu.fileinfo()["file"].name)


def holds_whole_numbers(hdu: Any) -> bool:
    """True where the physical values of an image are integers."""
    header = hdu.header
    return bool(header.get("ZBITPIX", header["BITPIX"]) > 0 and header.get("BSCALE", 1) == 1)


def pixels(hdu: Any, rows: slice = slice(None)) -> NDArray[Any]:
    """The values of an image in a range of rows; BSCALE and BZERO are applied, BLANK is NaN.

    Raises OSError or ValueError for compressed bytes that are damaged.
    """
    header = hdu.header
    if header.get("ZIMAGE", False):
        with fits.open(stored_in(hdu)) as hdus:
            return np.asarray(hdus[hdu.name].section[rows])
    stored = np.asarray(hdu.data[rows])
    scale, zero = header.get("BSCALE", 1), header.get("BZERO", 0)
    if scale == 1 and zero == 0 and "BLANK" not in header:
        return stored
    values = stored * np.float64(scale) + zero
    if header["BITPIX"] > 0 and "BLANK" in header:
        values[stored == header["BLANK"]] = np.nan
    return np.asarray(values)
