"""The encoder's first self-attention by several kernels, forward and backward, with a bias.

SDPA's kernels; FlexAttention with the bias in its score function (heads padded to 16); and flash
kernels, SDPA's and the package flash-attn where it is installed, with the bias folded into wider
heads, q' = [q, B[i, :] sqrt(width)], k' = [k, onehot(j)], which is exact and costs one more column
for each token. Each is checked against plain products.
"""

import time

import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

HEADS, WIDTH = 16, 8


def times(device, batch, sizes=(8, 32, 56)):
    """Milliseconds of forward and backward by kernel and context size, or why there are none."""
    return {
        size: {name: timed(way, device, batch, size) for name, way in WAYS.items()}
        for size in sizes
    }


def timed(way, device, batch, size):
    try:
        difference = check(way, device, size)
        inputs = given(device, batch, size)

        def both():
            way(*inputs).sum().backward()

        for _ in range(3):
            both()
        best = min(seconds_of(both) for _ in range(5))
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
    return {"ms": round(1e3 * best, 3), "difference": difference}


def check(way, device, size):
    """Largest relative difference of output and of the bias's gradient to plain products."""
    results = []
    for attention in (way, plain):
        query, key, value, waves, strength = given(device, 16, size)
        out = attention(query, key, value, waves, strength)
        out.float().square().sum().backward()
        results.append((out.detach().float(), strength.grad.float()))
    return [
        round(float((one - other).abs().max() / other.abs().max()), 4)
        for one, other in zip(*results, strict=True)
    ]


def given(device, batch, size):
    generator = torch.Generator(device).manual_seed(0)
    shape = (3, batch, HEADS, size, WIDTH)
    parts = torch.randn(shape, device=device, dtype=torch.bfloat16, generator=generator)
    waves = torch.rand((batch, size), device=device, generator=generator)
    strength = torch.full((1,), 0.5, device=device, requires_grad=True)
    return (*(part.detach().requires_grad_() for part in parts), waves, strength)


def bias_of(waves, strength):
    separation = waves[:, :, None] - waves[:, None, :]
    return (strength * torch.exp(-((separation / 0.1) ** 2)))[:, None]


def sdpa(kernel):
    def attention(query, key, value, waves, strength):
        bias = bias_of(waves, strength).to(query.dtype)
        with sdpa_kernel(kernel):
            return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)

    return attention


def plain(query, key, value, waves, strength):
    logits = query.float() @ key.float().transpose(-1, -2) / WIDTH**0.5
    return (logits + bias_of(waves, strength)).softmax(-1) @ value.float()


def folded(query, key, value, waves, strength):
    """SDPA's flash kernel with the bias in additional columns of the heads."""
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        out = F.scaled_dot_product_attention(
            *widened(query, key, value, bias_of(waves, strength)), scale=WIDTH**-0.5
        )
    return out[..., :WIDTH]


def package(query, key, value, waves, strength):
    """The same by the package flash-attn, which wants tokens before heads."""
    from flash_attn import flash_attn_func

    wide = widened(query, key, value, bias_of(waves, strength))
    out = flash_attn_func(*(part.transpose(1, 2) for part in wide), softmax_scale=WIDTH**-0.5)
    return out.transpose(1, 2)[..., :WIDTH]


def widened(query, key, value, bias):
    """Heads whose product is that of query and key plus the bias; the value padded as far."""
    size = query.shape[2]
    spare = -(WIDTH + size) % 8
    columns = bias.expand(-1, HEADS, -1, -1).to(query.dtype) * WIDTH**0.5
    one_hot = torch.eye(size, device=query.device, dtype=key.dtype).expand(*key.shape[:2], -1, -1)
    wide_query = F.pad(torch.cat([query, columns], dim=-1), (0, spare))
    wide_key = F.pad(torch.cat([key, one_hot], dim=-1), (0, spare))
    return wide_query, wide_key, F.pad(value, (0, wide_key.shape[-1] - WIDTH))


def flex(query, key, value, waves, strength):
    """FlexAttention; its compiled kernels want heads of 16 or more."""
    from torch.nn.attention.flex_attention import flex_attention

    def biased(score, batch, head, row, column):
        separation = waves[batch, row] - waves[batch, column]
        return score + strength[0] * torch.exp(-((separation / 0.1) ** 2))

    wide = (F.pad(part, (0, 16 - WIDTH)) for part in (query, key, value))
    attend = compiled(flex_attention)
    return attend(*wide, score_mod=biased, scale=WIDTH**-0.5)[..., :WIDTH]


def compiled(function):
    if function not in COMPILED:
        COMPILED[function] = torch.compile(function, dynamic=False)
    return COMPILED[function]


COMPILED = {}
WAYS = {
    "efficient": sdpa(SDPBackend.EFFICIENT_ATTENTION),
    "math": sdpa(SDPBackend.MATH),
    "cudnn": sdpa(SDPBackend.CUDNN_ATTENTION),
    "flash, bias folded in": folded,
    "flash-attn, bias folded in": package,
    "flex": flex,
}


def seconds_of(function):
    wait()
    start = time.perf_counter()
    function()
    wait()
    return time.perf_counter() - start


def wait():
    if torch.cuda.is_available():
        torch.cuda.synchronize()
