"""The network through torch.compile: fused kernels, and on a GPU replayed as CUDA graphs."""

from __future__ import annotations

import torch
from torch import Tensor

from ojala.model.answers import Answers
from ojala.model.network import Ojala


class CompiledNetwork(Ojala):
    """A trained network whose encoder and decoder are compiled when first asked.

    A further size of a batch or of a context is compiled once more, for any size.
    """

    def __init__(self, model: Ojala) -> None:
        super().__init__(model.config)
        self.load_state_dict(model.state_dict())
        self.requires_grad_(False)
        mode = "reduce-overhead" if torch.cuda.is_available() else None
        self._encode = torch.compile(super().encode, mode=mode)
        self._answer = torch.compile(super().answer, mode=mode)

    def encode(self, ids_BC: Tensor, values_BC: Tensor, padding_BC: Tensor | None = None) -> Tensor:
        """As of ``Ojala``: (num_sources, num_tokens) twice to (num_sources, num_tokens, width)."""
        torch.compiler.cudagraph_mark_step_begin()
        memory: Tensor = self._encode(ids_BC, values_BC, padding_BC)
        return memory

    def answer(
        self, memory_BCD: Tensor, query_ids_BQ: Tensor, padding_BC: Tensor | None = None
    ) -> Answers:
        """As of ``Ojala``: of (num_sources, num_tokens, width) and (num_sources, num_queries)."""
        answers: Answers = self._answer(memory_BCD, query_ids_BQ, padding_BC)
        return answers
