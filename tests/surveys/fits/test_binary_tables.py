"""What a stored number stands for is what astropy says that it stands for."""

import gzip

import numpy as np
import pytest
from astropy.io import fits

from ojala.surveys.fits.binary_tables import read_columns
from ojala.surveys.fits.hdus import named, opened

IDS = np.array([-(2**62) - 1, 39627652591521181, 2**62 + 3])


def table_of(path, *columns, name="T"):
    hdu = fits.BinTableHDU.from_columns([fits.Column(*words, **more) for words, more in columns])
    hdu.name = name
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)
    return path


def one(path, name, rows=None):
    with opened(path) as hdus:
        return read_columns(named(hdus, path, "T"), path, [name], rows=rows)[name]


NUMBERS = {
    "int16": ("I", {"array": np.array([-5, 0, 32767], "i2")}),
    "uint8": ("B", {"array": np.array([0, 7, 255], "u1")}),
    "int8": ("B", {"array": np.array([-128, 0, 127], "i1"), "bzero": -128}),
    "uint16": ("I", {"array": np.array([0, 40000, 65535], "u2"), "bzero": 2**15}),
    "uint32": ("J", {"array": np.array([0, 5, 2**32 - 1], "u4"), "bzero": 2**31}),
    "uint64": ("K", {"array": np.array([0, 5, 2**63 - 1], "u8"), "bzero": 2**63}),
    "scaled float": ("E", {"array": np.array([-2.0, 0, 8], "f4"), "bscale": 2.0, "bzero": 1.0}),
    "bool": ("L", {"array": np.array([True, False, True])}),
    "double": ("D", {"array": np.array([1e-300, np.nan, -1e300])}),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("kind", NUMBERS)
def test_stored_values_become_physical_ones(tmp_path, kind, packed):
    form, more = NUMBERS[kind]
    path = table_of(
        tmp_path / "t.fits", (("X", form), more), (("OTHER", "3E"), {"array": np.ones((3, 3))})
    )
    expected = fits.getdata(path, "T")["X"]
    if packed:
        path = tmp_path / "t.fits.gz"
        path.write_bytes(gzip.compress((tmp_path / "t.fits").read_bytes()))
    found = one(path, "X")
    assert found.dtype.kind in "ifb" and found.dtype.isnative
    assert np.array_equal(found, expected, equal_nan=found.dtype.kind == "f")
    assert np.array_equal(found, more["array"], equal_nan=found.dtype.kind == "f")
    assert np.array_equal(one(path, "x", rows=np.array([2, 0])), found[[2, 0]])


def test_a_scale_and_a_zero_point_are_applied(tmp_path):
    path = table_of(tmp_path / "t.fits", (("X", "I"), {"array": np.array([-18, -12, 69], "i2")}))
    fits.setval(path, "TSCAL1", value=0.25, ext=1)
    fits.setval(path, "TZERO1", value=3, ext=1)
    assert one(path, "X").tolist() == fits.getdata(path, "T")["X"].tolist() == [-1.5, 0, 20.25]


def test_ids_are_exact_at_either_sign(tmp_path):
    path = table_of(tmp_path / "t.fits", (("TARGETID", "K"), {"array": IDS}))
    assert one(path, "TARGETID").tolist() == IDS.tolist()
    unsigned = np.array([1, 39627652591521181, 2**63 - 1], "u8")
    table_of(path, (("TARGETID", "K"), {"array": unsigned, "bzero": 2**63}))
    assert one(path, "TARGETID").tolist() == unsigned.tolist()


def test_an_undefined_number_is_nan(tmp_path):
    path = table_of(tmp_path / "t.fits", (("X", "J"), {"array": [1, -99, 3], "null": -99}))
    assert np.array_equal(one(path, "X"), [1, np.nan, 3], equal_nan=True)
    assert one(path, "X", rows=slice(2, 3)).tolist() == [3]


def test_a_name_in_other_letters_is_found_and_an_exact_one_comes_first(tmp_path):
    columns = [(("z", "J"), {"array": [1, 2]}), (("Z", "J"), {"array": [3, 4]})]
    assert one(table_of(tmp_path / "t.fits", columns[0]), "Z").tolist() == [1, 2]
    assert one(table_of(tmp_path / "t.fits", *columns), "Z").tolist() == [3, 4]


@pytest.mark.parametrize(
    ("words", "more", "said"),
    [
        (("TARGETID", "D"), {"array": IDS}, "column TARGETID does not hold whole numbers"),
        (("TARGETID", "K"), {"array": [1, -9], "null": -9}, "TARGETID, row 2 is undefined"),
        (
            ("TARGETID", "K"),
            {"array": np.array([1, 2**63 + 1], "u8"), "bzero": 2**63},
            "row 2 is 9223372036854775809, expected less than",
        ),
        (("SPECTYPE", "J"), {"array": [1, 2]}, "column SPECTYPE does not hold text"),
        (("Z", "2E"), {"array": np.ones((2, 2))}, "column Z holds several values in a row"),
        (("Z", "C"), {"array": np.ones(2)}, "column Z does not hold numbers"),
        (("Z", "PE()"), {"array": [[1.0], [2.0]]}, "column Z does not hold numbers"),
        (("ZZ", "E"), {"array": np.ones(2)}, "lacks column Z"),
    ],
)
def test_a_column_that_is_not_what_it_should_be_is_named(tmp_path, words, more, said):
    path = table_of(tmp_path / "t.fits", (words, more))
    name = words[0] if words[0] != "ZZ" else "Z"
    with pytest.raises(ValueError, match=said) as caught:
        one(path, name)
    assert str(caught.value).startswith(f"{path}: HDU T")


def test_a_gzipped_file_that_is_cut_off_is_named(tmp_path):
    path = table_of(
        tmp_path / "t.fits",
        (("X", "K"), {"array": np.random.default_rng(0).integers(0, 2**60, 9000)}),
    )
    packed = tmp_path / "t.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes())[:30_000])
    with pytest.raises(ValueError, match=r"t\.fits\.gz: the gzipped file is cut off or damaged"):
        one(packed, "X")
