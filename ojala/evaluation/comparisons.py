"""What the model gives beside what is known, for every quantity and with the paper's selections.

A Comparison is aligned with the rows of the test set and is NaN where a source takes no part, so
that scores, intervals, gaps and figures all follow from the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ojala.measures.calibration import Stated, of_gaussian
from ojala.measures.metrics import redshift_error
from ojala.measures.redshift_scores import SCORES
from ojala.physics.derived import LINES as FLUX_LINES
from ojala.physics.derived import derived
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import narrow_bands, reference_band
from ojala.vocabulary.quantities import CLASSES

Floats = NDArray[np.float64]
Selected = NDArray[np.bool_]

FAINT_LIMIT = 21.0  # i magnitude that the paper's summary numbers stop at
STELLAR_LIMIT = 19.0  # i magnitude of the stellar parameters, Sect. 4.3
SFR_ERROR_LIMIT = 0.5  # dex: galaxies with a larger predicted error are left out, Sect. 4.5
STRONG_EW, DETECTED_EW = 10.0, 3.0  # Angstrom: of the two lines of a ratio, Sect. 4.4

HALPHA_LIMIT, HBETA_LIMIT = 0.36, 0.8  # redshift that leaves a line within J0910, Sect. 4.4
LINE_REDSHIFT_LIMIT = {
    "HALPHA_6562_EW": HALPHA_LIMIT,
    "NII_6584_EW": HALPHA_LIMIT,
    "HALPHA_CONT": HALPHA_LIMIT,
    "HBETA_4861_EW": HBETA_LIMIT,
    "OIII_5007_EW": HBETA_LIMIT,
    "HBETA_CONT": HBETA_LIMIT,
}
ANN_LIMIT = 0.35  # redshift of the galaxies that the networks of 2021 are compared on, App. D
LINE_RATIOS = {
    "NII_HALPHA": ("NII_6584_EW", "HALPHA_6562_EW"),
    "OIII_HBETA": ("OIII_5007_EW", "HBETA_4861_EW"),
}
LINES = ("HALPHA_6562_EW", "HBETA_4861_EW", "NII_6584_EW", "OIII_5007_EW")
STELLAR = ("TEFF", "LOGG", "FEH", "ALPHAFE")
HOST = ("LOGM", "LOGSFR")
REDSHIFT_TOKENS = {"galaxy": "Z_GAL", "qso": "Z_QSO"}

CLASS_NAMES = {"galaxy": "galaxies", "qso": "quasars", "star": "stars"}
NAMES = {
    "z": ("redshift", ""),
    "LOGM": ("log stellar mass", "dex"),
    "LOGSFR": ("log SFR", "dex"),
    "LOGSFR_CERTAIN": ("log SFR, stated error < 0.5 dex", "dex"),
    "TEFF": ("effective temperature", "K"),
    "LOGG": ("log g", "dex"),
    "FEH": ("[Fe/H]", "dex"),
    "ALPHAFE": ("[alpha/Fe]", "dex"),
    "HALPHA_6562_EW": ("log EW(H-alpha)", "dex"),
    "HBETA_4861_EW": ("log EW(H-beta)", "dex"),
    "NII_6584_EW": ("log EW([NII] 6584)", "dex"),
    "OIII_5007_EW": ("log EW([OIII] 5007)", "dex"),
    "HALPHA_CONT": ("continuum at H-alpha / i", ""),
    "HBETA_CONT": ("continuum at H-beta / i", ""),
    "NII_HALPHA": ("log [NII]/H-alpha", "dex"),
    "OIII_HBETA": ("log [OIII]/H-beta", "dex"),
    "FLUX_HALPHA": ("log flux of H-alpha", "dex"),
    "FLUX_HBETA": ("log flux of H-beta", "dex"),
    "FLUX_NII6584": ("log flux of [NII] 6584", "dex"),
    "FLUX_OIII5007": ("log flux of [OIII] 5007", "dex"),
    "L_HALPHA_CORR": ("log L(H-alpha), corrected", "dex"),
    "L_HALPHA_CORR_STRONG": ("log L(H-alpha), EW > 10 Angstrom", "dex"),
}
"""What comparisons are called, and the unit of their residuals."""


def stated_name(token: str) -> tuple[str, str]:
    """The same of a comparison of ``stated``, where equivalent widths are in Angstrom."""
    name, unit = NAMES[token]
    return (name.removeprefix("log "), "Angstrom") if token in LINES else (name, unit)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Given and true values of one quantity, NaN where a source takes no part, (num_sources,).

    sigma: of given - true: predicted and label's error in quadrature; NaN where one is unknown
    redshift: residuals are divided by 1 + z_spec
    scores: of p(z) (``redshift_scores.SCORES``), by name, each (num_sources,); empty where a
        Gaussian is all that is stated
    """

    given: Floats
    true: Floats
    sigma: Floats
    redshift: bool = False
    scores: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def residual(self) -> Floats:
        """Given - true, in the unit of both; Dz of a redshift."""
        if self.redshift:
            return redshift_error(self.given, self.true)
        return self.given - self.true

    @property
    def residual_sigma(self) -> Floats:
        """Stated 1 sigma of the residual."""
        return self.sigma / (1 + self.true) if self.redshift else self.sigma

    @property
    def stated(self) -> Stated:
        """PIT and CRPS of what is stated: of p(z) where it is known, else of a Gaussian."""
        if self.scores:
            return Stated(self.scores["pit"], self.scores["crps"])
        return of_gaussian(self.residual, self.residual_sigma)

    @property
    def takes_part(self) -> Selected:
        """Sources with both values."""
        return np.isfinite(self.given) & np.isfinite(self.true)

    def among(self, selected: Selected) -> Comparison:
        """The same of the selected sources alone, with as many rows; selected: (num_sources,)."""
        return Comparison(
            given=np.where(selected, self.given, np.nan),
            true=np.where(selected, self.true, np.nan),
            sigma=np.where(selected, self.sigma, np.nan),
            redshift=self.redshift,
            scores={name: np.where(selected, of, np.nan) for name, of in self.scores.items()},
        )


def is_class(truth: Columns, name: str) -> Selected:
    """Sources whose true class has that name ("galaxy", "star", "qso")."""
    return np.asarray(truth["SPECTYPE"] == CLASSES.index(name.upper()))


def brighter_than(truth: Columns, limit: float) -> Selected:
    """Sources with i < limit."""
    with np.errstate(invalid="ignore"):
        return np.asarray(truth[reference_band().token] < limit)


def redshift(predicted: Columns, truth: Columns, name: str) -> Comparison:
    """Redshifts of the sources of one class ("galaxy" or "qso"), at all magnitudes."""
    token = REDSHIFT_TOKENS[name]
    return Comparison(
        given=predicted[token].astype(np.float64),
        true=truth["z"].astype(np.float64),
        sigma=predicted[f"{token}_ERR"].astype(np.float64),
        redshift=True,
        scores=_scores_of_pdf(predicted, token),
    ).among(is_class(truth, name))


def _scores_of_pdf(predicted: Columns, token: str) -> dict[str, Floats]:
    """Scores of p(z) that stand beside the answers; none where they are not known."""
    names = {name: f"{token}_{name.upper()}" for name in SCORES}
    if any(column not in predicted for column in names.values()):
        return {}
    return {name: predicted[column].astype(np.float64) for name, column in names.items()}


def comparisons(
    predicted: Columns, truth: Columns, *, faint_limit: float = FAINT_LIMIT
) -> dict[str, dict[str, Comparison]]:
    """Every comparison of the paper by class and quantity, of sources with i < ``faint_limit``.

    Redshifts ("z"); stellar parameters with i < 19; stellar mass and SFR; equivalent widths, their
    ratios, line fluxes and the corrected L(H-alpha) in dex, where both values are positive.
    """
    bright = brighter_than(truth, faint_limit)
    found: dict[str, dict[str, Comparison]] = {"galaxy": {}, "qso": {}, "star": {}}
    for name in REDSHIFT_TOKENS:
        found[name]["z"] = redshift(predicted, truth, name).among(bright)
    stars = is_class(truth, "star") & bright & brighter_than(truth, STELLAR_LIMIT)
    for token in STELLAR:
        found["star"][token] = linear(predicted, truth, token).among(stars)
    for name in ("galaxy", "qso"):
        for token in HOST:
            found[name][token] = linear(predicted, truth, token).among(
                bright & is_class(truth, name)
            )
    with np.errstate(invalid="ignore"):
        certain = predicted["LOGSFR_ERR"] < SFR_ERROR_LIMIT
    found["galaxy"]["LOGSFR_CERTAIN"] = found["galaxy"]["LOGSFR"].among(certain)
    for token in LINE_REDSHIFT_LIMIT:
        compare = in_dex if token in LINES else linear
        sample = line_sample(truth, token, faint_limit)
        found["galaxy"][token] = compare(predicted, truth, token).among(sample)
    found["galaxy"] |= _ratios(predicted, truth, faint_limit)
    found["galaxy"] |= _fluxes(predicted, truth, faint_limit)
    return found


def stated(
    predicted: Columns, truth: Columns, *, faint_limit: float = FAINT_LIMIT
) -> dict[str, dict[str, Comparison]]:
    """Comparisons of the quantities that the model states an error of, as it states them.

    Equivalent widths are in Angstrom, absorption included: their Gaussians are.
    """
    found = comparisons(predicted, truth, faint_limit=faint_limit)
    chosen = {
        name: {token: of for token, of in of_class.items() if token == "z" or token in predicted}
        for name, of_class in found.items()
    }
    for token in LINES:
        sample = line_sample(truth, token, faint_limit)
        chosen["galaxy"][token] = linear(predicted, truth, token).among(sample)
    return chosen


def line_sample(truth: Columns, token: str, faint_limit: float) -> Selected:
    """Galaxies observed in all narrow bands, one of which holds the token's line (Sect. 4.4)."""
    galaxies = is_class(truth, "galaxy") & brighter_than(truth, faint_limit)
    near = truth["z"] < LINE_REDSHIFT_LIMIT[token]
    return np.asarray(galaxies & near & (truth["num_bands"] == len(narrow_bands())))


def linear(predicted: Columns, truth: Columns, token: str) -> Comparison:
    """A quantity in its own unit."""
    return Comparison(
        given=predicted[token].astype(np.float64),
        true=truth[token].astype(np.float64),
        sigma=np.hypot(predicted[f"{token}_ERR"], truth[f"{token}_ERR"]).astype(np.float64),
    )


def in_dex(predicted: Columns, truth: Columns, token: str) -> Comparison:
    """log10 of a quantity, of the sources where both values are positive; sigma to first order."""
    given, true = _log10(predicted[token]), _log10(truth[token])
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.hypot(
            predicted[f"{token}_ERR"] / predicted[token], truth[f"{token}_ERR"] / truth[token]
        )
    both = np.isfinite(given) & np.isfinite(true)
    sigma = np.where(both, relative / np.log(10), np.nan)
    return Comparison(given=given, true=true, sigma=sigma).among(both)


def flattened(
    found: Mapping[str, Mapping[str, Comparison]],
) -> Iterator[tuple[str, str, Comparison]]:
    """Class, quantity and comparison, one after the other."""
    for name, of_class in found.items():
        for quantity, comparison in of_class.items():
            yield name, quantity, comparison


def _ratios(predicted: Columns, truth: Columns, faint_limit: float) -> dict[str, Comparison]:
    """Diagnostic ratios of galaxies whose two lines the spectra show (Fig. 6)."""
    found = {}
    for name, (above, below) in LINE_RATIOS.items():
        given = _log10(predicted[above]) - _log10(predicted[below])
        true = _log10(truth[above]) - _log10(truth[below])
        sample = line_sample(truth, above, faint_limit) & shows_both(truth, name)
        unknown = np.full(len(given), np.nan)
        found[name] = Comparison(given=given, true=true, sigma=unknown).among(
            sample & np.isfinite(given)
        )
    return found


def shows_both(truth: Columns, ratio: str) -> Selected:
    """One line of the ratio above 10 Angstrom, the other above 3."""
    first, second = (truth[token] for token in LINE_RATIOS[ratio])
    with np.errstate(invalid="ignore"):
        strong, weak = np.maximum(first, second), np.minimum(first, second)
        return np.asarray((strong > STRONG_EW) & (weak > DETECTED_EW))


def _fluxes(predicted: Columns, truth: Columns, faint_limit: float) -> dict[str, Comparison]:
    """Line fluxes and extinction-corrected L(H-alpha), both from the same i flux (App. C)."""
    i_flux = truth["AUTO_iSDSS"]
    ours = derived(predicted, i_flux)
    known = derived(truth | {"Z_GAL": truth["z"], "Z_GAL_ERR": truth["z_err"]}, i_flux)
    found = {
        name: in_dex(ours, known, name).among(line_sample(truth, width, faint_limit))
        for name, (_, width) in FLUX_LINES.items()
    }
    sample = line_sample(truth, "HALPHA_6562_EW", faint_limit)
    found["L_HALPHA_CORR"] = in_dex(ours, known, "L_HALPHA_CORR").among(sample)
    with np.errstate(invalid="ignore"):
        strong = truth["HALPHA_6562_EW"] > STRONG_EW
    found["L_HALPHA_CORR_STRONG"] = found["L_HALPHA_CORR"].among(strong)
    return found


def _log10(values: NDArray[np.floating]) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        logarithm = np.log10(values.astype(np.float64))
    return np.asarray(np.where(values > 0, logarithm, np.nan))
