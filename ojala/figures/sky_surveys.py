"""Figures of the surveys' side of the simulated sky: spectra, J-spectra, noise and depth."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ojala.physics.jpas_filters import I_BAND, NARROW, mag_of_flux
from ojala.physics.responses import packaged
from ojala.physics.spectra import Spectra
from ojala.physics.synphot import ResponseMatrix, ab_mag, prepare, synthesize
from ojala.sky.instruments.depths import jpas_depths
from ojala.surveys.desi.arms import WAVE
from ojala.surveys.desi.coadds import read_coadd
from ojala.surveys.jpas.dual_mode import read_dual
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import band, narrow_bands, reference_band

REFERENCE = reference_band().token

Floats = NDArray[np.float64]

SAMPLE_COLOURS = {
    "BGS": "tab:orange",
    "LOWZ": "tab:brown",
    "DC3R2": "tab:olive",
    "LRG": "tab:red",
    "ELG": "tab:purple",
    "QSO": "tab:green",
    "MWS": "tab:blue",
    "FAINT": "tab:cyan",
}
"""Colours of DESI's samples in every figure."""

BIN = 16
"""Pixels of a spectrum that are averaged for a figure: 12.8 Angstrom."""

FILES = 100
"""Files of each survey that a figure is drawn from at most."""


def spectra(sky: str | Path, truth: Columns) -> Figure:
    """Spectra and J-spectra of twelve kinds of sources, over their i flux as the model has them."""
    figure = Figure(figsize=(14, 11), layout="constrained")
    axes = figure.subplots(4, 3, sharex=True)
    for axis, (name, chosen) in zip(axes.flat, _kinds(truth).items(), strict=True):
        row = _typical(Path(sky), truth, chosen)
        if row is None:
            axis.set_title(f"{name}: none here", fontsize=9)
            continue
        _source(axis, Path(sky), truth, row)
        axis.set_title(f"{name}: {_described(truth, row)}", fontsize=8.5)
    axes[0, 0].legend(frameon=False, fontsize=8)
    for axis in axes[-1]:
        axis.set_xlabel(r"Observed wavelength ($\AA$, vacuum)")
    for axis in axes[:, 0]:
        axis.set_ylabel(r"$f_\lambda / f_\lambda(i)$")
    return figure


def surveys(sky: str | Path, truth: Columns) -> Figure:
    """S/N of DESI's spectra, J-PAS depths, and measured over true J-PAS colours."""
    figure = Figure(figsize=(14, 4.4), layout="constrained")
    axes = figure.subplots(1, 3)
    _signal_to_noise(axes[0], Path(sky), truth)
    _depths(axes[1], Path(sky))
    _gap(axes[2], Path(sky), truth)
    return figure


def _kinds(truth: Columns) -> dict[str, NDArray[np.bool_]]:
    """Which sources are of each kind that is shown."""
    z, sample, ew = truth["z"], truth["sample"], truth["HALPHA_6562_EW"]
    quasar, star = truth["spectype"] == "QSO", truth["spectype"] == "STAR"
    active = truth["agn_fraction"] > 0.3
    dwarf = star & (truth["LOGG"] > 4) & (truth["LOGG"] < 6)
    giant = star & (truth["LOGG"] < 3.3)
    return {
        "Star-forming galaxy": (sample == "BGS") & (ew > 40) & ~active,
        "Quiescent galaxy": (sample == "BGS") & (ew < 1),
        "Active nucleus": (truth["spectype"] == "GALAXY") & (ew > 3) & active,
        "Luminous red galaxy": sample == "LRG",
        "Emission-line galaxy": (sample == "ELG") & (truth["OII_3727_EW"] > 30),
        "Quasar, low redshift": quasar & (z < 0.6),
        "Quasar, with Mg II": quasar & (z > 0.9) & (z < 1.7),
        "Quasar, with Lyman alpha": quasar & (z > 2.3) & (z < 3.2),
        "Horizontal branch": star & (truth["TEFF"] > 7500) & (truth["LOGG"] < 3.8),
        "Sun-like star": dwarf & (truth["TEFF"] > 5400) & (truth["TEFF"] < 6200),
        "Cool dwarf": dwarf & (truth["TEFF"] < 3900),
        "Metal-poor giant": giant & (truth["TEFF"] < 5500) & (truth["FEH"] < -1),
    }


def _typical(sky: Path, truth: Columns, chosen: NDArray[np.bool_]) -> int | None:
    """A source with a whole spectrum that both surveys see, of the brighter ones of its kind."""
    rows = np.flatnonzero(chosen & (truth["targetid"] > 0) & (truth["number"] > 0))
    rows = rows[np.argsort(-truth[REFERENCE][rows])]
    for row in rows[len(rows) // 8 :]:
        whole = np.mean(_spectrum(sky, truth, row).ivar > 0) > 0.95
        if whole and np.isfinite(_j_spectrum(sky, truth, row)[1]).all():
            return int(row)
    return None


def _described(truth: Columns, row: int) -> str:
    r = magnitude(truth, "MAG_R")[row]
    if truth["spectype"][row] == "STAR":
        numbers = f"{truth['TEFF'][row]:.0f} K, log g = {truth['LOGG'][row]:.1f}"
        return f"r = {r:.1f}, {numbers}, [Fe/H] = {truth['FEH'][row]:.1f}"
    return f"r = {r:.1f}, z = {truth['z'][row]:.2f}"


def magnitude(truth: Columns, token: str) -> Floats:
    """True AB magnitude in MAG_i, MAG_W1, MAG_W2, or MAG_G, MAG_R, MAG_Z of DECam."""
    column = f"{token}_S" if token in ("MAG_G", "MAG_R", "MAG_Z") else token
    flux = np.asarray(truth[column], dtype=np.float64)
    return np.asarray(ab_mag(flux, np.array(band(token).wave)), dtype=np.float64)


def _source(axis: Axes, sky: Path, truth: Columns, row: int) -> None:
    """One panel: the spectrum as DESI has it, the J-spectrum as J-PAS has it."""
    spectrum = _spectrum(sky, truth, row)
    norm = synthesize(spectrum.flux, None, _i_band()).flux_lambda[0, 0]
    axis.plot(*_binned(spectrum, norm), color="0.6", lw=0.6, label="DESI spectrum, 13 A bins")
    wave, flux, flux_err = _j_spectrum(sky, truth, row)
    colours = [(band.wave - 3700) / 5500 for band in narrow_bands()]
    axis.errorbar(wave, flux, flux_err, fmt="none", ecolor="0.3", lw=0.7, zorder=2)
    axis.scatter(
        wave,
        flux,
        s=16,
        c=colours,
        cmap="turbo",
        zorder=3,
        ec="k",
        lw=0.3,
        label="J-PAS photometry",
    )
    good = np.isfinite(flux)
    top = np.max(flux[good] + flux_err[good]) if good.any() else 2.0
    axis.set(xlim=(3600, 9850), ylim=(min(0.0, float(np.nanmin(flux)) * 1.1), 1.15 * float(top)))


def _spectrum(sky: Path, truth: Columns, row: int) -> Spectra:
    """The coadded spectrum of a source."""
    path = next(
        (sky / "desi").rglob(f"coadd-*-{truth['program'][row]}-{truth['healpix'][row]}.fits")
    )
    coadd = read_coadd(path)
    place = np.flatnonzero(coadd.spectra.targetid == truth["targetid"][row])
    found = coadd.spectra
    return Spectra(
        wave=WAVE, flux=found.flux[place], ivar=found.ivar[place], targetid=found.targetid[place]
    )


def _binned(spectrum: Spectra, norm: float) -> tuple[Floats, Floats]:
    """Means of BIN pixels weighted by inverse variance, over the i flux; NaN without data."""
    num_bins = len(WAVE) // BIN
    used = slice(0, num_bins * BIN)
    weight = spectrum.ivar[0, used].reshape(num_bins, BIN).astype(np.float64)
    flux = spectrum.flux[0, used].reshape(num_bins, BIN)
    total = weight.sum(axis=1)
    mean = np.sum(weight * flux, axis=1) / np.where(total > 0, total, np.nan)
    return WAVE[used].reshape(num_bins, BIN).mean(axis=1), mean / norm


def _j_spectrum(sky: Path, truth: Columns, row: int) -> tuple[Floats, Floats, Floats]:
    """Wavelength, narrow-band flux over i flux, and its error, of a source."""
    path = sky / "jpas" / f"FLambdaDualObj-{truth['healpix'][row]:05d}.fits"
    for block in read_dual(path):
        same = (block.tile_id == truth["tile_id"][row]) & (block.number == truth["number"][row])
        for place in np.flatnonzero(same):
            norm = block.flux[place, I_BAND]
            flux, flux_err = block.flux[place, NARROW] / norm, block.flux_err[place, NARROW] / norm
            return np.array([band.wave for band in narrow_bands()]), flux, flux_err
    raise ValueError(f"{path}: source {truth['tile_id'][row]}-{truth['number'][row]} is missing")


@cache
def _i_band() -> ResponseMatrix:
    return prepare(WAVE, packaged(), [REFERENCE])


def _signal_to_noise(axis: Axes, sky: Path, truth: Columns) -> None:
    """Median S/N per pixel of spectra against r."""
    snr = np.full(len(truth["z"]), np.nan)
    order = np.argsort(truth["targetid"], kind="stable")
    for path in sorted((sky / "desi").rglob("coadd-*.fits"))[:FILES]:
        found = read_coadd(path).spectra
        place = np.clip(
            np.searchsorted(truth["targetid"][order], found.targetid), 0, len(order) - 1
        )
        rows = order[place]
        known = truth["targetid"][rows] == found.targetid
        value = np.median(found.flux * np.sqrt(found.ivar), axis=1)
        snr[rows[known]] = value[known]
    r = magnitude(truth, "MAG_R")
    for name, colour in SAMPLE_COLOURS.items():
        chosen = (truth["sample"] == name) & (snr > 0.05)
        axis.scatter(r[chosen], snr[chosen], s=3, lw=0, alpha=0.6, color=colour, label=name)
    axis.set(xlim=(15.5, 24.2), ylim=(0.05, 100), yscale="log")
    axis.set(xlabel="r, total (AB mag)", ylabel="Median S/N per pixel of 0.8 A")
    axis.set_title(f"DESI spectra (n = {np.sum(snr > 0.05):,})")
    axis.legend(frameon=False, fontsize=8, markerscale=3)


def _depths(axis: Axes, sky: Path) -> None:
    """Depth of every tile, from the stated errors of its fainter half, against the table's."""
    table, num_tiles = jpas_depths(), 0
    for path in sorted((sky / "jpas").glob("*.fits"))[:FILES]:
        for block in read_dual(path):
            faint = block.flux[:, I_BAND] < np.nanmedian(block.flux[:, I_BAND])
            for tile in np.unique(block.tile_id):
                sigma = block.flux_err[faint & (block.tile_id == tile), NARROW]
                seen = np.isfinite(sigma).any(axis=0)
                wave = table.wave[NARROW][seen]
                mag, _ = mag_of_flux(5 * np.nanmedian(sigma[:, seen], axis=0), np.zeros(1), wave)
                axis.plot(wave, mag, ".", color="0.75", ms=2)
                num_tiles += 1
    axis.plot([], [], ".", color="0.75", label=f"simulated tiles (n = {num_tiles})")
    axis.plot(table.wave[NARROW], table.depth[NARROW], "-", color="k", label="adopted depth")
    axis.set(xlabel=r"Wavelength ($\AA$)", ylabel="5 sigma in 3 arcsec (AB mag)", ylim=(21, 23.7))
    axis.set_title("J-PAS depth of the narrow bands")
    axis.legend(frameon=False, fontsize=8)


def _gap(axis: Axes, sky: Path, truth: Columns) -> None:
    """Measured over true colour against i, band by band: the sim-to-real gap."""
    keys = {key: n for n, key in enumerate(zip(truth["tile_id"], truth["number"], strict=True))}
    true = np.stack([truth[band.token] for band in narrow_bands()], axis=1)
    is_bright = magnitude(truth, REFERENCE) < 21
    parts: dict[str, list[Floats]] = {"GALAXY": [], "STAR": []}
    for path in sorted((sky / "jpas").glob("*.fits"))[:FILES]:
        for block in read_dual(path):
            pairs = zip(block.tile_id.tolist(), block.number.tolist(), strict=True)
            rows = np.array([keys[pair] for pair in pairs])
            measured = block.flux[:, NARROW] / block.flux[:, [I_BAND]]
            for name, kept in parts.items():
                chosen = is_bright[rows] & (truth["spectype"][rows] == name)
                over_i = true[rows[chosen]] / truth[REFERENCE][rows[chosen], None]
                kept.append(measured[chosen] / over_i)
    wave = np.array([band.wave for band in narrow_bands()])
    for name, colour in (("GALAXY", "tab:red"), ("STAR", "tab:blue")):
        ratio = np.concatenate(parts[name])
        low, middle, high = np.nanpercentile(ratio, [16, 50, 84], axis=0)
        axis.plot(wave, middle, color=colour, label=f"{name} (n = {len(ratio):,})")
        axis.fill_between(wave, low, high, color=colour, alpha=0.15, lw=0)
    axis.axhline(1, color="k", lw=0.7)
    axis.set(xlabel=r"Wavelength ($\AA$)", ylabel="Measured over true flux ratio to i")
    axis.set(ylim=(0.6, 1.4), title="J-PAS sources with i < 21: median, 16-84 %")
    axis.legend(frameon=False, fontsize=8)
