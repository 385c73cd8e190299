"""The network through OpenVINO: converted once, kept beside its bundle, compiled for each shape."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ojala.model.answers import Answers
from ojala.model.network import Ojala
from ojala.tables.writing import written_whole
from ojala.vocabulary.quantities import vocabulary

ROWS = 64
"""Sources of a pass, always; fewer are filled up. Shapes that may change are a third slower."""

PARTS = ("encoder", "decoder")

Run = Callable[..., NDArray[np.float32]]


class OpenvinoNetwork(Ojala):
    """A trained network whose encoder, decoder and hidden output layers OpenVINO computes.

    It compiles anew, for a second or two, for each number of tokens: of patches there is one.
    The last linear layers are torch's, in float32: a mean in bfloat16 would round redshifts.

    kept: directory that holds the converted network or will; None, or where nothing can be
        written, it is converted each time
    """

    def __init__(self, model: Ojala, precision: str, kept: Path | None = None) -> None:
        super().__init__(model.config)
        self.load_state_dict(model.state_dict())
        self.requires_grad_(False).eval()
        self._encoder, self._decoder = (
            cache(partial(_compiled, part, precision=precision)) for part in _converted(model, kept)
        )
        self.heads.hidden = nn.Sequential()  # OpenVINO's answers have been through them

    def encode(self, ids_BC: Tensor, values_BC: Tensor, padding_BC: Tensor | None = None) -> Tensor:
        """As of ``Ojala``: (num_sources, num_tokens) twice to (num_sources, num_tokens, width)."""
        assert padding_BC is None
        if self.config.patches is not None:  # tokens that are not there change nothing: one shape
            missing = len(vocabulary()) - ids_BC.shape[1]
            ids_BC, values_BC = (F.pad(part, (0, missing)) for part in (ids_BC, values_BC))
        return _in_passes(self._encoder, ids_BC, values_BC)

    def answer(
        self, memory_BCD: Tensor, query_ids_BQ: Tensor, padding_BC: Tensor | None = None
    ) -> Answers:
        """As of ``Ojala``: of (num_sources, num_tokens, width) and (num_sources, num_queries)."""
        assert padding_BC is None
        hidden_BQW = _in_passes(self._decoder, memory_BCD, query_ids_BQ)
        return self.with_beside(self.heads(hidden_BQW, query_ids_BQ), memory_BCD)


class _Encoder(nn.Module):
    """What is converted as the encoder: ids and values of a context to the memory."""

    def __init__(self, model: Ojala) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids_BC: Tensor, values_BC: Tensor) -> Tensor:
        """(num_sources, num_tokens) twice to (num_sources, num_tokens, width)."""
        return self.model.encode(ids_BC, values_BC)


class _Decoder(nn.Module):
    """What is converted as the decoder: a memory and queries to the last hidden layer."""

    def __init__(self, model: Ojala) -> None:
        super().__init__()
        self.model = model

    def forward(self, memory_BCD: Tensor, query_ids_BQ: Tensor) -> Tensor:
        """(num_sources, num_tokens, width) and (num_sources, num_queries) to the last layer's."""
        hidden: Tensor = self.model.heads.hidden(self.model.read(memory_BCD, query_ids_BQ))
        return hidden


def _in_passes(part: Callable[..., Run], *inputs: Tensor) -> Tensor:
    """What a part says of inputs of (num_sources, ...), asked ROWS sources at a time."""
    num, run = len(inputs[0]), part(tuple(tuple(given.shape[1:]) for given in inputs))
    passes = []
    for first in range(0, num, ROWS):
        parts = [part[first : first + ROWS] for part in inputs]
        missing = ROWS - len(parts[0])
        if missing:  # by the last source, again and again
            parts = [torch.cat([p, p[-1:].expand(missing, *p.shape[1:])]) for p in parts]
        passes.append(run(*(part.contiguous().numpy() for part in parts))[: num - first])
    return torch.from_numpy(np.concatenate(passes))


def _converted(model: Ojala, kept: Path | None) -> list[Any]:
    """Encoder and decoder as OpenVINO knows them, from where they are kept or converted now."""
    import openvino

    if kept is not None:
        kept = kept.with_name(f"{kept.name}-openvino-{openvino.__version__.partition('-')[0]}")
        try:
            core = openvino.Core()
            return [core.read_model(kept / f"{part}.xml") for part in PARTS]
        except RuntimeError:  # not there yet, or damaged
            pass
    made = _convert(model)
    if kept is not None:
        _keep(made, kept)
    return made


def _convert(model: Ojala) -> list[Any]:
    import openvino

    ids = torch.ones((ROWS, len(vocabulary())), dtype=torch.long)
    ids[:] = torch.arange(1, len(vocabulary()) + 1)
    queries = ids[:, :2].contiguous()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: sizes that are constant here
        values = torch.zeros(ids.shape)
        memory = model.encode(ids, values)
        given = {_Encoder: (ids, values), _Decoder: (memory, queries)}
        return [
            openvino.convert_model(part(model), example_input=example)
            for part, example in given.items()
        ]


def _keep(made: list[Any], place: Path) -> None:
    """Write the converted network, whole or not at all; where nothing can be written, not."""
    import openvino

    try:
        with written_whole(place) as whole:
            whole.mkdir()
            for part, converted in zip(PARTS, made, strict=True):
                openvino.save_model(converted, whole / f"{part}.xml", compress_to_fp16=False)
    except OSError:
        return


def _compiled(part: Any, shapes: tuple[tuple[int, ...], ...], precision: str) -> Run:
    """A part for inputs of these shapes of one source, on as many threads as torch has."""
    import openvino

    of_one_shape = part.clone()
    of_one_shape.reshape({at: [ROWS, *shape] for at, shape in enumerate(shapes)})
    settings = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # several workers would sit on one core
    }
    compiled = openvino.Core().compile_model(of_one_shape, "CPU", settings)

    def run(*inputs: NDArray[Any]) -> NDArray[np.float32]:
        found = compiled.create_infer_request().infer(list(inputs), share_inputs=True)
        return np.asarray(found[0], dtype=np.float32)

    return run
