"""A model folder as the release's, with random weights, and its network from the equations.

The network is written in numpy, float64, for one source: tokens in, answers out. It knows nothing
of the project's layers.
"""

import json

import numpy as np
import torch
from scipy.special import erf

from ojala.vocabulary.quantities import vocabulary

WIDTH, ENCODER, DECODER = 128, (16, 1024), (16, 2048)
BROAD_NM = {
    "MAG_i": 748.0,
    "MAG_G": 477.0,
    "MAG_R": 623.0,
    "MAG_Z": 913.0,
    "MAG_W1": 3368.0,
    "MAG_W2": 4618.0,
}


def config(width=WIDTH, encoder=ENCODER, decoder=DECODER):
    draw = np.random.default_rng(3)
    mean, std = draw.normal(1, 0.3, 77), draw.uniform(0.2, 2.0, 77)
    for token_id in (0, 59, 73):
        mean[token_id], std[token_id] = 0.0, 1.0
    return {
        "nn_config": {
            "backend_framewoark": "torch-2.4.1",
            "context_length": 75,
            "embedding_dim": width,
            "embedding_activation": "gelu",
            "encoder_head_num": encoder[0],
            "encoder_dense_num": encoder[1],
            "encoder_dropout_rate": 0.1,
            "encoder_activation": "gelu",
            "decoder_head_num": decoder[0],
            "decoder_dense_num": decoder[1],
            "decoder_dropout_rate": 0.1,
            "decoder_activation": "gelu",
        },
        "tokenizer_config": {
            "vocabs": list(vocabulary()),
            "vocab_tokens": list(range(1, 77)),
        },
        "norm_config": {
            "_input_mean": mean.tolist(),
            "_input_std": std.tolist(),
            "_input_standardized": [k not in (0, 59, 73) for k in range(77)],
        },
    }


def tensors(width=WIDTH, encoder=ENCODER, decoder=DECODER, seed=1):
    """Random tensors under the names of the release's torch modules."""
    draw = np.random.default_rng(seed)
    made = {}

    def put(name, *shape, scale=None):
        scale = scale or (1 / np.sqrt(shape[-1]) if len(shape) > 1 else 0.1)
        made[name] = torch.tensor(draw.normal(0, scale, shape), dtype=torch.float32)

    def linear(name, before, after):
        put(f"{name}.weight", after, before)
        put(f"{name}.bias", after)

    put("embedding_layer.embeddings", 77, width, scale=0.5)
    put("embedding_layer.bias", 77, width, scale=0.5)
    linear("embedding_layer.meta_mlp.0", 3, 64)
    linear("embedding_layer.meta_mlp.2", 64, width)
    for name, value in {
        "log_sigma_narrow": -2.1,
        "log_sigma_broad": -1.4,
        "w_narrow": 1.3,
        "w_broad": -0.9,
        "rpb_gain1": 1.2,
        "rpb_gain2": 0.7,
    }.items():
        made[f"torch_encoder.{name}"] = torch.tensor(value)
    blocks = [("torch_encoder.encoder", k, encoder) for k in (0, 1)]
    blocks += [("torch_decoder.decoder", k, decoder) for k in (0, 1, 2)]
    for side, k, (heads, dense) in blocks:
        block = f"{side}_transformer_block_{k + 1}"
        if "encoder" in side:
            linear(f"{block}.attention.qkv_proj", width, 3 * width)
        else:
            for part in "qkv":
                linear(f"{block}.attention.{part}_proj", width, width)
            for part in "kv":
                put(f"{block}.attention.{part}_bias", 1, heads >> k, 1, width // (heads >> k))
        linear(f"{block}.attention.out_proj", width, width)
        linear(f"{block}.dense_1", width, dense >> k)
        linear(f"{block}.dense_2", dense >> k, width)
        for norm in ("layernorm_1", "layernorm_2"):
            put(f"{block}.{norm}.weight", width, scale=0.3)
            made[f"{block}.{norm}.weight"] += 1
            put(f"{block}.{norm}.bias", width)
    sizes = [width, *(decoder[1] >> k for k in range(4))]
    for k in range(4):
        linear(f"torch_decoder.decoder_dense_{k + 3}", sizes[k], sizes[k + 1])
    outputs = ("decoder_out", 1), ("decoder_logvar_out", 1)
    for name, size in (*outputs, ("classification_out", 3), ("morph_classification_out", 6)):
        linear(f"torch_decoder.{name}", sizes[-1], size)
    return made


def write(directory, state, settings=None):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(settings or config()))
    optimizer = {"state": {}, "param_groups": [{"lr": 1e-4}]}
    content = {"model_state_dict": state, "optimizer_state_dict": optimizer, "epoch": 900}
    torch.save(content, directory / "weights.pt")
    return directory


def gelu(x):
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


def softmax(x):
    power = np.exp(x - x.max(axis=-1, keepdims=True))
    return power / power.sum(axis=-1, keepdims=True)


class Reference:
    """The published network, one source at a time."""

    def __init__(self, state, settings, with_bias=True):
        self.t = {name: tensor.numpy().astype(float) for name, tensor in state.items()}
        self.nn, self.norm = settings["nn_config"], settings["norm_config"]
        self.with_bias = with_bias
        waves = {t: float(t[1:]) for t in vocabulary() if t[0] == "J"} | BROAD_NM
        low, high = np.log10(378.0), np.log10(4618.0)
        self.meta = np.zeros((77, 3))
        for token, wave in waves.items():
            row = [(np.log10(wave) - low) / (high - low), 1.0, float(token[0] == "J")]
            self.meta[vocabulary().index(token) + 1] = row

    def linear(self, name, x):
        return x @ self.t[f"{name}.weight"].T + self.t[f"{name}.bias"]

    def norm_of(self, name, x):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * self.t[f"{name}.weight"] + self.t[f"{name}.bias"]

    def rows(self, ids):
        hidden = self.linear("embedding_layer.meta_mlp.0", self.meta[ids])
        told = self.linear("embedding_layer.meta_mlp.2", hidden / (1 + np.exp(-hidden)))
        return self.t["embedding_layer.embeddings"][ids] + self.meta[ids][:, 1:2] * told

    def attend(self, q, k, v, heads, logits):
        attended = []
        for head in np.split(np.arange(q.shape[1]), heads):
            scores = q[:, head] @ k[:, head].T / np.sqrt(len(head)) + logits
            attended.append(softmax(scores) @ v[:, head])
        return np.concatenate(attended, axis=1)

    def rest(self, block, x, attended):
        x = self.norm_of(
            f"{block}.layernorm_1", x + self.linear(f"{block}.attention.out_proj", attended)
        )
        dense = self.linear(f"{block}.dense_2", gelu(self.linear(f"{block}.dense_1", x)))
        return self.norm_of(f"{block}.layernorm_2", x + dense)

    def bias(self, ids):
        wave, has, narrow = self.meta[ids].T
        apart = np.abs(wave[:, None] - wave)
        t = {name.rpartition(".")[2]: value for name, value in self.t.items()}
        kernels = [
            t[f"w_{kind}"] * np.exp(-((apart / (np.exp(t[f"log_sigma_{kind}"]) + 1e-6)) ** 2))
            for kind in ("narrow", "broad")
        ]
        both = narrow[:, None] * narrow
        return (both * kernels[0] + (1 - both) * kernels[1]) * has[:, None] * has * self.with_bias

    def answer(self, values, queries):
        """(mean, 1 sigma) in physical units of continuous queries, probabilities of the others."""
        ids = np.array([vocabulary().index(token) + 1 for token in values])
        given = np.array(list(values.values()), dtype=float)
        scaled = (given - np.array(self.norm["_input_mean"])[ids]) / np.array(
            self.norm["_input_std"]
        )[ids]
        x = gelu(self.rows(ids) * scaled[:, None] + self.t["embedding_layer.bias"][ids])
        for k in (0, 1):
            block = f"torch_encoder.encoder_transformer_block_{k + 1}"
            q, key, value = np.split(self.linear(f"{block}.attention.qkv_proj", x), 3, axis=1)
            logits = self.bias(ids) * self.t[f"torch_encoder.rpb_gain{k + 1}"]
            x = self.rest(
                block, x, self.attend(q, key, value, self.nn["encoder_head_num"] >> k, logits)
            )
        asked = np.array([vocabulary().index(token) + 1 for token in queries])
        y = self.rows(asked)
        for k in (0, 1, 2):
            block = f"torch_decoder.decoder_transformer_block_{k + 1}"
            key, value = (
                np.concatenate(
                    [
                        self.linear(f"{block}.attention.{part}_proj", x),
                        self.t[f"{block}.attention.{part}_bias"].reshape(1, -1),
                    ]
                )
                for part in "kv"
            )
            q = self.linear(f"{block}.attention.q_proj", y)
            y = self.rest(
                block, y, self.attend(q, key, value, self.nn["decoder_head_num"] >> k, 0.0)
            )
        for k in range(4):
            y = gelu(self.linear(f"torch_decoder.decoder_dense_{k + 3}", y))
        mean, log_variance, classes, types = (
            self.linear(f"torch_decoder.{name}", y)
            for name in (
                "decoder_out",
                "decoder_logvar_out",
                "classification_out",
                "morph_classification_out",
            )
        )
        said = {}
        for k, (token, token_id) in enumerate(zip(queries, asked, strict=True)):
            if token in ("SPECTYPE", "MORPHTYPE"):
                said[token] = softmax((classes if token == "SPECTYPE" else types)[k])
                continue
            std = self.norm["_input_std"][token_id]
            said[token] = (
                mean[k, 0] * std + self.norm["_input_mean"][token_id],
                np.exp(0.5 * log_variance[k, 0]) * std,
            )
        return said, x.mean(axis=0)
