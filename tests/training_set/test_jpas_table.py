import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ojala.commands.jpas import add_arguments, main
from ojala.physics.jpas_filters import I_BAND, over_i
from ojala.physics.photometry import Photometry
from ojala.surveys.jpas.dual_mode import FILTERS, write_dual
from ojala.surveys.legacy import BANDS, write_sweep
from ojala.tables.pixels import healpix
from ojala.tables.rejects import Rejects
from ojala.tables.shards import Columns, jpas_schema, read_table
from ojala.training_set.jpas_table import table
from ojala.vocabulary.bands import band, narrow_bands
from ojala.vocabulary.quantities import MORPHTYPES

TOKENS = [band.token for band in narrow_bands()]


def make_dual(path: Path, num_sources: int = 12, form: str = "flux") -> Columns:
    """Sources of one spectral shape; the last three lack i, a position, and five bands."""
    rng = np.random.default_rng(5)
    shape = (num_sources, len(FILTERS))
    columns: Columns = {
        "tile_id": np.full(num_sources, 7),
        "number": np.arange(num_sources),
        "alpha_j2000": rng.uniform(10, 11, num_sources),
        "delta_j2000": rng.uniform(0, 1, num_sources),
    }
    for aperture, light in (("auto", 2.0), ("aper_cor_3_0", 1.0)):
        columns[f"flux_{aperture}"] = np.broadcast_to(light * np.linspace(5, 20, 57), shape).copy()
        columns[f"flux_err_{aperture}"] = np.full(shape, 0.5)
    columns["flux_aper_cor_3_0"][-3, I_BAND] = -1.0
    columns["delta_j2000"][-2] = np.nan
    columns["flux_aper_cor_3_0"][-1, 10:15] = np.nan
    write_dual(path, columns, form=form)
    return columns


@pytest.fixture
def dual(tmp_path: Path) -> Path:
    make_dual(tmp_path / "dual.fits")
    return tmp_path / "dual.fits"


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    sources = make_dual(tmp_path / "unused.fits")
    near: Columns = {
        "RA": sources["alpha_j2000"][:6] + 0.2 / 3600,
        "DEC": sources["delta_j2000"][:6],
        "TYPE": np.full(6, "EXP"),
    }
    for name in BANDS:
        near |= {f"FLUX_{name}": np.full(6, 10.0), f"FLUX_IVAR_{name}": np.full(6, 4.0)}
    write_sweep(tmp_path / "sweep.fits", near)
    return tmp_path / "sweep.fits"


def rows(dual: Path, sweep: Path | None, **options: int) -> tuple[Columns, Rejects]:
    rejects = Rejects()
    blocks = list(table(dual, sweep, rejects, **options))
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}, rejects


def test_rows_and_rejects_add_up_and_each_reject_has_its_reason(dual: Path):
    columns, rejects = rows(dual, None, rows_per_block=5)
    assert len(columns["ra"]) + len(rejects) == 12
    assert dict(zip(rejects.source_id, rejects.reason, strict=True)) == {
        "7-9": "no i-band flux",
        "7-10": "no position",
        "7-11": "fewer than 50 bands",
    }
    assert sorted(rejects.row) == [9, 10, 11]
    by_name = dict(zip(rejects.source_id, zip(rejects.ra, rejects.dec, strict=True), strict=True))
    sources = make_dual(dual)
    for number in (9, 11):
        place = sources["alpha_j2000"][number], sources["delta_j2000"][number]
        assert by_name[f"7-{number}"] == place
    assert np.isnan(by_name["7-10"][1])


def test_the_shape_is_the_aperture_flux_over_its_own_i_flux(dual: Path):
    columns, _ = rows(dual, None)
    flux = np.linspace(5, 20, 57)
    for token in TOKENS:
        assert np.allclose(columns[token], flux[FILTERS.index(token)] / flux[-1], rtol=1e-6)
    assert np.allclose(columns["AUTO_iSDSS"], 40.0)
    assert (columns["num_bands"] == 54).all()


def test_the_total_magnitude_is_that_of_the_auto_flux(dual: Path):
    columns, _ = rows(dual, None)
    f_nu = 40e-19 * band("MAG_i").wave ** 2 / 2.99792458e18
    assert np.allclose(columns["MAG_i"], -2.5 * np.log10(f_nu / 3.631e-20), atol=1e-5)
    assert np.allclose(columns["MAG_i_ERR"], 2.5 / np.log(10) * 0.5 / 40, rtol=1e-5)


def test_the_ratios_error_is_that_of_many_draws():
    rng = np.random.default_rng(3)
    flux = 8 + 0.4 * rng.standard_normal(40_000)
    i_flux = 20 + 0.6 * rng.standard_normal(40_000)
    ratio, ratio_err = over_i(
        np.array([[8.0]]), np.array([[0.4]]), np.array([20.0]), np.array([0.6])
    )
    assert ratio[0, 0] == pytest.approx(0.4)
    assert ratio_err[0, 0] == pytest.approx(np.std(flux / i_flux), rel=0.02)


def test_magnitudes_and_fluxes_make_the_same_table(dual: Path, tmp_path: Path):
    make_dual(tmp_path / "mags.fits", form="mag")
    (fluxes, _), (mags, _) = rows(dual, None), rows(tmp_path / "mags.fits", None)
    assert all(np.allclose(fluxes[name], mags[name], rtol=2e-5) for name in fluxes)


def test_legacy_photometry_stands_where_a_source_is_near(dual: Path, sweep: Path):
    columns, _ = rows(dual, sweep)
    matched = np.arange(9) < 6
    assert np.allclose(columns["MAG_R"][matched], 20.0)
    assert np.isnan(columns["MAG_R"][~matched]).all()
    assert (columns["MORPHTYPE"] == np.where(matched, MORPHTYPES.index("EXP"), -1)).all()


def test_block_size_does_not_matter(dual: Path, sweep: Path):
    one, many = rows(dual, sweep, rows_per_block=1)[0], rows(dual, sweep)[0]
    assert all(np.array_equal(one[name], many[name], equal_nan=True) for name in many)


def test_a_row_is_photometry_that_a_model_accepts(dual: Path, sweep: Path):
    columns, _ = rows(dual, sweep)
    tokens = (*TOKENS, "MAG_i", "MAG_G")
    flux = np.stack([columns[token] for token in tokens], axis=1)
    flux_err = np.stack([columns[f"{token}_ERR"] for token in tokens], axis=1)
    observed = np.isfinite(flux)
    photometry = Photometry(flux=flux, flux_err=flux_err, observed=observed, bands=tokens)
    assert len(photometry) == 9
    matched = np.arange(9) < 6
    assert observed[:, :-1].all() and np.array_equal(observed[:, -1], matched)


def test_pixels_are_nside_64_nested():
    # The centre of the first of the twelve base pixels, which holds pixels 0 ... 4095.
    centre = healpix(np.array([45.0, np.nan]), np.array([41.8103149, 0.0]))
    assert centre[0] // 4096 == 0
    assert centre[1] == -1


def run(*words: str) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    main(parser.parse_args(words))


@pytest.mark.parametrize("out", ["table.parquet", "shards"])
def test_the_command_writes_table_and_rejects(
    dual: Path, sweep: Path, tmp_path: Path, out: str, capsys: pytest.CaptureFixture[str]
):
    run(str(dual), "--legacy", str(sweep), "--out", str(tmp_path / out))
    written = read_table(tmp_path / out)
    assert written.schema.names == jpas_schema().names
    rejects = pq.read_table(next(tmp_path.glob("*_rejects.parquet")))
    assert written.num_rows + rejects.num_rows == 12
    assert "9 sources" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "x.csv"], r"^--out is .*x.csv, expected a file \*.parquet or a directory"),
        (["--out", "x.parquet", "--min-bands", "60"], "^--min-bands is 60, expected 1 ... 54$"),
        (["--out", "x.parquet", "--min-bands", "0"], "^--min-bands is 0, expected 1 ... 54$"),
    ],
)
def test_options_without_sense_are_one_sentence(
    dual: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    said: str,
):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    with pytest.raises(ValueError, match=said):
        run(str(dual), *words)
    assert set(tmp_path.iterdir()) == before


def test_text_that_is_called_fits_is_told(tmp_path: Path):
    text = tmp_path / "dual.fits"
    text.write_text("tile_id,number\n1,2\n")
    with pytest.raises(
        ValueError, match=r"dual.fits: not a readable table .it does not begin as a table of FITS"
    ):
        run(str(text), "--out", str(tmp_path / "table.parquet"))


def test_the_command_leaves_nothing_behind_a_bad_table(dual: Path, tmp_path: Path):
    bad = tmp_path / "bad.fits"
    bad.write_bytes(dual.read_bytes()[:6000])
    with pytest.raises(ValueError, match=r"bad.fits"):
        run(str(bad), "--out", str(tmp_path / "out" / "table.parquet"))
    assert not list(tmp_path.glob("out/*"))
