"""What the service is asked and what it answers, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from ojala.vocabulary.bands import reference_band
from ojala.vocabulary.quantities import MORPHTYPES, observations, queries

MAX_SOURCES = 10_000
"""Sources of one request; a catalogue is for ``ojala predict``."""

MAX_PDFS = 100
"""Sources of one request for p(z): each has hundreds of steps."""

MAX_EMBEDDINGS = 2_000

MAX_SIMILAR = 100
"""Sources of one request for neighbours, and neighbours of each."""

MAX_OF_CANDIDATE = 512
"""Sources of one request that the candidate is asked: by its name, or of what was overheard."""

CANDIDATE = "candidate"

Whom = Annotated[
    Literal["champion", "candidate"],
    Field(
        description="whom to ask: the version that answers, or by its name the candidate that "
        "stands in its shadow (ojala promote --shadow)",
        examples=[CANDIDATE],
    ),
]

Morphtype = Annotated[
    str, Field(description="Legacy Surveys morphology", examples=list(MORPHTYPES))
]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Strict(BaseModel):
    """Nothing is guessed: an unknown name, NaN or a number written as text is refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _source() -> type[BaseModel]:
    """A source: i, and every other observation; null is not observed."""
    fields: dict[str, Any] = {}
    for token in observations():
        if token == "MORPHTYPE":
            fields[token] = (Morphtype | None, None)
            continue
        fields[token] = (Number | None, ... if token == reference_band().token else None)
        fields[f"{token}_ERR"] = (Number | None, None)
    return create_model("Source", __base__=Strict, **fields)


class _EquallyLong(Strict):
    @model_validator(mode="after")
    def _lengths(self) -> _EquallyLong:
        lengths = {name: len(values) for name, values in self if values is not None}
        reference = reference_band().token
        expected = lengths[reference]
        for name, length in lengths.items():
            if length != expected:
                raise ValueError(
                    f"{name} has {length} values and {reference} {expected}, expected as many"
                )
        return self


def _source_columns() -> type[BaseModel]:
    """Sources by their columns: the band of reference, and any other observations, equally long."""
    fields: dict[str, Any] = {}
    for name, one in _source().model_fields.items():
        kind: Any = Morphtype if name == "MORPHTYPE" else Number
        values: Any = Annotated[list[kind | None], Field(min_length=1, max_length=MAX_SOURCES)]
        fields[name] = (values, ...) if one.is_required() else (values | None, None)
    return create_model("SourceColumns", __base__=_EquallyLong, **fields)


if TYPE_CHECKING:
    Source = Strict
    SourceColumns = Strict
    Query = str
else:
    Source = _source()
    SourceColumns = _source_columns()
    # Which heads there are is known when the service begins: the Predictor refuses all others.
    Query = Annotated[
        str, Field(description="A token, or the name of a head", examples=list(queries()))
    ]


class Model(Strict):
    """The model that answered."""

    name: str
    version: str
    digest: str
    run_id: str


class Head(Strict):
    """A fine-tuned head: asked by its name, it answers in columns of its own.

    state: "ready", or why it is not loaded
    """

    name: str
    version: str
    digest: str
    state: str


class InShadow(Strict):
    """A candidate that is asked beside the model that answers, and shown to who asks for it.

    version: of the candidate; session: since when it stands; share: of the requests, drawn
    state: "compared", "being prepared" or "refused: ...", why; champion: whom it is compared with
    dropped: requests that were drawn and not asked, for others or for queries it does not know
    all others: what came of it (docs/promotion.md)
    """

    version: str
    session: str
    share: float
    state: str
    champion: str
    dropped: int
    requests: int
    sources: int
    lost: int
    classed: int
    class_changes: int
    redshifts: int
    far: int
    seconds: float


class Health(Model):
    """The model that answers, and every head that there is.

    following: whether the version under the alias is the one that answers, and why not
    shadow: the candidate that is asked too, null where there is none
    """

    heads: list[Head]
    following: str
    shadow: InShadow | None = None


class Quantity(Strict):
    """What the model can be asked: its unit, and the classes that it is defined for."""

    token: str
    unit: str
    classes: list[str]
    description: str


class Card(Model):
    """The model's card.

    num_parameters: of the network; provenance: code, data and run that it was made from
    """

    num_parameters: int
    provenance: dict[str, Any]
    quantities: list[Quantity]
    heads: list[Head]


class Redshifts(Strict):
    """p(z) of each source, by Z_GAL if it is a galaxy and Z_QSO if it is a quasar.

    edges: redshifts between which the steps lie, one more than there are steps
    probabilities: of each step, by source; null where REASON says why there is no answer
    """

    model: Model
    edges: dict[str, list[float]]
    probabilities: list[dict[str, list[float]] | None]
    reasons: list[str | None]


class Embeddings(Strict):
    """The vector by which the network knows each source; null where a reason is given."""

    model: Model
    embeddings: list[list[float] | None]
    reasons: list[str | None]


class Neighbour(Strict):
    """A source of the served catalogue, and what the catalogue says of it.

    distance: Euclidean, between the embeddings of the model that answers
    """

    source_id: str
    distance: float
    ra: float
    dec: float
    CLASS: str | None = None
    Z_GAL: float | None = None
    Z_QSO: float | None = None


class Similar(Strict):
    """The neighbours of each source, the nearest first; null where a reason is given.

    catalogue_bundle: digest of the bundle that the catalogue's own answers are of, as it says
    """

    model: Model
    catalogue_bundle: str | None
    neighbours: list[list[Neighbour] | None]
    reasons: list[str | None]


class JobStatus(Strict):
    """A table that is answered in the background.

    state: waiting, running, done, failed or cancelled; model: that answers, from begin to end
    sources_per_second: since it went on last; null before
    told: why it failed; of one that is done, what was used of the table
    result: where the answers are, null before it is done
    """

    job: str
    state: str
    model: Model
    num_sources: int
    sources_done: int
    sources_per_second: float | None
    told: list[str]
    result: str | None


class Predictions(Strict):
    """The model, the heads that were asked, and the values of each source.

    predictions: by source the value of each column, null where it has none; REASON says why a
        source has no answers
    notes: what of the request was taken for not observed
    """

    model: Model
    heads: list[Head]
    predictions: list[dict[str, float | str | None]]
    notes: list[str]


class PredictionColumns(Strict):
    """The same as Predictions, by column: a value for each source, in their order."""

    model: Model
    heads: list[Head]
    columns: dict[str, list[float | str | None]]
    notes: list[str]
