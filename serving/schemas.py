"""What the service is asked and what it answers, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from ojala.quantities import MORPHTYPES, observations, queries

MAX_SOURCES = 10_000
"""Sources of one request; a catalogue is for ``ojala predict``."""

Number = Annotated[float, Field(allow_inf_nan=False)]


class Strict(BaseModel):
    """Nothing is guessed: an unknown name, NaN or a number written as text is refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _source() -> type[BaseModel]:
    """A source: i, and every other observation or null where there is none."""
    fields: dict[str, Any] = {}
    for token in observations():
        if token == "MORPHTYPE":
            fields[token] = (Literal[tuple(MORPHTYPES)] | None, None)
            continue
        fields[token] = (Number, ...) if token == "MAG_i" else (Number | None, None)
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
    """The model that answers, and every head that there is."""

    heads: list[Head]


class Predictions(Strict):
    """The model, the heads that were asked, and the values of each source.

    predictions: by source the value of each column, null where it has none
    """

    model: Model
    heads: list[Head]
    predictions: list[dict[str, float | str | None]]
