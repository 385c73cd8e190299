"""Tables as other people's programs write them, for every command that reads one."""

import bz2
import csv
import gzip
import io
import lzma

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from astropy.table import MaskedColumn, Table

FORMATS = ("parquet", "csv", "ecsv", "fits", "vot")

PACKINGS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def lines_of(columns, delimiter=","):
    """Rows of a CSV file; None is an empty cell, a matrix a column per element."""
    flat = {}
    for name, values in columns.items():
        if np.ndim(values) == 2:
            elements = columns.get("elements") or range(np.shape(values)[1])
            flat |= {
                f"{name}_{element}": np.asarray(values)[:, k].tolist()
                for k, element in enumerate(elements)
            }
        elif name != "elements":
            flat[name] = values if isinstance(values, list) else np.asarray(values).tolist()
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(flat)
    writer.writerows(zip(*flat.values(), strict=True))
    return text.getvalue()


def astropy_table(columns):
    """The columns as a Table; None in a list is masked, of 64 bits where it holds numbers."""
    table = Table()
    for name, values in columns.items():
        if name == "elements":
            continue
        if isinstance(values, list) and None in values:
            kind = str if any(isinstance(value, str) for value in values) else np.int64
            data = [kind() if value is None else value for value in values]
            hidden = [value is None for value in values]
            values = MaskedColumn(np.array(data, dtype=kind), mask=hidden)
        table[name] = values
    return table


def written(columns, path):
    """Write columns in the format of a path's suffix with pyarrow, astropy or csv; the path."""
    suffix = path.suffix[1:]
    if suffix == "parquet":
        plain = {name: values for name, values in columns.items() if name != "elements"}
        cells = {n: v if isinstance(v, list) else v.tolist() for n, v in plain.items()}
        pq.write_table(pa.table(cells), path)
    elif suffix == "csv":
        path.write_text(lines_of(columns))
    else:
        kind = {"vot": "votable", "ecsv": "ascii.ecsv", "fits": "fits"}[suffix]
        astropy_table(columns).write(path, format=kind, overwrite=True)
    return path


def _text(change):
    def dressed(columns, place):
        path = place / "t.csv"
        path.write_bytes(change(lines_of(columns)))
        return path

    return dressed


def _packed(packing, suffix):
    def dressed(columns, place):
        plain = written(columns, place / f"plain.{suffix}")
        path = place / f"t.{suffix}.{packing}"
        path.write_bytes(PACKINGS[packing](plain.read_bytes()))
        plain.unlink()
        return path

    return dressed


def _delimited(delimiter):
    def dressed(columns, place):
        path = place / "t.csv"
        path.write_text(lines_of(columns, delimiter))
        return path

    return dressed


def _hdus(path, *hdus):
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path


def _hdu(columns, name):
    return fits.BinTableHDU(astropy_table(columns), name=name)


def _ldac(columns, place):
    head = fits.Column("Field Header Card", "80A", array=np.array(["SIMPLE = T"]))
    head = fits.BinTableHDU.from_columns([head], name="LDAC_IMHEAD")
    return _hdus(place / "t.fits", head, _hdu(columns, "LDAC_OBJECTS"))


def _latin(columns, place):
    names = {"observer": np.array([b"Pe\xf1a"] * len(next(iter(columns.values()))))}
    return written(columns | names, place / "t.fits")


def _upper(columns, place):
    path = written(columns, place / "T.FITS.tmp.fits")
    return path.rename(place / "T.FITS")


READ = {
    "BOM": _text(lambda text: b"\xef\xbb\xbf" + text.encode()),
    "CRLF": _text(lambda text: text.replace("\n", "\r\n").encode()),
    "semicolons": _delimited(";"),
    "tabs": _delimited("\t"),
    "comment lines": _text(lambda text: f"# SELECT *\n#\n# FROM t; a, b\n{text}".encode()),
    "query above": _text(lambda text: f"#SELECT * FROM t\n{text}".encode()),
    "header in a comment": _text(lambda text: f"# {text}".encode()),
    "csv.gz": _packed("gz", "csv"),
    "csv.bz2": _packed("bz2", "csv"),
    "csv.xz": _packed("xz", "csv"),
    "fits.gz": _packed("gz", "fits"),
    "fits.bz2": _packed("bz2", "fits"),
    "fits.xz": _packed("xz", "fits"),
    "vot.bz2": _packed("bz2", "vot"),
    "LDAC": _ldac,
    "Latin-1": _latin,
    "capital suffix": _upper,
}
"""Ways of writing a table that must not change what is read."""


def _two_tables(columns, place):
    return _hdus(place / "t.fits", _hdu(columns, "CAT"), _hdu(columns, "OTHER"))


def _fpacked(columns, place):
    hdu = _hdu(columns, "CAT")
    hdu.header["ZTABLE"] = True
    return _hdus(place / "t.fits", hdu)


def _said_by_the_archive(status, words):
    def dressed(columns, place):
        path = written(columns, place / "t.vot")
        info = f'<INFO name="QUERY_STATUS" value="{status}">{words}</INFO>'
        text = path.read_text()
        end = "</RESOURCE>" if status == "OVERFLOW" else "<TABLE"
        assert end in text
        path.write_text(text.replace(end, info + end, 1))
        return path

    return dressed


def _only_an_error(columns, place):
    path = place / "t.vot"
    path.write_text(
        '<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        '<RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">Table jpas.Dual does not'
        "\n exist</INFO></RESOURCE></VOTABLE>"
    )
    return path


def _first_again(columns, path):
    first = next(iter(columns))
    text = lines_of(columns)
    rows = [line.split(",")[0] + "," + line for line in text.splitlines()]
    assert rows[0].startswith(f"{first},{first},")
    path.write_text("\n".join(rows) + "\n")
    return path


def _twice_in_parquet(columns, place):
    path = written(columns, place / "t.parquet")
    table = pq.read_table(path)
    pq.write_table(table.append_column(table.column_names[0], table.column(0)), path)
    return path


def _twice_in_a_votable(columns, place):
    first = next(iter(columns))
    path = written(columns | {"again": columns[first]}, place / "t.vot")
    path.write_text(path.read_text().replace('name="again"', f'name="{first}"'))
    return path


def _twice_in_fits(columns, place):
    first = next(iter(columns))
    path = written(columns | {"again": columns[first]}, place / "t.fits")
    card = path.read_bytes().index(b"'again   '")
    data = bytearray(path.read_bytes())
    data[card : card + 30] = f"'{first:8s}'".ljust(30).encode()
    path.write_bytes(bytes(data))
    return path


REFUSED = {
    "several tables": (_two_tables, r"it holds 2 tables \(CAT, OTHER\)"),
    "fpack": (_fpacked, "compressed by fpack: funpack it first"),
    "OVERFLOW": (_said_by_the_archive("OVERFLOW", ""), "cut off its rows .*sources are missing"),
    "ERROR": (_said_by_the_archive("ERROR", "out of memory"), "answered ERROR: out of memory"),
    "ERROR alone": (_only_an_error, "answered ERROR: Table jpas.Dual does not exist"),
    "twice in CSV": (lambda c, place: _first_again(c, place / "t.csv"), "is there twice"),
    "twice in Parquet": (_twice_in_parquet, "is there twice"),
    "twice in VOTable": (_twice_in_a_votable, "is there twice"),
    "twice in FITS": (_twice_in_fits, "is there twice"),
    "Latin-1 header": (
        _text(lambda text: text.replace("\n", ",Pe\u00f1a\n", 1).encode("latin-1")),
        "its header is not UTF-8",
    ),
    "UTF-16": (_text(lambda text: text.encode("utf-16")), "its header is not UTF-8"),
    "a short row": (_text(lambda text: text.rstrip()[: text.rstrip().rindex(",")].encode()), "row"),
}
"""Ways of writing a table that are refused, and in which words."""
