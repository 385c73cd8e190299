"""The responses and where they come from."""

from __future__ import annotations

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest

from ojala.physics import responses
from ojala.physics.responses import Response, legacy, load, measured, packaged, svo
from ojala.physics.synphot import ab_mag, pivot_wave, prepare, synthesize
from ojala.sky.galaxies import galaxies
from ojala.sky.quasars import quasars
from ojala.sky.stars import stars
from ojala.surveys.desi.coadds import read_coadd
from ojala.vocabulary.bands import bands, narrow_bands

NARROW = tuple(band.token for band in narrow_bands())
SHARED = Path(__file__).parents[2] / "../shared/data"
CURVES = Path(os.environ.get("OJALA_FILTER_CURVES", SHARED / "filters"))

VOTABLE = """<?xml version="1.0"?>
<VOTABLE version="1.1" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <INFO name="QUERY_STATUS" value="OK"/>
  <RESOURCE type="results">
    <TABLE utype="photdm:PhotometryFilter.transmissionCurve.spectrum">
      <PARAM name="filterID" value="{name}" datatype="char" arraysize="*"/>
      <FIELD name="Wavelength" ucd="em.wl" unit="{unit}" datatype="float"/>
      <FIELD name="Transmission" ucd="phys.transmission" unit="" datatype="float"/>
      <DATA><TABLEDATA>{rows}</TABLEDATA></DATA>
    </TABLE>
  </RESOURCE>
</VOTABLE>"""

NOT_FOUND = """<?xml version="1.0"?>
<VOTABLE version="1.1"><INFO name="QUERY_STATUS" value="ERROR">
  <DESCRIPTION>Filter not found</DESCRIPTION></INFO></VOTABLE>"""


class FilterService(BaseHTTPRequestHandler):
    """Answers as the Filter Profile Service does; /nanometres and /empty answer differently."""

    def do_GET(self):
        address = urlparse(self.path)
        name = parse_qs(address.query)["ID"][0]
        token = name.removeprefix("OAJ/JPAS.")
        scale, unit = (10, "nm") if address.path == "/nanometres" else (1, "AA")
        if address.path == "/down":
            self.send_error(503)
            return
        curve = packaged().get(token)
        body = NOT_FOUND
        if curve is not None and address.path != "/empty":
            pairs = zip(curve.wave / scale, curve.throughput, strict=True)
            rows = "".join(f"<TR><TD>{w}</TD><TD>{t}</TD></TR>" for w, t in pairs)
            body = VOTABLE.format(name=name, unit=unit, rows=rows)
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.end_headers()
        self.wfile.write(("<html>" if address.path == "/html" else body).encode())

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture(scope="module")
def service():
    server = ThreadingHTTPServer(("127.0.0.1", 0), FilterService)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def directory(tmp_path):
    for token in NARROW:
        curve = packaged()[token]
        np.savetxt(tmp_path / f"{token}.txt", np.column_stack([curve.wave, curve.throughput]))
    return tmp_path


def test_every_band_has_a_response_where_the_table_says():
    curves = packaged()
    assert set(curves) == {band.token for band in bands()}
    for band in bands():
        assert abs(pivot_wave(curves[band.token]) - band.wave) < 0.1
        assert np.all(curves[band.token].throughput >= 0)


def test_narrow_responses_fit_into_the_spectra_of_desi():
    matrix = prepare(3600 + 0.8 * np.arange(7781), packaged(), NARROW)
    assert np.allclose(matrix.coverage, 1, atol=1e-6)
    for token in NARROW:
        assert packaged()[token].throughput[[0, -1]].tolist() == [0, 0]


def test_the_legacy_surveys_have_two_systems():
    north, south = legacy("N"), legacy("S")
    assert set(north) == set(south) == {"MAG_G", "MAG_R", "MAG_Z"}
    for token in south:
        assert 0 < abs(pivot_wave(north[token]) - pivot_wave(south[token])) < 100
        assert pivot_wave(packaged()[token]) == pivot_wave(south[token])
    with pytest.raises(ValueError, match="photsys 'X' is not known: expected 'N' or 'S'"):
        legacy("X")


@pytest.mark.parametrize(
    ("wave", "throughput", "sentence"),
    [
        ([1, 2], [0, 1], "three or more pairs"),
        ([1, 3, 2], [0, 1, 0], "increase strictly"),
        ([1, 2, np.nan], [0, 1, 0], "finite"),
        ([1, 2, 3], [0, -1, 0], "not negative"),
        ([1, 2, 3], [0, 0, 0], "zero everywhere"),
    ],
)
def test_a_response_is_a_curve(wave, throughput, sentence):
    with pytest.raises(ValueError, match=sentence):
        Response(np.array(wave, float), np.array(throughput, float))


def test_a_directory_replaces_the_narrow_bands(directory):
    read = load(directory)
    assert set(read) == set(packaged())
    for token in NARROW:
        assert np.allclose(read[token].throughput, packaged()[token].throughput)
    assert read["MAG_i"].wave.tolist() == packaged()["MAG_i"].wave.tolist()


def test_commas_and_comments_are_read(directory):
    text = (directory / "J0500.txt").read_text()
    (directory / "J0500.txt").unlink()
    (directory / "J0500.csv").write_text("# wave,throughput\n" + text.replace(" ", ","))
    assert np.allclose(measured(directory)["J0500"].wave, packaged()["J0500"].wave)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda path: path.unlink(), r"0 files J0660\.\*, expected one"),
        (lambda path: path.write_text("a b\n"), r"J0660\.txt: expected two columns of numbers"),
        (lambda path: path.write_text("1\n2\n3\n"), r"J0660\.txt: expected two columns"),
        (lambda path: path.write_text("1 0\n2 -1\n3 0\n"), r"J0660\.txt: .*not negative"),
        (lambda path: path.write_text("650 0\n660 1\n670 0\n"), r"J0660\.txt: mean wavelength 660"),
        (lambda path: path.write_text(""), r"J0660\.txt: expected two columns"),
    ],
)
def test_a_wrong_curve_is_named(directory, change, sentence):
    change(directory / "J0660.txt")
    with pytest.raises(ValueError, match=sentence):
        measured(directory)


@pytest.mark.parametrize("path", ["", "/nanometres"])
def test_the_filter_profile_service_replaces_the_narrow_bands(service, path):
    read = load(service + path)
    assert set(read) == set(packaged())
    for token in NARROW:
        assert abs(pivot_wave(read[token]) - pivot_wave(packaged()[token])) < 0.01


def test_svo_is_the_address_of_that_service(service, monkeypatch):
    monkeypatch.setattr(responses, "SVO", service)
    assert set(load("svo")) == set(packaged())


@pytest.mark.parametrize("path", ["/empty", "/html"])
def test_an_answer_without_a_curve_is_named(service, path):
    with pytest.raises(ValueError, match=r"ID=OAJ/JPAS.J0378: expected a VOTable"):
        svo(service + path)


def test_a_service_that_is_down_is_named(service):
    with pytest.raises(ConnectionError, match=r"OAJ/JPAS.J0378 did not answer"):
        svo(service + "/down")
    with pytest.raises(ConnectionError, match="did not answer"):
        svo("http://127.0.0.1:9")


def emission_line_spectra(wave, num_spectra, seed):
    """Power laws with the lines of an HII region at any redshift to 1.6, EW(Halpha) to 1000 A."""
    rng = np.random.default_rng(seed)
    redshift = rng.uniform(0, 1.6, (num_spectra, 1))
    width = 10 ** rng.uniform(1.7, 2.6, (num_spectra, 1)) / 299_792
    flux = (wave / 6000) ** rng.uniform(-2.5, 1, (num_spectra, 1))
    halpha = 10 ** rng.uniform(0.5, 3, (num_spectra, 1))
    oxygen = halpha * 10 ** rng.uniform(-1, 0.3, (num_spectra, 1))
    lines = {6564.6: halpha, 4862.7: 0.3 * halpha, 5008.2: oxygen, 4960.3: oxygen / 3}
    lines |= {3728.5: 0.5 * oxygen, 6585.3: 0.2 * halpha, 6725.0: 0.2 * halpha}
    total = flux.copy()
    for rest_wave, rest_ew in lines.items():
        centre, sigma = rest_wave * (1 + redshift), rest_wave * (1 + redshift) * width
        profile = np.exp(-(((wave - centre) / sigma) ** 2) / 2) / (sigma * np.sqrt(2 * np.pi))
        total += flux * rest_ew * (1 + redshift) * profile
    return total


def quasar_spectra(wave, num_spectra, seed):
    """Power laws with the broad lines of quasars at redshifts from 0.3 to 4.5."""
    rng = np.random.default_rng(seed)
    redshift = rng.uniform(0.3, 4.5, (num_spectra, 1))
    flux = (wave / 6000) ** rng.uniform(-2.2, -0.5, (num_spectra, 1))
    total = flux.copy()
    for rest_wave in (1215.7, 1549.5, 1908.7, 2799.1, 4862.7, 6564.6):
        centre = rest_wave * (1 + redshift)
        sigma = centre * 10 ** rng.uniform(3, 3.6, (num_spectra, 1)) / 299_792
        rest_ew = 10 ** rng.uniform(1, 2.3, (num_spectra, 1))
        profile = np.exp(-(((wave - centre) / sigma) ** 2) / 2) / (sigma * np.sqrt(2 * np.pi))
        total += flux * rest_ew * (1 + redshift) * profile
    return total


def black_bodies(wave, num_spectra, seed):
    """Planck spectra between 2000 and 40,000 K."""
    kelvin = 10 ** np.random.default_rng(seed).uniform(3.3, 4.6, (num_spectra, 1))
    exponent = 1.4388e8 / (wave * kelvin)
    return (5000 / wave) ** 5 / np.expm1(exponent)


def differences(flux, ivar, wave, tokens=NARROW, min_significance=0.0):
    """Analytic less measured AB magnitude, NaN below a signal-to-noise ratio."""
    magnitudes = []
    for curves in (packaged(), measured(CURVES)):
        matrix = prepare(wave, curves, tokens)
        fluxes = synthesize(flux, ivar, matrix)
        magnitudes.append(ab_mag(fluxes.flux_lambda, matrix.pivot))
    if ivar is not None:
        significant = fluxes.flux_lambda > min_significance * fluxes.flux_err
        magnitudes[0] = np.where(significant, magnitudes[0], np.nan)
    return magnitudes[0] - magnitudes[1]


def report(title, difference, tokens=NARROW):
    """Print the medians, 99th percentiles and maxima of |difference|; return the first two."""
    size = np.abs(difference)
    median, high = np.nanmedian(size, axis=0), np.nanpercentile(size, 99, axis=0)
    worst = f"{high.max():.4f} ({tokens[high.argmax()]}), all {np.nanmax(size):.4f} mag"
    print(f"{title}: median at most {median.max():.4f} ({tokens[median.argmax()]}),")
    print(f"  99 % within {np.median(high):.4f} in the middle band, in the worst {worst}")
    return median, high


needs_curves = pytest.mark.skipif(
    not CURVES.is_dir(), reason="measured curves are absent: set OJALA_FILTER_CURVES"
)


@needs_curves
@pytest.mark.parametrize("sky", [emission_line_spectra, quasar_spectra, black_bodies])
def test_analytic_and_measured_magnitudes_agree(sky):
    wave = np.arange(3500.0, 10_600.0, 1.0)
    median, high = report(sky.__name__, differences(sky(wave, 800, 7), None, wave))
    assert np.all(median < 0.005) and np.all(high < 0.03)


@needs_curves
@pytest.mark.parametrize(
    ("kind", "sample"), [(galaxies, "bgs"), (galaxies, "elg"), (quasars, "qso"), (stars, "mws")]
)
def test_analytic_and_measured_magnitudes_agree_on_the_simulated_sky(kind, sample):
    wave = np.arange(3500.0, 10_600.0, 1.0)
    flux = kind.render(kind.draw(np.random.default_rng(5), 500, sample), wave)
    median, high = report(f"simulated {sample}", differences(flux, None, wave))
    assert np.all(median < 0.005) and np.all(high < 0.03)


@needs_curves
@pytest.mark.skipif(not (SHARED / "desi").is_dir(), reason="real spectra are absent")
def test_analytic_and_measured_magnitudes_agree_on_real_spectra():
    flux, ivar = [], []
    for path in sorted((SHARED / "desi").glob("coadd-*.fits")):
        spectra = read_coadd(path).spectra
        whole = np.mean(spectra.ivar > 0, axis=1) > 0.9
        for shift in range(-1000, 1000, 20):  # pixels: every feature through every edge
            flux.append(np.roll(spectra.flux[whole], shift, axis=1))
            ivar.append(np.roll(spectra.ivar[whole], shift, axis=1))
    difference = differences(
        np.concatenate(flux), np.concatenate(ivar), spectra.wave, min_significance=5
    )
    median, high = report("real spectra, signal to noise above 5", difference)
    assert np.all(median < 0.005) and np.all(high < 0.03)


@needs_curves
def test_the_red_leak_of_j0910_is_small_and_leaves_it_observed():
    curve = measured(CURVES)["J0910"]
    matrix = prepare(3600 + 0.8 * np.arange(7781), {"J0910": curve}, ("J0910",))
    assert 0.996 < matrix.coverage[0] < 0.998
    wave = np.arange(8000.0, 10_600.0)
    for sky in (black_bodies, quasar_spectra):
        difference = differences(sky(wave, 800, 3), None, wave, ("J0910",))
        _, high = report(f"J0910, {sky.__name__}", difference, ("J0910",))
        assert high[0] < 0.01
