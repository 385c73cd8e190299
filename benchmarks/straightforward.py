"""The network written as one first would: padded, masked, indexed, softmax spelt out.

The same parameters and the same numbers as ``ojala.model.network.Ojala`` (the benchmark checks
that), so that a ratio of times is one of how, not of what.
"""

import torch
from torch.nn import functional as F

from ojala.model.answers import Answers
from ojala.vocabulary.quantities import vocabulary


def forward(model, ids, values, query_ids, padding):
    """Answers of ``model`` to a padded context."""
    tokens = embed(model.embedding, ids, values)
    bias = bias_of_pairs(model.wavelength_bias)[ids[:, :, None], ids[:, None, :]]
    for block in model.encoder:
        query, key, value = block.query_key_value(tokens).chunk(3, dim=-1)
        attended = attend(query, key, value, block.num_heads, padding, bias * block.bias_gain)
        tokens = rest_of_block(block, tokens, attended)
    queries = model.embedding.table()[query_ids]
    for block in model.decoder:
        key, value = block.key_value(tokens).chunk(2, dim=-1)
        extra_key, extra_value = block.extra_key_value.expand(-1, len(tokens), -1, -1)
        key, value = torch.cat([key, extra_key], 1), torch.cat([value, extra_value], 1)
        attended = attend(
            block.query(queries), key, value, block.num_heads, F.pad(padding, (0, 1)), None
        )
        queries = rest_of_block(block, queries, attended)
    hidden = model.heads.hidden(queries)
    return Answers(
        model.heads.mean(hidden)[..., 0],
        model.heads.log_variance(hidden)[..., 0].clamp(-14, 10),
        model.heads.spectype(hidden),
        model.heads.morphtype(hidden),
    )


def embed(embedding, ids, values):
    rows = ids.clone()
    for token in ("MORPHTYPE", "SPECTYPE"):
        token_id = vocabulary().index(token) + 1
        is_token = ids == token_id
        rows[is_token] = (embedding.offset_of_id[token_id] + values[is_token]).long()
    values = torch.where(rows == ids, values, 1.0)
    return F.gelu(embedding.table()[rows] * values[..., None] + embedding.bias[rows])


def bias_of_pairs(wavelength_bias):
    """The bias of every pair of token ids, (77, 77)."""
    return wavelength_bias(torch.arange(77)[None])[0, 0]


def attend(query, key, value, num_heads, padding, bias):
    query, key, value = (
        part.view(*part.shape[:2], num_heads, -1).transpose(1, 2) for part in (query, key, value)
    )
    logits = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    if bias is not None:
        logits = logits + bias[:, None]
    logits = logits.masked_fill(padding[:, None, None, :], -torch.inf)
    return (logits.softmax(-1) @ value).transpose(1, 2).flatten(2)


def rest_of_block(block, tokens, attended):
    tokens = block.attention_norm(tokens + block.dropout(block.output(attended)))
    layer = block.feed_forward
    return layer.norm(tokens + layer.dropout(layer.narrow(F.gelu(layer.widen(tokens)))))
