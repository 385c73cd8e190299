"""The response of every band: atmosphere, telescope, filter and detector together.

Only the shape of a response matters: its scale cancels in every flux density and AB magnitude.
The narrow bands come from the packaged analytic curves, from a directory of measured curves or
from the Filter Profile Service of the Spanish Virtual Observatory (SVO); the broad ones from
speclite.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen
from xml.parsers.expat import ExpatError

import astropy.units as u
import numpy as np
import speclite.filters
from astropy.io import votable
from numpy.typing import NDArray
from tqdm import tqdm

from ojala.physics.passbands import passband
from ojala.vocabulary.bands import Band, bands, narrow_bands
from ojala.vocabulary.directory import directory

FAINTEST = 1e-4
"""Throughput, relative to the peak, at which an analytic curve ends."""

WISE = {"MAG_W1": "wise2010-W1", "MAG_W2": "wise2010-W2"}
"""speclite's names of the curves of WISE."""

LEGACY = {
    "S": {"MAG_G": "decamDR1-g", "MAG_R": "decamDR1-r", "MAG_Z": "decamDR1-z"},
    "N": {"MAG_G": "BASS-g", "MAG_R": "BASS-r", "MAG_Z": "MzLS-z"},
}
"""speclite's names of the Legacy Surveys' curves, by PHOTSYS: DECam south, BASS and MzLS north."""


SVO = "http://svo2.cab.inta-csic.es/theory/fps/fps.php"
"""Address of the Filter Profile Service (Rodrigo, Solano & Bayo 2012)."""

SVO_NAME = "OAJ/JPAS.{token}"
"""The service's name of a narrow band."""

MAX_OFFSET = 50.0
"""Angstrom between a curve's mean and its band's wavelength beyond which it is another band's; of
a band wider than 200 Angstrom a quarter of its width."""


@dataclass(frozen=True, slots=True)
class Response:
    """The curve of a band.

    wave: Angstrom, strictly increasing, shape (num_wave,)
    throughput: photons kept, any scale, >= 0, linear between the given points, 0 outside

    Raises ValueError naming what is wrong.
    """

    wave: NDArray[np.float64]
    throughput: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.wave.ndim != 1 or self.wave.shape != self.throughput.shape or len(self.wave) < 3:
            raise ValueError("a response needs three or more pairs of wavelength and throughput")
        if not (np.all(np.isfinite(self.wave)) and np.all(np.diff(self.wave) > 0)):
            raise ValueError("the wavelengths of a response must be finite and increase strictly")
        if not np.all(np.isfinite(self.throughput)) or np.any(self.throughput < 0):
            raise ValueError("the throughput of a response must be finite and not negative")
        if not np.any(self.throughput > 0):
            raise ValueError("the throughput of a response is zero everywhere")


def packaged() -> dict[str, Response]:
    """The response of every band by token, as its row of ``bands.ecsv`` says."""
    return {band.token: curve(band) for band in bands()}


def curve(band: Band) -> Response:
    """A band's curve: analytic where ``response`` is "", a file of the survey's, or speclite's.

    Raises ValueError where it is neither a file beside the tables nor a name of speclite's.
    """
    if not band.response:
        return _analytic(band)
    path = directory() / band.response
    if path.is_file():
        return _read_curve(path, band)
    try:
        return _speclite(band.response)
    except ValueError:
        raise ValueError(
            f"{directory() / 'bands.ecsv'}: the response {band.response!r} of {band.token} is "
            "neither a file beside the table nor a filter of speclite"
        ) from None


def load(source: str | Path = "packaged") -> dict[str, Response]:
    """The response of every band by token, the narrow ones from ``source``.

    source: "packaged", "svo", the http address of a service that answers as SVO does, or a
        directory of measured curves
    """
    if source == "packaged":
        return packaged()
    if source == "svo" or str(source).startswith(("http://", "https://")):
        return packaged() | svo(SVO if source == "svo" else str(source))
    return packaged() | measured(source)


def measured(directory: str | Path) -> dict[str, Response]:
    """The narrow bands' curves of a directory, one file per band named after it: J0378.txt ...

    A file has two columns, wavelength (Angstrom) and throughput, between blanks or commas; "#"
    starts a comment. Raises ValueError naming the file that is missing or wrong.
    """
    directory = Path(directory)
    curves = {}
    for band in narrow_bands():
        paths = sorted(directory.glob(f"{band.token}.*"))
        if len(paths) != 1:
            raise ValueError(f"{directory}: {len(paths)} files {band.token}.*, expected one")
        curves[band.token] = _read_curve(paths[0], band)
    return curves


def svo(address: str = SVO) -> dict[str, Response]:
    """The narrow bands' curves of the SVO Filter Profile Service.

    Raises ConnectionError where the service does not answer, ValueError naming the band where
    its answer holds no curve.
    """
    rows = tqdm(narrow_bands(), unit="curve", disable=not sys.stderr.isatty())
    return {band.token: _ask(f"{address}?{_query(band)}", band) for band in rows}


def legacy(photsys: str) -> dict[str, Response]:
    """The Legacy Surveys' g, r and z responses of "S" (DECam) or "N" (BASS and MzLS)."""
    if photsys not in LEGACY:
        raise ValueError(f"photsys {photsys!r} is not known: expected 'N' or 'S'")
    return {token: _speclite(name) for token, name in LEGACY[photsys].items()}


def wise() -> dict[str, Response]:
    """The responses of WISE's W1 and W2."""
    return {token: _speclite(name) for token, name in WISE.items()}


@cache
def _analytic(band: Band) -> Response:
    shape = passband(band.token)
    reach = 4 * shape.half_width
    wave = np.arange(np.floor(shape.centre - reach), shape.centre + reach + 1)
    throughput = shape.throughput(wave)
    kept = np.flatnonzero(throughput > FAINTEST * throughput.max())
    around = slice(kept[0] - 1, kept[-1] + 2)
    throughput[: kept[0]] = throughput[kept[-1] + 1 :] = 0.0
    return Response(wave[around], throughput[around])


@cache
def _speclite(name: str) -> Response:
    curve = speclite.filters.load_filter(name)
    return Response(np.array(curve.wavelength, float), np.array(curve.response, float))


def _read_curve(path: Path, band: Band) -> Response:
    lines = (line.split("#")[0].replace(",", " ") for line in path.read_text().splitlines())
    try:
        pairs = np.array([line.split() for line in lines if line.strip()], float)
        wave, throughput = pairs[:, :2].T
    except (ValueError, IndexError) as error:
        raise ValueError(
            f"{path}: expected two columns of numbers, Angstrom and throughput ({error})"
        ) from error
    return _checked(wave, throughput, band, str(path))


def _query(band: Band) -> str:
    return urlencode({"ID": SVO_NAME.format(token=band.token)}, safe="/")


def _ask(address: str, band: Band) -> Response:
    try:
        with urlopen(address, timeout=60) as answer:
            table = votable.parse(BytesIO(answer.read()), verify="ignore").get_first_table()
    except (OSError, HTTPException) as error:
        raise ConnectionError(f"{address} did not answer: {error}") from error
    except (IndexError, ValueError, ExpatError) as error:
        raise ValueError(f"{address}: expected a VOTable with the curve of {band.token}") from error
    columns = table.to_table()
    if not {"Wavelength", "Transmission"} <= set(columns.colnames):
        raise ValueError(f"{address}: expected the columns Wavelength and Transmission")
    wave = u.Quantity(columns["Wavelength"], columns["Wavelength"].unit or u.AA, dtype=float)
    throughput = np.asarray(columns["Transmission"], float)
    return _checked(wave.to_value(u.AA), throughput, band, address)


def _checked(
    wave: NDArray[np.float64], throughput: NDArray[np.float64], band: Band, origin: str
) -> Response:
    """A response, whose origin any complaint names."""
    try:
        response = Response(wave, throughput)
    except ValueError as error:
        raise ValueError(f"{origin}: {error}") from error
    mean = float(np.trapezoid(wave * throughput, wave) / np.trapezoid(throughput, wave))
    if abs(mean - band.wave) > max(MAX_OFFSET, band.fwhm / 4):
        raise ValueError(
            f"{origin}: mean wavelength {mean:.1f}, expected about {band.wave} Angstrom"
        )
    return response
