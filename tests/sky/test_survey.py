from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from ojala.sky import cells
from ojala.sky.survey import SkyConfig, simulate
from ojala.sky.truth_table import read_truth
from ojala.surveys.desi.coadds import read_coadd, read_redrock
from ojala.surveys.desi.tree import catalogues, pairs
from ojala.surveys.desi.vacs import read_bhmass, read_cigale, read_fastspecfit, read_mws
from ojala.surveys.jpas.dual_mode import read_dual
from ojala.tables.rejects import Rejects
from ojala.training_set.jpas_table import table

CONFIG = SkyConfig(
    num_desi=120,
    num_jpas=300,
    num_both=60,
    desi_per_cell=30,
    jpas_per_cell=150,
    bad_share=0.2,
    blend_share=0.05,
    missing_tray_share=0.2,
)


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    out = tmp_path_factory.mktemp("sky") / "simulated"
    return out, simulate(CONFIG, out)


def digests(directory):
    return {
        str(path.relative_to(directory)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_two_workers_write_the_same_bytes(sky, tmp_path):
    simulate(CONFIG, tmp_path / "again", num_workers=2)
    assert digests(tmp_path / "again") == digests(sky[0])


def test_a_cell_is_the_same_whatever_is_made_before_it(sky, tmp_path):
    whole = digests(sky[0])
    for cell in reversed(CONFIG.cells()):
        cells.make(CONFIG, tmp_path, cell)
    alone = digests(tmp_path)
    assert alone
    assert all(whole[name] == digest for name, digest in alone.items())
    assert all("/vac/" in name for name in whole.keys() - alone.keys())


def test_another_seed_is_another_sky(sky, tmp_path):
    cell = CONFIG.cells()[0]
    cells.make(replace(CONFIG, seed=2), tmp_path, cell)
    whole = digests(sky[0])
    assert not any(whole[name] == digest for name, digest in digests(tmp_path).items())


def test_counts_are_those_asked_for(sky):
    out, counts = sky
    truth = read_truth(out / "truth")
    assert counts["sources"] == len(truth["z"]) == 120 + 300 - 60
    assert counts["DESI spectra"] == np.sum(truth["targetid"] > 0) == 120
    assert counts["J-PAS detections"] == np.sum(truth["number"] > 0)
    assert sum(n for name, n in counts.items() if name.startswith("sources: ")) == 360


def spectra(out):
    """Every target of every coadd: targetid -> (flux, ivar, fibermap row, redshift row)."""
    found = {}
    for pair in pairs(out / "desi"):
        coadd, redshifts = read_coadd(pair.coadd), read_redrock(pair.redrock[0])
        assert np.array_equal(coadd.fibermap["TARGETID"], redshifts["TARGETID"])
        for row, targetid in enumerate(coadd.fibermap["TARGETID"].tolist()):
            fibermap = {name: values[row] for name, values in coadd.fibermap.items()}
            redshift = {name: values[row] for name, values in redshifts.items()}
            pixels = coadd.spectra.flux[row], coadd.spectra.ivar[row]
            found[targetid] = (*pixels, fibermap, redshift)
    return found


def test_our_reader_finds_every_target_where_the_truth_has_it(sky):
    truth, found = read_truth(sky[0] / "truth"), spectra(sky[0])
    targets = np.flatnonzero(truth["targetid"] > 0)
    assert set(truth["targetid"][targets].tolist()) <= set(found)
    confident = 0
    for row in targets:
        _, ivar, fibermap, redshift = found[int(truth["targetid"][row])]
        assert fibermap["OBJTYPE"] == "TGT"
        assert fibermap["TARGET_RA"] == truth["ra"][row]
        if redshift["ZWARN"] == 0 and fibermap["COADD_FIBERSTATUS"] == 0:
            confident += abs(redshift["Z"] - truth["z"][row]) < 0.01 * (1 + truth["z"][row])
            assert np.any(ivar > 0)
    assert confident > 0.7 * len(targets)


def test_some_fibres_are_spoilt_or_on_blank_sky(sky):
    rows = list(spectra(sky[0]).values())
    assert any(fibermap["COADD_FIBERSTATUS"] != 0 for *_, fibermap, _ in rows)
    assert any(not np.any(ivar) for _, ivar, *_ in rows)
    for _, _, fibermap, redshift in rows:
        if fibermap["OBJTYPE"] == "SKY":
            assert redshift["ZWARN"] != 0


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("fastspecfit", read_fastspecfit),
        ("cigale", read_cigale),
        ("mws", read_mws),
        ("bhmass", read_bhmass),
    ],
)
def test_the_catalogues_know_the_sources(sky, kind, read):
    truth = read_truth(sky[0] / "truth")
    labels = [read(path) for path in catalogues(sky[0] / "desi")[kind]]
    targetid = np.concatenate([columns["targetid"] for columns in labels])
    assert len(targetid) and set(targetid.tolist()) <= set(truth["targetid"].tolist())


def test_jpas_sees_desis_targets_at_their_places_with_all_their_photometry(sky):
    out = sky[0]
    rejects = Rejects()
    blocks = list(table(out / "jpas", out / "legacy", rejects))
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    detections = sum(len(block) for block in read_dual(out / "jpas"))
    assert len(columns["ra"]) + len(rejects) == detections
    assert np.mean(np.isfinite(columns["MAG_R"])) > 0.9
    assert np.all(columns["MORPHTYPE"] >= 0)
    truth = read_truth(out / "truth")
    keys = {key: row for row, key in enumerate(zip(truth["tile_id"], truth["number"], strict=True))}
    rows = [keys[key] for key in zip(columns["tile_id"], columns["number"], strict=True)]
    assert np.abs(columns["dec"] - truth["dec"][rows]).max() < 0.5 / 3600
    true_i = truth["MAG_i"][rows] * 100
    assert np.median(columns["AUTO_iSDSS"] / true_i) == pytest.approx(0.96, abs=0.05)


def test_magnitudes_and_fluxes_are_the_same_sources(sky):
    fluxes = list(read_dual(sky[0] / "jpas"))
    magnitudes = list(read_dual(sky[0] / "jpas" / "magnitudes"))
    for flux, mag in zip(fluxes, magnitudes, strict=True):
        assert np.array_equal(flux.number, mag.number)
        both = np.isfinite(flux.flux) & np.isfinite(mag.flux)
        assert np.all(flux.flux[both] > 0)
        assert mag.flux[both] == pytest.approx(flux.flux[both], rel=1e-4)
        assert np.any(flux.flux < 0)


def test_neighbours_are_within_an_arcsecond(sky):
    truth = read_truth(sky[0] / "truth")
    first = np.flatnonzero((truth["neighbour"] >= 0) & (truth["targetid"] > 0))
    assert len(first)
    for row in first:
        start = np.flatnonzero(truth["healpix"] == truth["healpix"][row])[0]
        other = start + truth["neighbour"][row]
        north = truth["dec"][other] - truth["dec"][row]
        east = (truth["ra"][other] - truth["ra"][row]) * np.cos(np.radians(truth["dec"][row]))
        assert np.hypot(north, east) * 3600 < 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"num_both": 121}, "num_both is 121, expected at most 120"),
        ({"gap": -1.0}, "gap is -1.0, expected 0 or more"),
        ({"bad_share": 1.5}, "bad_share is 1.5"),
        ({"desi_mix": {"BSG": 1.0}}, "'BSG' is not a sample"),
        ({"field_mix": {"field stars": 0.0}}, "field_mix is"),
    ],
)
def test_a_wrong_parameter_is_named(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(CONFIG, **wrong)


def test_nothing_is_left_of_a_sky_that_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "write_truth", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        simulate(CONFIG, tmp_path / "sky")
    assert not list(tmp_path.iterdir())
