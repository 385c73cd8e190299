"""Given against true: stellar parameters, emission lines, masses (Figs. 5, 6, 8, 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from ojala.evaluation.comparisons import (
    HALPHA_LIMIT,
    HBETA_LIMIT,
    SFR_ERROR_LIMIT,
    STELLAR_LIMIT,
    STRONG_EW,
    Comparison,
)
from ojala.figures.panels import density_bar, one_to_one

Found = Mapping[str, Mapping[str, Comparison]]
"""Comparisons of one set (``comparisons.comparisons``), by class and quantity."""

Panel = tuple[str, str, str]
"""Class, quantity, and its name with its unit."""

STELLAR_PANELS: tuple[Panel, ...] = (
    ("star", "TEFF", r"$T_{\rm eff}$ (K)"),
    ("star", "LOGG", r"log $g$ (cm s$^{-2}$)"),
    ("star", "FEH", "[Fe/H] (dex)"),
    ("star", "ALPHAFE", r"[$\alpha$/Fe] (dex)"),
)
LINE_PANELS: tuple[Panel, ...] = (
    ("galaxy", "HALPHA_6562_EW", r"log$_{10}$ EW(H$\alpha$) ($\rm\AA$)"),
    ("galaxy", "HBETA_4861_EW", r"log$_{10}$ EW(H$\beta$) ($\rm\AA$)"),
    ("galaxy", "NII_6584_EW", r"log$_{10}$ EW([NII]) ($\rm\AA$)"),
    ("galaxy", "OIII_5007_EW", r"log$_{10}$ EW([OIII]) ($\rm\AA$)"),
    ("galaxy", "NII_HALPHA", r"log$_{10}$ [NII]/H$\alpha$"),
    ("galaxy", "OIII_HBETA", r"log$_{10}$ [OIII]/H$\beta$"),
)
LUMINOSITY = r"log$_{10}$ $L$(H$\alpha$) (erg s$^{-1}$)"
LUMINOSITY_PANELS: tuple[Panel, ...] = (
    ("galaxy", "L_HALPHA_CORR", LUMINOSITY),
    ("galaxy", "L_HALPHA_CORR_STRONG", LUMINOSITY),
)
MASS, RATE = r"log$_{10}$ $M_\star$ (M$_\odot$)", r"log$_{10}$ SFR (M$_\odot$ yr$^{-1}$)"
MASS_PANELS: tuple[Panel, ...] = (
    ("galaxy", "LOGM", f"Galaxies: {MASS}"),
    ("galaxy", "LOGSFR_CERTAIN", f"Galaxies, certain: {RATE}"),
    ("galaxy", "LOGSFR", f"Galaxies: {RATE}"),
    ("qso", "LOGM", f"Quasars' hosts: {MASS}"),
    ("qso", "LOGSFR", f"Quasars' hosts: {RATE}"),
)
MWS, FASTSPECFIT, CIGALE = "DESI MWS", "FastSpecFit", "CIGALE"
"""Catalogues that the true values come from."""

READING = "N, bias and scatter of Test-Real, which is drawn; of Test-Synth in parentheses"


def stellar_parameters(real: Found, synth: Found) -> Figure:
    """Fig. 5: effective temperature, gravity, metallicity and alpha enhancement."""
    title = f"Stars with i < {STELLAR_LIMIT:g}"
    return _panels(real, synth, STELLAR_PANELS, MWS, title, columns=2)


def equivalent_widths(real: Found, synth: Found, faint_limit: float) -> Figure:
    """Fig. 6: equivalent widths of four lines and two ratios."""
    title = (
        f"Galaxies observed in all narrow bands, i < {faint_limit:g}, with z < {HALPHA_LIMIT:g} "
        rf"(H$\alpha$, [NII]) or z < {HBETA_LIMIT:g} (H$\beta$, [OIII])"
    )
    return _panels(real, synth, LINE_PANELS, FASTSPECFIT, title, columns=3)


def luminosities(real: Found, synth: Found, faint_limit: float) -> Figure:
    """Fig. 8: extinction-corrected H-alpha luminosity, of all galaxies and of strong emitters."""
    strong = f"those of EW(H$\\alpha$) > {STRONG_EW:g} $\\rm\\AA$ right"
    title = (
        f"Galaxies with i < {faint_limit:g}, z < {HALPHA_LIMIT:g} left, {strong}; "
        "luminosities corrected for extinction"
    )
    return _panels(real, synth, LUMINOSITY_PANELS, FASTSPECFIT, title, columns=2)


def masses(real: Found, synth: Found, faint_limit: float) -> Figure:
    """Fig. 9: stellar masses and star-formation rates of galaxies and of quasars' hosts."""
    certain = f"certain: galaxies whose predicted error of the SFR is below {SFR_ERROR_LIMIT:g} dex"
    title = f"Sources with i < {faint_limit:g}; {certain}"
    return _panels(real, synth, MASS_PANELS, CIGALE, title, columns=3)


def control(real: Found, synth: Found) -> Figure:
    """Control test of Sect. 4.5: the same from broad bands and the spectroscopic redshift."""
    title = "The model is shown g, r, z, W1, W2 and the spectroscopic redshift alone"
    return _panels(real, synth, MASS_PANELS, CIGALE, title, columns=3)


def _panels(
    real: Found,
    synth: Found,
    panels: Sequence[Panel],
    reference: str,
    title: str,
    *,
    columns: int,
) -> Figure:
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.4 * columns + 0.8, 4.1 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    points = [
        one_to_one(axis, real[class_name][token], synth[class_name][token], name, reference)
        for axis, (class_name, token, name) in zip(axes.flat, panels, strict=False)
    ]
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    drawn = [panel for panel in points if panel is not None]
    if drawn:
        density_bar(figure, axes.flat[: len(panels)].tolist(), drawn[0])
    figure.suptitle(f"{title}\n{READING}", fontsize=10)
    return figure
