from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from ojala.physics.jpas_filters import (
    ARCHIVE_I_WAVE,
    I_WAVE_CARD,
    Form,
    flux_of_mag,
    mag_of_flux,
    pivots,
)
from ojala.surveys.jpas.dual_mode import FILTERS, Detections, count_rows, read_dual, write_dual
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import band

NUM_SOURCES = 11
MAG = "mag_aper_cor_3_0"


def make_sources(seed: int = 1) -> Columns:
    """Fluxes of random sources: some negative, some bands not observed."""
    rng = np.random.default_rng(seed)
    shape = (NUM_SOURCES, len(FILTERS))
    columns: Columns = {
        "tile_id": np.full(NUM_SOURCES, 9531, dtype=np.int32),
        "number": np.arange(NUM_SOURCES, dtype=np.int32),
        "alpha_j2000": rng.uniform(128, 129, NUM_SOURCES),
        "delta_j2000": rng.uniform(30, 31, NUM_SOURCES),
    }
    for aperture in ("auto", "aper_cor_3_0"):
        flux = rng.normal(30, 20, shape)
        flux[rng.random(shape) < 0.05] = np.nan
        columns[f"flux_{aperture}"] = flux
        columns[f"flux_err_{aperture}"] = rng.uniform(1, 5, shape)
    return columns


def read_all(path: Path, rows_per_block: int = 4) -> dict[str, np.ndarray]:
    blocks = list(read_dual(path, rows_per_block=rows_per_block))
    names = [
        name
        for name in Detections.__dataclass_fields__
        if name not in ("path", "first_row", "faults")
    ]
    return {name: np.concatenate([getattr(block, name) for block in blocks]) for name in names}


@pytest.fixture
def sources() -> Columns:
    return make_sources()


@pytest.fixture
def dual(tmp_path: Path, sources: Columns) -> Path:
    write_dual(tmp_path / "dual.fits", sources, form="mag")
    return tmp_path / "dual.fits"


def test_a_flat_f_nu_source_of_3631_jy_has_magnitude_zero():
    flux = 3631e-23 * 2.99792458e18 / pivots() ** 2 / 1e-19
    mag_ab, _ = mag_of_flux(flux[None], flux[None])
    assert np.allclose(mag_ab, 0, atol=1e-9)


def test_filters_are_in_the_archives_order():
    assert len(FILTERS) == 57
    assert FILTERS[:3] == ("uJAVA", "J0378", "J0390")
    assert FILTERS[54:] == ("J0910", "J1007", "iSDSS")


def test_magnitudes_and_fluxes_are_inverse(sources: Columns):
    flux, flux_err = sources["flux_auto"], sources["flux_err_auto"]
    positive = flux > 0
    back, back_err = flux_of_mag(*mag_of_flux(flux, flux_err))
    assert np.allclose(back[positive], flux[positive])
    assert np.allclose(back_err[positive], flux_err[positive])
    assert np.isnan(back[~positive]).all()


def test_a_flux_table_returns_what_was_written_and_keeps_negative_fluxes(
    tmp_path: Path, sources: Columns
):
    write_dual(tmp_path / "dual.fits", sources, form="flux")
    read = read_all(tmp_path / "dual.fits")
    assert np.allclose(read["flux"], sources["flux_aper_cor_3_0"], rtol=1e-6, equal_nan=True)
    observed = np.isfinite(sources["flux_aper_cor_3_0"])
    expected = np.where(observed, sources["flux_err_aper_cor_3_0"], np.nan)
    assert np.allclose(read["flux_err"], expected, rtol=1e-5, equal_nan=True)
    assert np.allclose(read["i_flux"], sources["flux_auto"][:, -1], rtol=1e-6, equal_nan=True)
    assert (read["flux"] < 0).any()


def test_a_magnitude_table_gives_the_positive_fluxes_and_nothing_else(dual: Path, sources: Columns):
    written = sources["flux_aper_cor_3_0"]
    expected = np.where(written > 0, written, np.nan)
    assert np.allclose(read_all(dual)["flux"], expected, rtol=1e-5, equal_nan=True)
    with fits.open(dual) as opened:
        assert set(opened[1].data[MAG][~(written > 0)]) == {99.0}


def test_block_size_does_not_matter(dual: Path):
    one, three = read_all(dual, 1), read_all(dual, 3)
    for name in one:
        assert np.array_equal(one[name], three[name], equal_nan=True)


def test_first_row_counts_on(dual: Path):
    assert [block.first_row for block in read_dual(dual, rows_per_block=4)] == [0, 4, 8]
    assert count_rows(dual) == NUM_SOURCES


@pytest.mark.parametrize("bit", [4, 8, 16])
def test_flagged_and_masked_measurements_are_not_observed(
    tmp_path: Path, sources: Columns, bit: int
):
    flags, mask_flags = np.zeros((2, NUM_SOURCES, len(FILTERS)), dtype=int)
    flags[0, 10], mask_flags[1, 20], flags[2, -1] = bit | 2, 1, bit
    sources |= {"flags": flags, "mask_flags": mask_flags}
    write_dual(tmp_path / "dual.fits", sources, form="flux")
    read = read_all(tmp_path / "dual.fits")
    assert np.isnan([read["flux"][0, 10], read["flux"][1, 20], read["i_flux"][2]]).all()
    missing = np.isnan(sources["flux_aper_cor_3_0"]) | (flags > 0) | (mask_flags > 0)
    assert np.array_equal(np.isnan(read["flux"]), missing)


def test_mild_flags_are_kept(tmp_path: Path, sources: Columns):
    flags = np.full((NUM_SOURCES, len(FILTERS)), 1 | 2)
    write_dual(tmp_path / "dual.fits", sources | {"flags": flags}, form="flux")
    missing = np.isnan(sources["flux_aper_cor_3_0"])
    assert np.array_equal(np.isnan(read_all(tmp_path / "dual.fits")["flux"]), missing)


@pytest.mark.parametrize("form", ["mag", "flux"])
def test_the_i_band_of_a_table_is_the_one_that_its_header_tells(
    tmp_path: Path, sources: Columns, form: Form
):
    path = tmp_path / "dual.fits"
    write_dual(path, sources, form=form)
    own = read_all(path)
    with fits.open(path, mode="update") as opened:
        del opened[1].header[I_WAVE_CARD]
    archive = read_all(path)
    squared = (ARCHIVE_I_WAVE / band("MAG_i").wave) ** 2
    if form == "mag":  # the magnitude stays, the flux density follows the wavelength
        assert np.allclose(archive["i_flux"] * squared, own["i_flux"], equal_nan=True)
        assert np.allclose(archive["mag_i"], own["mag_i"], equal_nan=True)
    else:
        assert np.array_equal(archive["i_flux"], own["i_flux"], equal_nan=True)
        brighter = own["mag_i"] - 2.5 * np.log10(squared)
        assert np.allclose(archive["mag_i"], brighter, equal_nan=True)


def plain(dual: Path) -> Table:
    with fits.open(dual) as opened:
        return Table({c.name.upper(): np.array(opened[1].data[c.name]) for c in opened[1].columns})


def as_votable(table: Table, path: Path) -> Path:
    table.write(path.with_suffix(".vot"), format="votable")
    return path.with_suffix(".vot")


def as_parquet(table: Table, path: Path) -> Path:
    columns = {name: pa.array(table[name].tolist()) for name in table.colnames}
    pq.write_table(pa.table(columns), path.with_suffix(".parquet"), row_group_size=3)
    return path.with_suffix(".parquet")


def as_csv(table: Table, path: Path, cell: Callable[[np.ndarray], str]) -> Path:
    frame = pd.DataFrame(
        {
            name: [cell(row) for row in table[name]] if table[name].ndim > 1 else table[name]
            for name in table.colnames
        }
    )
    text = "#SELECT * FROM jpas.MagABDualObj\n" + frame.to_csv(index=False)
    path.with_suffix(".csv").write_text(text)
    return path.with_suffix(".csv")


def spaced(row: np.ndarray) -> str:
    return "[" + " ".join(map(repr, row.tolist())) + "]"


def commas(row: np.ndarray) -> str:
    return "(" + ",".join("null" if x == 99 else repr(x) for x in row.tolist()) + ")"


def column_per_band(table: Table, path: Path) -> Path:
    frame = pd.DataFrame({n: table[n] for n in table.colnames if table[n].ndim == 1})
    for name in table.colnames:
        if table[name].ndim > 1:
            bands = {f"{name}_{token}": table[name][:, k] for k, token in enumerate(FILTERS)}
            frame = pd.concat([frame, pd.DataFrame(bands)], axis=1)
    frame.drop(columns=[f"{MAG.upper()}_uJAVA"]).to_csv(path.with_suffix(".csv"), index=False)
    return path.with_suffix(".csv")


@pytest.mark.parametrize(
    "convert",
    [
        as_votable,
        as_parquet,
        lambda table, path: as_csv(table, path, spaced),
        lambda table, path: as_csv(table, path, commas),
        column_per_band,
    ],
    ids=["votable", "parquet", "csv-spaces", "csv-commas", "csv-column-per-band"],
)
def test_every_format_gives_the_same_fluxes(dual: Path, convert: Callable[[Table, Path], Path]):
    table = plain(dual)
    table.write(dual, overwrite=True)  # without the header cards that other formats lack
    expected, read = read_all(dual), read_all(convert(table, dual))
    for name in expected:
        used = slice(1, 55) if expected[name].ndim > 1 else slice(None)  # uJAVA may be left out
        assert np.allclose(
            read[name][..., used], expected[name][..., used], rtol=1e-6, equal_nan=True
        )


def test_pages_of_a_directory_are_one_table(tmp_path: Path, sources: Columns):
    for page, rows in enumerate((slice(0, 5), slice(5, None))):
        part = {name: values[rows] for name, values in sources.items()}
        write_dual(tmp_path / "pages" / f"page-{page}.fits", part)
    write_dual(tmp_path / "whole.fits", sources)
    pages, whole = read_all(tmp_path / "pages"), read_all(tmp_path / "whole.fits")
    assert all(np.array_equal(pages[name], whole[name], equal_nan=True) for name in whole)


def test_tables_of_the_archive_survive_units_outside_the_standard(dual: Path):
    with fits.open(dual, mode="update") as opened:
        opened[1].columns.change_unit(MAG, "mag(AB)")
    assert len(read_all(dual)["number"]) == NUM_SOURCES


def rewritten(dual: Path, change: Callable[[Table], None]) -> Path:
    table = plain(dual)
    change(table)
    table.write(dual, overwrite=True)
    return dual


def as_sixty_filters(table: Table) -> None:
    for name in table.colnames:
        if table[name].ndim > 1:
            table[name] = np.concatenate([table[name], table[name][:, :3]], axis=1)


def as_fluxes(table: Table) -> None:
    table[MAG.upper()] = 10 ** (-0.4 * (table[MAG.upper()] - 27))


def in_jansky(table: Table) -> None:
    table[MAG.upper()].unit = "Jy"


def without_the_error(table: Table) -> None:
    table.remove_column("MAG_ERR_APER_COR_3_0")


def without_the_key(table: Table) -> None:
    table.remove_column("TILE_ID")


def with_a_source_twice(table: Table) -> None:
    table["NUMBER"][9] = table["NUMBER"][2]


def with_short_arrays(table: Table) -> None:
    table[MAG.upper()] = table[MAG.upper()][:, :54]


def with_arrays_of_keys(table: Table) -> None:
    table["NUMBER"] = np.stack([table["NUMBER"]] * 2, axis=1)


def with_matrices(table: Table) -> None:
    table[MAG.upper()] = np.stack([table[MAG.upper()]] * 2, axis=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_arrays_of_keys, "column number holds several values in a row"),
        (with_matrices, f"column {MAG} holds arrays of 2 dimensions, expected one"),
        (as_sixty_filters, "a miniJPAS table of 60 filters"),
        (as_fluxes, f"column {MAG}, row 1, .* expected an AB magnitude"),
        (in_jansky, f"column {MAG} is in Jy, expected AB magnitudes"),
        (without_the_error, "column mag_err_aper_cor_3_0 is missing"),
        (without_the_key, "column tile_id is missing"),
        (with_a_source_twice, "row 10, tile_id 9531, number 2 comes twice"),
        (with_short_arrays, f"column {MAG} has 54 elements per row, expected the 57"),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_a_bad_table_is_one_sentence_with_its_name(
    dual: Path, change: Callable[[Table], None], message: str
):
    with pytest.raises(ValueError, match=message) as raised:
        read_all(rewritten(dual, change))
    assert str(raised.value).startswith(str(dual))
    assert "\n" not in str(raised.value)


def faults(path: Path) -> list[str]:
    return [fault for block in read_dual(path, rows_per_block=4) for fault in block.faults]


def test_a_row_of_another_length_is_its_own_fault(dual: Path):
    table = plain(dual)
    table.write(dual, overwrite=True)
    expected = read_all(dual)["flux"]
    path = as_csv(table, dual, spaced)
    lines = path.read_text().splitlines()
    lines[4] = lines[4].replace("[", "[1.0 ", 1)
    path.write_text("\n".join(lines))
    assert faults(path) == ["", "", "mag_auto has 58 elements, expected 57", *[""] * 8]
    others = np.arange(NUM_SOURCES) != 2
    read = read_all(path)["flux"]
    assert np.allclose(read[others], expected[others], rtol=1e-6, equal_nan=True)


@pytest.mark.parametrize("row", [0, 5, NUM_SOURCES - 1])
def test_null_arrays_of_one_source_are_its_own_fault(dual: Path, row: int):
    table = plain(dual)
    columns = {name: table[name].tolist() for name in table.colnames}
    for name in table.colnames:
        if table[name].ndim == 2:
            columns[name][row] = None
    path = dual.with_suffix(".parquet")
    pq.write_table(pa.table(columns), path)
    assert [k for k, fault in enumerate(faults(path)) if fault] == [row]
    assert faults(path)[row] == "mag_auto is null"
    assert np.isnan(read_all(path)["flux"][row]).all()


@pytest.mark.parametrize("tile", [3_000_000_001, 2**62 + 1, -(2**40)])
def test_keys_keep_all_their_digits(tmp_path: Path, sources: Columns, tile: int):
    write_dual(tmp_path / "dual.fits", sources)
    table = plain(tmp_path / "dual.fits")
    table["TILE_ID"] = np.full(NUM_SOURCES, tile)
    table["NUMBER"] = np.arange(NUM_SOURCES) + 2**33
    table.write(tmp_path / "wide.fits")
    for path in (tmp_path / "wide.fits", as_parquet(table, tmp_path / "wide.fits")):
        read = read_all(path)
        assert set(read["tile_id"].tolist()) == {tile}
        assert read["number"].tolist() == [2**33 + k for k in range(NUM_SOURCES)]


def test_a_source_that_comes_twice_in_two_pages_is_named(tmp_path: Path, sources: Columns):
    write_dual(tmp_path / "a.fits", sources)
    write_dual(tmp_path / "b.fits", sources)
    with pytest.raises(ValueError, match=r"b.fits: row 1, tile_id 9531, number 0 comes twice"):
        read_all(tmp_path)


def test_fluxes_in_another_unit_are_converted(tmp_path: Path, sources: Columns):
    path = tmp_path / "dual.fits"
    write_dual(path, sources, form="flux")
    with fits.open(path, mode="update") as opened:
        opened[1].data["flux_aper_cor_3_0"] *= 0.01
        opened[1].columns.change_unit("flux_aper_cor_3_0", "1e-17 erg / (s cm2 Angstrom)")
    expected = sources["flux_aper_cor_3_0"]
    assert np.allclose(read_all(path)["flux"], expected, rtol=1e-5, equal_nan=True)


@pytest.mark.parametrize("unit", ["mag", "erg / (s cm2 Angstrom)"])
def test_fluxes_in_a_wrong_unit_are_refused(tmp_path: Path, sources: Columns, unit: str):
    path = tmp_path / "dual.fits"
    write_dual(path, sources, form="flux")
    with fits.open(path, mode="update") as opened:
        opened[1].columns.change_unit("flux_auto", unit)
    with pytest.raises(ValueError, match=r"dual.fits: column flux_auto .*1e-19"):
        read_all(path)


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_truncated_file_is_refused(dual: Path, kept: float):
    whole = dual.read_bytes()
    dual.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(ValueError, match=r"dual.fits: .*truncated"):
        read_all(dual)


def test_what_is_no_catalogue_is_refused(tmp_path: Path):
    (tmp_path / "empty.fits").write_bytes(b"")
    (tmp_path / "noise.parquet").write_bytes(bytes(range(200, 256)))
    for name in ("empty.fits", "noise.parquet", "absent.fits"):
        with pytest.raises(ValueError, match=name):
            read_all(tmp_path / name)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match="no catalogue found"):
        read_all(tmp_path / "nothing")


def test_nothing_is_left_of_a_table_that_cannot_be_written(tmp_path: Path, sources: Columns):
    sources["flux_auto"] = sources["flux_auto"][:, :54]
    with pytest.raises(ValueError, match="column flux_auto has shape"):
        write_dual(tmp_path / "dual.fits", sources)
    assert list(tmp_path.iterdir()) == []
