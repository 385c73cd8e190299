"""What the service is asked and what it answers, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from ojala.vocabulary.quantities import MORPHTYPES, observations, queries

MAX_SOURCES = 10_000
"""Sources of one request; a catalogue is for ``ojala predict``."""

MAX_PDFS = 100
"""Sources of one request for p(z): each has hundreds of steps."""

MAX_EMBEDDINGS = 2_000

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
        fields[token] = (Number | None, ... if token == "MAG_i" else None)
        fields[f"{token}_ERR"] = (Number | None, None)
    return create_model("Source", __base__=Strict, **fields)


if TYPE_CHECKING:
    Source = Strict
    Query = str
else:
    Source = _source()
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


class Health(Model):
    """The model that answers, and every head that there is.

    following: whether the version under the alias is the one that answers, and why not
    """

    heads: list[Head]
    following: str


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
