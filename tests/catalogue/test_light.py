"""`ojala predict` gives one answer about a source, in whichever layout its light comes."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from toy_heads import toy_bundle

from ojala.catalogue.light import light
from ojala.cli import main
from ojala.physics.jpas_filters import (
    ARCHIVE_I_WAVE,
    FILTERS,
    I_BAND,
    NARROW,
    mag_of_flux,
    pivots,
)
from ojala.vocabulary.bands import narrow_bands

NUM = 7
TOKENS = [band.token for band in narrow_bands()]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toy_bundle(tmp_path_factory.mktemp("models") / "ojala")


def sky():
    """Fluxes of all filters in two apertures, with holes, a flag and a negative one."""
    draw = np.random.default_rng(5)
    total = 40 * draw.lognormal(0, 1, NUM)
    shape = total[:, None] * draw.uniform(0.2, 1.6, (NUM, len(FILTERS)))
    shape[:, I_BAND] = 0.8 * total
    shape[2, 9] = -3.0
    shape[3, 20:24] = np.nan
    auto = np.repeat(total[:, None], len(FILTERS), axis=1)
    flags = np.zeros(shape.shape, dtype=np.int32)
    flags[4, 30] = 4
    return shape, auto, flags


def broad():
    return {
        "MAG_G": 20.5 + 0.1 * np.arange(NUM),
        "MAG_W1": np.full(NUM, 18.5),
        "MORPHTYPE": np.array(["PSF", "REX", "EXP", "DEV", "SER", "PSF", "REX"]),
    }


def observed():
    shape, auto, flags = sky()
    return np.where(flags == 0, shape, np.nan), auto[:, I_BAND]


def mag_i():
    return mag_of_flux(observed()[1], np.zeros(NUM), ARCHIVE_I_WAVE)[0]


def as_ratios():
    shape, auto = observed()
    columns = {token: shape[:, 1 + k] / shape[:, I_BAND] for k, token in enumerate(TOKENS)}
    return columns | {"MAG_i": mag_i(), "AUTO_iSDSS": auto} | broad()


def as_released():
    shape, auto = observed()
    names = [*TOKENS, "iSDSS"]
    places = [FILTERS.index(name) for name in names]
    columns = {f"APER_COR_3_0_{n}": shape[:, k] for n, k in zip(names, places, strict=True)}
    return columns | {"MAG_i": mag_i(), "AUTO_iSDSS": auto} | broad()


def as_arrays():
    shape, auto, flags = sky()
    err = np.where(np.isnan(shape), np.nan, 0.02)
    return {
        "TILE_ID": np.full(NUM, 9),
        "NUMBER": np.arange(NUM),
        "FLUX_AUTO": auto,
        "FLUX_RELERR_AUTO": np.full(auto.shape, 0.01),
        "FLUX_APER_COR_3_0": shape,
        "FLUX_RELERR_APER_COR_3_0": np.sign(shape) * err,
        "FLAGS": flags,
    } | broad()


def as_magnitude_arrays():
    shape, auto, flags = sky()
    columns = {"jpas.MASK_FLAGS": flags} | broad()
    for aperture, flux in (("AUTO", auto), ("APER_COR_3_0", shape)):
        mag, _ = mag_of_flux(flux, np.zeros(1), pivots(ARCHIVE_I_WAVE))
        columns[f"MAG_{aperture}"] = np.where(np.isnan(mag), 99.0, mag)
        columns[f"MAG_ERR_{aperture}"] = np.where(np.isnan(mag), 99.0, 0.02)
    return columns


def named_by_hand():
    shape, auto = observed()
    columns = {f"flux_{t[2:]}": shape[:, 1 + k] for k, t in enumerate(TOKENS)}
    return columns | {"flux_i": shape[:, I_BAND], "imag": mag_i(), "AUTO_iSDSS": auto} | broad()


BY_HAND = ",".join([*(f"{t}=flux_{t[2:]}" for t in TOKENS), "isdss=flux_i", "MAG_i=imag"])


def predicted(columns, path, model, *more):
    Table(columns).write(path, format="votable" if path.suffix == ".vot" else None)
    out = path.with_name("out.parquet")
    assert main(["predict", str(path), "--bundle", str(model), "--out", str(out), *more]) == 0
    table = pq.read_table(out)
    out.unlink()
    return table


@pytest.fixture(scope="module")
def right(model, tmp_path_factory):
    return predicted(as_ratios(), tmp_path_factory.mktemp("right") / "ratios.fits", model)


LAYOUTS = {
    "released.csv": (as_released, ()),
    "released.vot": (as_released, ()),
    "dual.fits": (as_arrays, ()),
    "dual.vot": (as_arrays, ()),
    "named.csv": (named_by_hand, ("--columns", BY_HAND)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_sources_in_any_layout_have_the_same_answers(layout, model, right, tmp_path):
    made, more = LAYOUTS[layout]
    table = predicted(made(), tmp_path / layout, model, *more)
    names = right.column_names[right.column_names.index("LOGM") :]
    assert len(names) > 50 and set(names) <= set(table.column_names)
    for name in names:
        given, expected = table[name].to_pylist(), right[name].to_pylist()
        if isinstance(expected[0], str):
            assert given == expected, name
        else:
            assert np.allclose(given, expected, rtol=1e-5, atol=1e-5, equal_nan=True), name


def test_magnitudes_in_arrays_are_the_ratios_of_their_fluxes():
    columns = as_magnitude_arrays()
    cells = {n: list(v) if np.ndim(v) == 2 else v for n, v in columns.items()}
    found = light(pa.table(cells))
    right = as_ratios()
    for token in TOKENS:  # a magnitude holds no negative flux
        expected = np.where(right[token] > 0, right[token], np.nan)
        assert np.allclose(found[token], expected, rtol=1e-9, equal_nan=True), token
    assert np.allclose(found["MAG_i"], mag_i(), rtol=1e-12)
    assert np.isnan(found[TOKENS[29]][4]) and np.isfinite(found[TOKENS[28]][4])


def test_own_magnitudes_beside_arrays_are_kept():
    columns = as_arrays() | {"MAG_i": np.full(NUM, 17.5)}
    found = light(arrow(columns))
    assert np.all(found["MAG_i"] == 17.5) and np.all(found["MAG_W1"] == 18.5)
    assert found["MORPHTYPE"].tolist() == broad()["MORPHTYPE"].tolist()


def arrow(columns):
    return pa.table({n: list(v) if np.ndim(v) == 2 else v for n, v in columns.items()})


def numbered(form, tokens=TOKENS):
    columns = {form.format(t[2:], t[1:], f"{t[2:]}0"): np.ones(2) for t in tokens}
    return pa.table(columns | {"MAG_i": np.full(2, 18.5)})


@pytest.mark.parametrize("form", ["flux_{0}", "F{1}", "nb{2}A", "jpas_{0}_nm", "Flux[{1}]"])
def test_bands_by_their_wavelengths_alone_are_refused_by_name(form):
    table = numbered(form)
    with pytest.raises(ValueError, match=re.escape(table.column_names[0])) as raised:
        light(table)
    said = str(raised.value)
    assert "--columns J0378=" in said and "\n" not in said
    for layout in ("J0660 (flux over that of i)", "APER_COR_3_0_J0660", "MAG_APER_COR_3_0_J0660"):
        assert layout in said


def test_a_grid_of_other_numbers_is_nobodys_bands():
    table = pa.table({f"pz_{k}": np.ones(2) for k in range(300, 1000)} | {"MAG_i": np.ones(2)})
    assert set(light(table)) == {"MAG_i"}
    few = numbered("flux_{0}", TOKENS[:4])
    assert set(light(few)) == {"MAG_i"}


REFUSED = {
    "flux_500": ("J0500=flux_510", "no such column"),
    "nothing": ("J0500", "expected such as J0500=flux_500"),
    "J0515": ("J0515=flux_500", "'J0515' is none of J0378"),
    "twice": ("J0500=flux_500,J0510=flux_500", "names flux_500 twice"),
    "band twice": ("J0500=flux_500,j0500=i", "names a band twice"),
    "there": ("MAG_i=flux_500", "there is a column MAG_i"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_columns_that_are_named_wrongly_are_refused(case, model, tmp_path, capsys):
    asked, words = REFUSED[case]
    path = tmp_path / "t.csv"
    Table({"MAG_i": [18.5], "flux_500": [0.9], "i": [1.0]}).write(path)
    out = tmp_path / "out.csv"
    more = ["--bundle", str(model), "--out", str(out), "--columns", asked]
    assert main(["predict", str(path), *more]) == 1
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and not out.exists()


def wrong_length(columns):
    return columns | {"FLUX_APER_COR_3_0": columns["FLUX_APER_COR_3_0"][:, :56]}


def both_kinds(columns):
    return columns | {"J0660": np.ones(NUM)}


def unnamed(columns):
    return {"SPECTRUM": columns["FLUX_APER_COR_3_0"], "MAG_i": np.full(NUM, 18.5)}


def without_total(columns):
    return {name: v for name, v in columns.items() if "AUTO" not in name}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (wrong_length, "FLUX_APER_COR_3_0 has 56 elements|flux_aper_cor_3_0 has 56 elements"),
        (both_kinds, "in arrays and as columns such as J0660"),
        (unnamed, "SPECTRUM holds arrays of 57"),
        (without_total, "flux_auto is missing"),
    ],
)
def test_arrays_that_are_in_doubt_are_refused(change, words, model, tmp_path, capsys):
    path = tmp_path / "dual.fits"
    Table(change(as_arrays())).write(path)
    out = tmp_path / "out.fits"
    assert main(["predict", str(path), "--bundle", str(model), "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert re.search(words, said) and str(path) in said and said.count(str(path)) == 1, said
    assert said.count("\n") == 1 and not out.exists()


def test_a_row_with_a_short_array_is_named():
    columns = as_arrays()
    cells = {n: [row.tolist() for row in v] if np.ndim(v) == 2 else v for n, v in columns.items()}
    cells["FLUX_APER_COR_3_0"][5] = cells["FLUX_APER_COR_3_0"][5][:50]
    with pytest.raises(ValueError, match="row 6: flux_aper_cor_3_0 has 50 elements"):
        light(pa.table(cells))


def test_the_narrow_bands_are_those_between_the_ends():
    assert FILTERS[NARROW] == tuple(TOKENS)
