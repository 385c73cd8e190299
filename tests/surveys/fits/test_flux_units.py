"""One unit in all of its spellings; another scale or quantity is never taken for it."""

import pytest

from ojala.surveys.fits.flux_units import in_flux_density


@pytest.mark.parametrize(
    "text",
    [
        "10**-17 erg/(s cm2 Angstrom)",
        "10-17 erg/s/cm2/Angstrom",
        "10^(-17) erg s-1 cm-2 A-1",
        "10(-17) erg/s/cm^2/A",
        "1e-17 erg / (Angstrom cm2 s)",
        "1.0E-17 ergs/sec/cm**2/ang",
        "1D-17 erg/(s*cm^2*AA)",
        "1 x 10^-17 erg.s-1.cm-2.Angstroms-1",
        "(10**-17) ERG/S/CM2/ANGSTROM",
        "1e-17 (erg/s/cm2/Angstrom)",
        "1e-20 W / (m2 Angstrom)",
        "1e-16 erg / (s cm2 nm)",
    ],
)
def test_every_spelling_of_desis_unit(text):
    assert in_flux_density(text) == pytest.approx(1e-17, rel=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        "10**+34 (s2 cm4 Angstrom2) / erg2",
        "1e34 cm4 A2 s2 / ergs2",
        "10^34 (s^2 cm^4 A^2) / erg^2",
        "10+34 s2 cm4 Ang2/erg2",
    ],
)
def test_every_spelling_of_its_inverse_variance(text):
    assert in_flux_density(text, -2) == pytest.approx(1e34, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("1e-16 erg/(s cm2 Angstrom)", 1e-16),
        ("10**17 erg/(s cm2 Angstrom)", 1e17),
        ("10**+17 erg/(s cm2 Angstrom)", 1e17),
        ("10+17 erg/(s cm2 Angstrom)", 1e17),
        ("erg/s/cm2/A", 1.0),
        ("1e-19 erg / (s cm2 Angstrom)", 1e-19),
        ("W / (m2 nm)", 100.0),
    ],
)
def test_a_scale_is_kept_with_its_sign(text, scale):
    assert in_flux_density(text) == pytest.approx(scale)


@pytest.mark.parametrize(
    "text",
    ["", "10**-17", "Jy", "nanomaggy", "W/m2", "1e-17 erg/s/cm2", "1e-17 erg/s/cm2/A/arcsec2", "?"],
)
def test_another_quantity_is_named(text):
    with pytest.raises(ValueError, match="is not a unit of flux per wavelength") as caught:
        in_flux_density(text)
    assert repr(text) in str(caught.value)
