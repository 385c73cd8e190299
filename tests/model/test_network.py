"""Laws of the network: order, padding and other queries do not matter; everything learns."""

from dataclasses import replace

import pytest
import torch
from toy_model import PATCHED, SIZES, toy_model

from ojala.vocabulary.quantities import vocabulary

TWO_BLOCKS = replace(
    SIZES,
    encoder_heads=(4, 2),
    encoder_ffn=(64, 32),
    decoder_heads=(4, 2),
    decoder_ffn=(64, 32),
    output_widths=(64, 32),
)
"""Unlike blocks, one after the other."""
CATEGORICAL_IDS = [vocabulary().index(token) + 1 for token in ("MORPHTYPE", "SPECTYPE")]


@pytest.fixture(params=[TWO_BLOCKS, PATCHED], ids=["a token per band", "patches"])
def model(request):
    return toy_model(request.param).eval()


@pytest.fixture
def context():
    """Ids and values of 4 sources with 12 tokens each, codes where a token is categorical."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.stack([torch.randperm(76, generator=generator)[:12] + 1 for _ in range(4)])
    ids[:, 0] = CATEGORICAL_IDS[0]
    values = torch.randn(4, 12, generator=generator)
    is_code = torch.isin(ids, torch.tensor(CATEGORICAL_IDS))
    return ids, torch.where(is_code, 2.0, values)


def told(answers, query=None):
    """What is said of each query, or of one of them, and of the redshift of galaxies."""
    *each, steps = answers
    each = each if query is None else [answer[:, query] for answer in each]
    return each if steps is None else [*each, steps[:, 0]]


def assert_same(answers, others):
    for answer, other in zip(answers, others, strict=True):
        assert torch.allclose(answer, other, atol=1e-5)


def test_order_of_the_context_does_not_matter(model, context):
    ids, values = context
    queries = torch.tensor([[71, 60]]).expand(4, -1)
    order = torch.randperm(12)
    turned = model(ids[:, order], values[:, order], queries)
    assert_same(told(model(ids, values, queries)), told(turned))


def test_padding_is_invisible(model, context):
    ids, values = context
    queries = torch.tensor([[71, 60]]).expand(4, -1)
    padded_ids = torch.cat([ids, torch.zeros(4, 7, dtype=torch.long)], dim=1)
    padded_values = torch.cat([values, torch.full((4, 7), 3.0)], dim=1)
    padding = padded_ids == 0
    padded_answers = model(padded_ids, padded_values, queries, padding)
    assert_same(told(model(ids, values, queries)), told(padded_answers))
    memory, padded = model.encode(ids, values), model.encode(padded_ids, padded_values, padding)
    assert torch.allclose(model.pooled(memory), model.pooled(padded, padding), atol=1e-5)


def test_an_answer_does_not_depend_on_the_other_queries(model, context):
    ids, values = context
    alone = model(ids, values, torch.full((4, 1), 71))
    among = model(ids, values, torch.tensor([[60, 71, 73, 1]]).expand(4, -1))
    assert_same(told(alone, 0), told(among, 1))


def test_an_answer_does_not_depend_on_the_other_sources(model, context):
    ids, values = context
    queries = torch.tensor([[71]]).expand(4, -1)
    every, alone = model(ids, values, queries), model(ids[2:3], values[2:3], queries[:1])
    assert_same([answer[2:3] for answer in told(every)], told(alone))


def test_values_and_tokens_do_matter(model, context):
    ids, values = context
    queries = torch.tensor([[71]]).expand(4, -1)
    mean = model(ids, values, queries).mean
    assert not torch.allclose(mean, model(ids, values + 1 * (ids > 0), queries).mean, atol=1e-3)
    assert not torch.allclose(mean, model(ids, values, queries - 11).mean, atol=1e-3)


def test_every_parameter_gets_a_gradient(model, context):
    ids, values = context
    model.train()
    answers = model(ids, values, torch.tensor([[71, 72, 73, 59, 1]]).expand(4, -1))
    sum(answer.square().sum() for answer in answers if answer is not None).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_bfloat16_agrees_within_its_precision(model, context):
    """bfloat16 has 8 bits: after five blocks 5 % of the spread of the answers is left."""
    ids, values = context
    queries = torch.arange(1, 77)[None].expand(4, -1)
    exact = model(ids, values, queries).mean
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(ids, values, queries).mean
    assert (rounded - exact).abs().max() < 0.1 * exact.std()
    assert (rounded - exact).std() < 0.05 * exact.std()
