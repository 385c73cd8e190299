# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # What the network looked at
#
# Three looks inside: which wavelengths a redshift was read from, what the network makes of bands that it is not
# shown, and how it is found out that a source is nothing like what it was trained on. It runs at the root of the
# project after `make repro`; `python docs/notebooks/looked_at.py` does as well.

# %%
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from matplotlib.figure import Figure

from ojala import Predictor, load
from ojala.catalogue import domain
from ojala.measures.redshift_modes import modes
from ojala.model.context import full_context
from ojala.model.patches import patches
from ojala.tables.shards import read_table
from ojala.vocabulary.bands import narrow_bands
from ojala.vocabulary.quantities import observations, vocabulary

FIGURES = Path("docs/figures")
opened = load("models/ojala")
predictor = Predictor(opened)
test = pq.read_table("data/crossmatch/test_real.parquet")
narrow = [band.token for band in narrow_bands()]
wave = np.array([band.wave for band in narrow_bands()])

# %% [markdown]
# A galaxy with a strong H-alpha line, seen in every band.

# %%
light = np.stack([test[token].to_numpy().astype(float) for token in narrow], axis=1)
ew = np.nan_to_num(test["HALPHA_6562_EW"].to_numpy().astype(float))
is_galaxy = test["spectype"].to_numpy(zero_copy_only=False) == "GALAXY"
usable = is_galaxy & np.isfinite(light).all(axis=1)
row = int(np.argmax(np.where(usable, ew, -np.inf)))
one = test.slice(row, 1)
z = float(one["z"][0].as_py())
print(f"row {row + 1}: redshift {z:.3f}, EW(H-alpha) {ew[row]:.0f} Angstrom")

# %% [markdown]
# ## Attention by wavelength
#
# The query for the redshift looks at tokens, most of which are patches of neighbouring narrow bands. How much it looks
# at each is the softmax of query and key, which is taken here from the layers as they work, averaged over their heads.
# The last column of keys is "nothing", which a head may look at as well.

# %%
heard: dict[str, list[torch.Tensor]] = {"query": [], "key": []}
layers = list(predictor.model.decoder)
hooks = [
    layer.query.register_forward_hook(lambda _, __, out: heard["query"].append(out))
    for layer in layers
] + [
    layer.key_value.register_forward_hook(
        lambda _, __, out: heard["key"].append(out.chunk(2, dim=-1)[0])
    )
    for layer in layers
]
seen = predictor.shown(one)
given = full_context(
    torch.from_numpy(seen.values).to(predictor.device),
    torch.ones(len(vocabulary()), dtype=torch.bool, device=predictor.device),
)
asked = torch.tensor([[vocabulary().index("Z_GAL") + 1]], device=predictor.device)
with torch.no_grad():
    predictor.model.answer(predictor.model.encode(given.ids, given.values), asked)
for hook in hooks:
    hook.remove()


# %%
@torch.no_grad()
def attention(layer: torch.nn.Module, query: torch.Tensor, key: torch.Tensor) -> np.ndarray:
    """How much the query looks at each token of the memory, and at nothing at the end."""
    nothing = layer.extra_key_value[0].expand(len(key), -1, -1)
    key = torch.cat([key, nothing], dim=1)
    heads = [part.unflatten(-1, (layer.num_heads, -1)).transpose(1, 2) for part in (query, key)]
    logits = heads[0] @ heads[1].transpose(-1, -2) / heads[0].shape[-1] ** 0.5
    return logits.softmax(-1).mean(dim=(0, 1, 2)).cpu().numpy()


looked = np.mean(
    [attention(*parts) for parts in zip(layers, heard["query"], heard["key"], strict=True)], axis=0
)
members = patches(opened.model.config.patches).numpy()
wave_of = {vocabulary().index(band.token) + 1: band.wave for band in narrow_bands()}
centre = [
    np.mean([wave_of[i] for i in group if i in wave_of]) if set(group) & set(wave_of) else np.nan
    for group in members
]
in_patches = np.array(centre)
is_narrow = np.isfinite(in_patches)
print(f"patches of narrow bands {looked[: len(members)][is_narrow].sum():.0%}, ", end="")
print(f"other tokens {looked[:-1].sum() - looked[: len(members)][is_narrow].sum():.0%}, ", end="")
print(f"nothing {looked[-1]:.0%}")

# %% [markdown]
# Where a network looks is not yet what it uses. So each band in turn is hidden, and the distance between p(z) with and
# without it is measured: 0 where the band makes no difference, 1 where p(z) is somewhere else.

# %%
hidden = {name: np.repeat(one[name].to_numpy(), len(narrow)) for name in observations()
          if name in one.column_names}  # fmt: skip
for number, token in enumerate(narrow):
    hidden[token][number] = np.nan
whole = predictor.redshifts(one)["Z_GAL"]
parts = predictor.redshifts(hidden)["Z_GAL"]
moved = 0.5 * np.abs(parts.probability - whole.probability).sum(axis=1)
most = np.argsort(moved)[::-1][:4]
print("hiding these moves p(z) most:", ", ".join(f"{narrow[i]} ({moved[i]:.2f})" for i in most))

# %%
figure = Figure(figsize=(9, 6), layout="constrained")
top, middle = figure.subplots(2, 1, sharex=True)
top.plot(wave, light[row], ".-", color="black", linewidth=0.6)
top.set(ylabel="$f_\\lambda / f_\\lambda(i)$", title=f"Galaxy at z = {z:.3f}")
middle.bar(wave, moved, width=100, color="#c9a0a0", label="p(z) moved by hiding the band")
middle.plot(in_patches[is_narrow], looked[: len(members)][is_narrow], "o-", color="#9c2a2a",
            label="attention of the redshift to a patch")  # fmt: skip
for name, rest in {"[O II]": 3728, "H-beta": 4863, "[O III]": 5008, "H-alpha": 6565}.items():
    for axis in (top, middle):
        axis.axvline(rest * (1 + z), color="grey", linestyle=":", linewidth=0.8)
    if rest * (1 + z) < wave.max():
        top.text(rest * (1 + z), top.get_ylim()[1], name, rotation=90, va="top", ha="right")
middle.set(xlabel="Observed wavelength [Angstrom]")
middle.legend()
figure.savefig(FIGURES / "notebook_attention.png", dpi=110)
figure

# %% [markdown]
# ![Where the redshift was read](../figures/notebook_attention.png)
#
# ## Hidden bands
#
# A band can be asked for like any quantity. Every fifth narrow band is left out of the context and asked for: the
# answer is the network's idea of a spectrum that it was not shown, with its error.

# %%
asked_for = narrow[2::5]
context = [token for token in observations() if token not in asked_for]
answers = predictor.predict(test, asked_for, context=context)
true = np.stack([test[token].to_numpy().astype(float) for token in asked_for], axis=1)
said = np.stack([answers[token] for token in asked_for], axis=1)
said_error = np.stack([answers[f"{token}_ERR"] for token in asked_for], axis=1)
measured_error = np.stack(
    [test[f"{token}_ERR"].to_numpy().astype(float) for token in asked_for], axis=1
)
residual = (said - true)[usable]
expected = np.hypot(said_error, measured_error)[usable]
print(f"typical difference {np.median(np.abs(residual)):.3f} of the light in i")
print(f"within 1 sigma of answer and measurement: {np.mean(np.abs(residual) < expected):.0%}")

# %%
figure = Figure(figsize=(9, 3.5), layout="constrained")
axis = figure.subplots()
places = [narrow.index(token) for token in asked_for]
axis.plot(wave, light[row], ".", color="grey", label="observed")
axis.plot(wave[places], true[row], "o", mfc="none", color="black", label="observed, hidden")
axis.errorbar(wave[places], said[row], said_error[row], fmt="s", markersize=4, color="#9c2a2a",
              label="reconstructed")  # fmt: skip
axis.set(xlabel="Observed wavelength [Angstrom]", ylabel="$f_\\lambda / f_\\lambda(i)$")
axis.legend()
figure.savefig(FIGURES / "notebook_hidden_bands.png", dpi=110)
figure

# %% [markdown]
# ![Bands that were not shown](../figures/notebook_hidden_bands.png)
#
# The continuum is known to about a tenth from the bands on either side, within the errors that are stated; beside strong
# lines, as here, it is taken for somewhat brighter than it is. A line that fills a hidden band alone cannot be known.
#
# ## A source from elsewhere
#
# The network answers whatever it is shown. Whether the source is like anything that it was trained on, its embedding
# tells: `ojala domain` measures where those of held-out sources lie. Here sources that no sky holds are made by reading
# the narrow bands of others from red to blue.

# %%
held_out = read_table("data/weights")
held_out = held_out.filter(held_out["split"].to_numpy(zero_copy_only=False) == "val")
found = domain.measured(predictor.embed(held_out), opened.digest, false_alarms=0.01)
plain = {
    name: test[name].to_numpy(zero_copy_only=False)
    for name in observations()
    if name in test.column_names
}
reversed_bands = plain | dict(zip(narrow, light.T[::-1], strict=True))
near, far = (found.distance(predictor.embed(table)) for table in (plain, reversed_bands))
for name, distance in (("Test-Real", near), ("read backwards", far)):
    print(f"{name}: {np.mean(distance > found.limit):.1%} lie outside the domain of training")
surprised = modes(predictor.redshifts(reversed_bands)["Z_GAL"]).first_weight
print(f"and yet the likeliest redshift of those has a weight of {np.nanmedian(surprised):.2f}")

# %%
figure = Figure(figsize=(6, 3.5), layout="constrained")
axis = figure.subplots()
edges = np.geomspace(min(near.min(), far.min()), max(near.max(), far.max()), 60)
for distance, name, colour in (
    (near, "Test-Real", "#9c2a2a"), (far, "read backwards", "grey")):  # fmt: skip
    axis.hist(distance, edges, histtype="step", color=colour, label=name)
axis.axvline(found.limit, color="black", linestyle=":", label="limit")
axis.set(xscale="log", xlabel="Distance from the held-out embeddings", ylabel="Sources")
axis.legend()
figure.savefig(FIGURES / "notebook_domain.png", dpi=110)
figure

# %% [markdown]
# ![Sources that are not of this sky](../figures/notebook_domain.png)
#
# The demo's domain finds some of them: at one false alarm in a hundred about a quarter are told, although as a crowd they
# lie plainly elsewhere. The bit says that a source is strange; its absence does not say that it is not.
#
# With `ojala predict --domain` such sources carry the bit `OUTSIDE_TRAINING` of `QUALITY_FLAGS`
# ([the data model](../datamodel.md)).
