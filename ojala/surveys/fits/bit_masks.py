"""Images of bit masks, plain or compressed, read as "is any bit set".

DESI's MASK images are almost all zeros, stored tile by tile (a tile is one spectrum) with gzip.
Decoding them is the costliest part of reading a coadd, so it is done here without detours, and
tiles of the same bytes are decoded once.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ojala.surveys.fits.images import stored_in

GZIP_HEADER = 10
"""Bytes before the compressed ones; they hold the time of writing."""

GZIP_TIME = slice(4, 8)
"""Where in them that time is."""


def any_bit(hdu: Any, path: str | Path, rows: slice) -> NDArray[np.bool_]:
    """True where the mask is not 0, in a range of rows, (num_rows, num_pixels).

    hdu: an image, or the table that holds a compressed one

    Raises ValueError naming the file and the HDU where compressed bytes are damaged.
    """
    header = hdu.header
    if not header.get("ZIMAGE", False):
        return np.asarray(hdu.data[rows] != _zero(header))
    tiled_by_row = header["ZTILE1"] == header["ZNAXIS1"] and header.get("ZTILE2", 1) == 1
    try:
        if header["ZCMPTYPE"] == "GZIP_1" and tiled_by_row and header["ZBITPIX"] > 0:
            return _gunzipped(hdu, rows)
        with fits.open(stored_in(hdu), do_not_scale_image_data=True) as hdus:
            return np.asarray(hdus[hdu.name].section[rows] != _zero(header))
    except (zlib.error, ValueError, OSError):
        raise ValueError(f"{path}: HDU {hdu.name}: compressed pixels cannot be read") from None


def erase_times(path: str | Path) -> None:
    """Set the time in every gzipped tile of a file to 0: equal masks are then equal bytes."""
    stored = np.memmap(path, dtype=np.uint8, mode="r+")
    with fits.open(path, disable_image_compression=True) as hdus:
        for hdu in hdus:
            if hdu.header.get("ZCMPTYPE") == "GZIP_1":
                starts, _ = _tiles(hdu, stored)
                stored[starts[:, None] + np.arange(GZIP_TIME.start, GZIP_TIME.stop)] = 0
    stored.flush()


def _zero(header: fits.Header) -> int:
    """The stored number that means no bit: unsigned integers are stored less BZERO."""
    return -int(header.get("BZERO", 0))


def _gunzipped(hdu: Any, rows: slice) -> NDArray[np.bool_]:
    header = hdu.header
    word = np.dtype(f">i{header['ZBITPIX'] // 8}")
    stored = np.memmap(stored_in(hdu), dtype=np.uint8, mode="r")
    starts, lengths = (values[rows] for values in _tiles(hdu, stored))
    flags = np.empty((len(lengths), header["ZNAXIS1"]), dtype=bool)
    decoded: dict[bytes, NDArray[np.bool_]] = {}
    zero = _zero(header)
    for row, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
        packed = stored[start : start + length].tobytes()
        key = packed[GZIP_HEADER:]
        if key not in decoded:
            words = np.frombuffer(zlib.decompress(packed, wbits=31), dtype=word)
            decoded[key] = words != zero
        flags[row] = decoded[key]
    return flags


def _tiles(hdu: Any, stored: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First byte and length of each compressed tile in the bytes of the file."""
    header = hdu.header
    first = hdu.fileinfo()["datLoc"]
    heap = first + header.get("THEAP", header["NAXIS1"] * header["NAXIS2"])
    pointers = stored[first : first + header["NAXIS1"] * header["NAXIS2"]]
    kind = ">i8" if "Q" in header["TFORM1"] else ">i4"
    words = pointers.view(kind).reshape(
        header["NAXIS2"], header["NAXIS1"] // np.dtype(kind).itemsize
    )
    lengths, offsets = words[:, :2].T
    return heap + offsets.astype(np.int64), lengths.astype(np.int64)
