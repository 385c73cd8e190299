"""The page that describes the catalogue's columns, written from the tables that define them.

``python -m ojala.catalogue.datamodel > docs/datamodel.md``
"""

from __future__ import annotations

from ojala.catalogue.recalibration import CLASS_SET, HIGH, LOW
from ojala.catalogue.vac import HEADER_KEYS
from ojala.model.redshift_columns import SUFFIXES
from ojala.physics.derived import LINES
from ojala.tables.shards import jpas_schema
from ojala.vocabulary.catalogue_columns import ERROR_SUFFIX, vac_column
from ojala.vocabulary.quality_flags import FLAGS_COLUMN, quality_flags
from ojala.vocabulary.quantities import REDSHIFTS, queries

HEAD = """# The value-added catalogue

`data/vac/ojala_vac.parquet` and `data/vac/ojala_vac.fits` hold the same table: one row per source
of the J-PAS input table, those set aside included: `REJECTED` says why, and of them only keys and
position are given. Names are the released catalogue's. Every prediction `X` has its 1 sigma error
`X_ERR`, half of an interval that held 68 % of the held-out mocks, with the errors of their labels.
A quantity is answered for every source: read `CLASS` first, and of the stellar parameters only
those of stars, say.

A redshift is answered by a distribution p(z). `Z_GAL` and `Z_QSO` are its mode: the centroid of the
highest peak, in the window of +-0.05 in ln(1+z) that holds most probability; `Z_GAL_ERR` is the
half-width about it that holds 68 %. Where `Z_GAL_MODE_2_WEIGHT` is not small, no single number
stands for p(z); the intervals still hold what they say. Of a model that answers with Gaussians
(presets `released` and `paper`) they are those of the Gaussian, and there is no second mode.

Units are spelt as astropy reads them. FITS knows no dex: such a column has no TUNIT there, and its
comment (TCOMM) ends in `[dex(solMass)]`. Whole numbers are -1 where they are not known.

`MORPHTYPE` is a code here. `ojala predict` and the Predictor take names as well: DEV (0), EXP (1),
GGAL (2), PSF (3, GPSF too), REX (4), SER (5); -1, an empty cell or None is not known.

Fine-tuned heads add columns of their own, each with its error ([heads](heads.md)): what they mean
stands in the file, and its card `HEADS` says which heads they were.

Made from the tables of the code by `python -m ojala.catalogue.datamodel`; a test keeps it so.
"""

ELSEWHERE = """## Names elsewhere

What is read from p(z) of a class stands under names of its token; `X` is `Z_GAL` or `Z_QSO`. In the
catalogues of Euclid (product PhzCatalog) and of Rubin (RAIL's point estimates) the same is called

| here | Euclid | Rubin |
|---|---|---|
| `X` | `PHZ_MODE_1` | `z_mode` |
| `X_MEDIAN` | `PHZ_MEDIAN` | `z_median` |
| `X_MEAN` | | `z_mean` |
| `X_ERR`, about the mode | | |
| `X_LOW68`, `X_HIGH68` | `PHZ_70_INT` (70 % there) | `z_err68_low`, `z_err68_high` |
| `X_LOW90`, `X_HIGH90` | `PHZ_90_INT` | |
| `X_LOW95`, `X_HIGH95` | `PHZ_95_INT` | `z_err95_low`, `z_err95_high` |
| `X_MODE_2`, `X_MODE_2_WEIGHT` | `PHZ_MODE_2`, `PHZ_MODE_2_AREA` | |
| `QUALITY_FLAGS` | `PHZ_FLAGS` | |
| p(z) of `ojala publish` | `PHZ_PDF` | qp ensemble |
"""

FLAGS = """## Quality flags

`QUALITY_FLAGS` is the sum of the bits that apply: `QUALITY_FLAGS & 8` is not 0 where the class is
ambiguous. `ojala predict` sets them where all is asked. `OUTSIDE_TRAINING` needs the domain of the
bundle (`ojala domain data/weights --out models/domain.safetensors`, which stage `domain` makes for
the catalogue; then `--domain` of `ojala predict` and `ojala vac`): the distance of the embedding to
the 20th nearest of held-out sources is judged by others of them, and the card `DOMAIN` says with
what share of false alarms, or that the bit was not judged. Sources with few bands are not. Class
probabilities of sources outside fall back towards a third each, the more the farther they are, as
`P^(limit / distance)`, and are then recalibrated as all others are.
"""

SETS = """`ojala predict` and `ojala vac` write them with `--recalibration`, the file that stage
`recalibrate` (`ojala recalibrate`) makes by the validation split, which no training saw. Class
probabilities are then the recalibrated ones, where a temperature, or one with offsets of the
classes, won by cross-validation, and else as they were; the card `RECALIB` says which.

A set holds what is true of at least 90 % of the sources of each class, in each of the ranges of the
i magnitude that are divided at 19, 20, 21 and 22 (split conformal prediction, Vovk et al. 2005).
`CLASS_SET90` always holds `CLASS`. `Z_GAL_SET90_LOW` ... `HIGH` is the interval `Z_GAL_LOW90` ...
`HIGH90`, stretched about the median where held-out sources need it and never made narrower: read it
of a galaxy, as `Z_QSO_SET90_LOW` of a quasar. The promise is that of sources like the held-out
mocks: of real photometry it holds as far as the mocks are like it, and the report of stage
`evaluate` says how far that is. Where a range holds fewer than 9 held-out sources of a class, that
class is in every set there, and the redshift interval is stretched as all of the class need it;
where the class has fewer than 9, it is NaN.
"""

PROVENANCE = """## Provenance

FITS cards of the table's header; the same entries are metadata of the Parquet file. What
`ojala predict` writes has those that its bundle knows: in FITS and Parquet alike, in ECSV as meta,
in VOTable as INFO; CSV has none.
"""


def page() -> str:
    """The page as Markdown."""
    predicted = [name for name in queries() if name != "SPECTYPE"]
    derived = [*LINES, "HA_HB_RATIO", "L_HALPHA_CORR", "LOGSFR_HA"]
    observed = [name for name in jpas_schema().names if not name.endswith(ERROR_SUFFIX)]
    sections = {
        "Input": [*observed, "REJECTED"],
        "Class": ["CLASS", "P_GALAXY", "P_STAR", "P_QSO"],
        "Predicted, each with its error": predicted,
        "Read from p(z)": [
            f"{token}{suffix}"
            for token in REDSHIFTS
            for suffix in SUFFIXES
            if suffix not in ("", ERROR_SUFFIX)
        ],
        "Sets of stated coverage": [
            CLASS_SET,
            *(f"{token}{end}" for token in REDSHIFTS for end in (LOW, HIGH)),
        ],
        "Derived, each with its error": derived,
        "Quality": [FLAGS_COLUMN, "REASON"],
    }
    parts = [HEAD]
    for title, names in sections.items():
        said = f"{SETS}\n" if CLASS_SET in names else ""
        head = f"## {title}\n\n{said}| column | unit | UCD | meaning |\n|---|---|---|---|\n"
        parts.append(head + _rows(names))
    bits = "".join(f"| {f.bit} | `{f.name}` | {f.description} |\n" for f in quality_flags())
    parts.append(f"{FLAGS}\n| bit | name | meaning |\n|---:|---|---|\n{bits}")
    parts.append(ELSEWHERE)
    cards = "".join(
        f"| {card} | `{name}` | {text} |\n" for name, (card, text) in HEADER_KEYS.items()
    )
    parts.append(f"{PROVENANCE}\n| card | Parquet | meaning |\n|---|---|---|\n{cards}")
    return "\n".join(parts)


def _rows(names: list[str]) -> str:
    columns = [vac_column(name) for name in names]
    return "".join(f"| {c.name} | {c.unit} | `{c.ucd}` | {c.description} |\n" for c in columns)


if __name__ == "__main__":
    print(page(), end="")
