"""FITS files as surveys write them, read so that every fault is one sentence.

Headers are astropy's business; images are read in ``images``, tables in ``binary_tables``.
"""

from __future__ import annotations

import gzip
import shutil
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from astropy.io import fits

from ojala.surveys.fits.flux_units import in_flux_density
from ojala.surveys.fits.images import stored_in
from ojala.tables.shards import Columns

Formats = Mapping[str, tuple[str, str | None]]
"""FITS format and unit of a table's columns by name."""


@contextmanager
def opened(path: str | Path) -> Iterator[fits.HDUList]:
    """The HDUs of a FITS file, images mapped; a gzipped file is unpacked for as long.

    Raises ValueError where the file is absent or is not FITS.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    with _unpacked(path) as plain:
        if plain.stat().st_size % 2880:
            raise ValueError(f"{path}: not a FITS file, or cut off: not whole blocks of 2880 bytes")
        try:
            hdus = fits.open(
                plain, memmap=True, do_not_scale_image_data=True, disable_image_compression=True
            )
        except OSError as error:
            raise ValueError(f"{path}: not a FITS file ({_first_line(error)})") from None
        with hdus:
            yield hdus


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """The file itself, or for a gzipped one a temporary file of what it holds, to be mapped."""
    with path.open("rb") as stored:
        if stored.read(2) != b"\x1f\x8b":
            yield path
            return
    with NamedTemporaryFile(suffix=".fits") as plain:
        try:
            with gzip.open(path) as packed:
                shutil.copyfileobj(packed, plain)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise ValueError(f"{path}: the gzipped file is cut off or damaged") from None
        plain.flush()
        yield Path(plain.name)


def named(hdus: fits.HDUList, path: str | Path, name: str) -> Any:
    """The HDU of that name.

    Raises ValueError where it is missing, or where the file ends before it does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong is said once, below
        try:
            hdu = hdus[name]
        except KeyError:
            raise ValueError(f"{path}: HDU {name} is missing") from None
        except (OSError, TypeError, ValueError, fits.VerifyError) as error:
            raise ValueError(f"{path}: HDU {name} cannot be read ({_first_line(error)})") from None
    _check_length(hdu, path, name)
    return hdu


def check_unit(hdu: Any, path: str | Path, expected: str, power: int) -> None:
    """Raise ValueError unless the image's BUNIT is ``expected``, in any of its spellings.

    power: of the flux density that the unit is, -2 for an inverse variance
    """
    found = str(hdu.header.get("BUNIT", ""))
    try:
        ratio = in_flux_density(found, power) / in_flux_density(expected, power)
    except ValueError:
        ratio = np.nan
    if not np.isclose(ratio, 1, rtol=1e-6):
        raise ValueError(f"{path}: HDU {hdu.name} has BUNIT {found!r}, expected {expected!r}")


def table_hdu(name: str, formats: Formats, columns: Columns) -> fits.BinTableHDU:
    """A binary table with the columns of ``formats`` that ``columns`` holds, in that order.

    Raises ValueError for a column that ``formats`` does not know.
    """
    unknown = sorted(set(columns) - set(formats))
    if unknown:
        raise ValueError(f"column {unknown[0]} is not part of the table {name}")
    return fits.BinTableHDU.from_columns(
        [
            fits.Column(column, kind, unit=unit, array=np.asarray(columns[column]))
            for column, (kind, unit) in formats.items()
            if column in columns
        ],
        name=name,
    )


def _check_length(hdu: Any, path: str | Path, name: str) -> None:
    """The bytes that the header announces are in the file."""
    where = hdu.fileinfo()
    if where["datLoc"] + where["datSpan"] > Path(stored_in(hdu)).stat().st_size:
        raise ValueError(f"{path}: the file is cut off within HDU {name}")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
