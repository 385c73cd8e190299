"""What the header of a catalogue says of its origin, from Parquet or FITS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits

from ojala.catalogue.vac import HEADER_KEYS


def of_catalogue(path: str | Path) -> dict[str, str]:
    """Entries of ``ojala.catalogue.vac.HEADER_KEYS`` that a catalogue has.

    Raises ValueError for a file that is no catalogue of this project.
    """
    path = Path(path)
    try:
        found = _of_fits(path) if path.suffix == ".fits" else _of_parquet(path)
    except (pa.ArrowInvalid, OSError, IndexError) as error:
        raise ValueError(f"{path}: neither a FITS nor a Parquet catalogue ({error})") from None
    if "bundle_digest" not in found:
        raise ValueError(f"{path}: its header does not say which bundle predicted it")
    return found


def source_of_row(path: str | Path, row: int) -> tuple[int, int]:
    """tile_id and number of a row of a catalogue, the first is 1. Raises ValueError for none."""
    names = ("tile_id", "number")
    if Path(path).suffix == ".fits":
        with fits.open(path) as hdus:
            columns = [np.asarray(hdus[1].data[name]) for name in names]
    else:
        table = pq.read_table(path, columns=list(names))
        columns = [table[name].to_numpy() for name in names]
    if not 1 <= row <= len(columns[0]):
        raise ValueError(f"{path}: there is no row {row}, it has rows 1 ... {len(columns[0])}")
    return int(columns[0][row - 1]), int(columns[1][row - 1])


def _of_fits(path: Path) -> dict[str, str]:
    header = fits.getheader(path, 1)
    cards = {entry: card for entry, (card, _) in HEADER_KEYS.items()}
    return {entry: str(header[card]) for entry, card in cards.items() if card in header}


def _of_parquet(path: Path) -> dict[str, str]:
    metadata = pq.read_schema(path).metadata or {}
    texts = {key.decode(errors="replace"): value for key, value in metadata.items()}
    return {entry: texts[entry].decode() for entry in HEADER_KEYS if entry in texts}
