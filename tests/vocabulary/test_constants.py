"""Constants are what nature and the tables say, and stand in one place."""

import math
import re
from pathlib import Path

import astropy.units as u
import pytest
from astropy import constants as nature

from ojala.evaluation.contexts import HIDDEN_LINES
from ojala.sky.instruments.redshift_fits import LINES
from ojala.training_set.spectrum_labels import CONTINUUM_LINES
from ojala.vocabulary import constants
from ojala.vocabulary.emission_lines import near_wave, rest_waves
from ojala.vocabulary.quantities import queries

ROOT = Path(__file__).parents[2]
CODE = [path for room in ("ojala", "pipelines", "serving") for path in (ROOT / room).rglob("*.py")]


def test_the_speed_of_light_is_nature_s_in_both_units():
    assert nature.c.to_value(u.km / u.s) == constants.SPEED_OF_LIGHT
    assert pytest.approx(nature.c.to_value(u.AA / u.s), rel=1e-15) == constants.ANGSTROM_PER_SECOND


def test_magnitudes_are_ab():
    assert (3631 * u.Jy).to_value("erg/(s cm2 Hz)") == constants.AB_ZERO_FLUX
    assert pytest.approx(-2.5 * math.log10(3.631e-6 / 3631)) == constants.NANOMAGGIE_ZERO
    step = 1e-6
    assert 2.5 * math.log10(1 + step) / step == pytest.approx(constants.POGSON, rel=1e-5)
    assert pytest.approx((1 * u.deg**2).to_value(u.sr)) == constants.SQUARE_DEGREE


def test_lines_that_are_hidden_labelled_or_fitted_are_of_the_one_table():
    assert set(HIDDEN_LINES) | set(CONTINUUM_LINES.values()) <= rest_waves().keys()
    for name in LINES:
        assert name in queries() or name == "OII_3727_EW"
    doublet = (rest_waves()["OII_3726"] + rest_waves()["OII_3729"]) / 2
    assert LINES["OII_3727_EW"] == pytest.approx(doublet, abs=0.05)


def test_rest_waves_are_those_in_vacuum():
    """Air wavelengths of Osterbrock & Ferland, made vacuum by the refraction of dry air."""
    air = {"HBETA_4861": 4861.33, "OIII_5007": 5006.84, "HALPHA_6562": 6562.81, "NII_6584": 6583.45}
    for line, wave in air.items():
        squared = (1e4 / wave) ** 2
        refraction = 5.792105e-2 / (238.0185 - squared) + 1.67917e-3 / (57.362 - squared)
        assert rest_waves()[line] == pytest.approx(wave * (1 + refraction), abs=0.03)
        assert near_wave(line) == pytest.approx(rest_waves()[line], abs=0.05 + 1e-9)


@pytest.mark.parametrize("digits", [r"299_?792", r"2\.9979", r"656[2-5]\.\d"])
def test_a_constant_is_written_once(digits):
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in CODE
        for line in path.read_text().splitlines()
        if re.search(rf"= *\(*{digits}", line) and not line.lstrip().startswith("#")
    ]
    assert len(found) <= 1, found
