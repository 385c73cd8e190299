"""What a source is shown of itself, where every label is asked for: complete, trays, or a part.

    complete     all that was observed, and no band is asked for
    trays        the broad bands and some trays of narrow ones, from none to all
    a part       a share of the tokens

Of any of them, each of the surveys beside J-PAS may be hidden, whatever the source is: what is
missing must not tell a class; and some labels may be known: they are shown, and the others asked
for, which is what a chain of draws needs (``ojala.model.joint_draws``).

Masks over the vocabulary, (num_sources, num_tokens). All shapes are known beforehand: nothing
waits for the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from ojala.training.resident import is_label_on
from ojala.vocabulary.bands import beside_tokens, narrow_bands, reference_band
from ojala.vocabulary.quantities import REDSHIFTS, vocabulary

TRAYS = tuple(sorted({band.tray for band in narrow_bands()}))
I_BAND = reference_band().token_id - 1
REDSHIFT_FIRST = 8.0
"""How many times sooner than another label a redshift is known: that is what spectra give."""
BESIDE = (beside_tokens("WISE"), beside_tokens("Legacy"), ("MORPHTYPE",))
"""What is others': WISE's bands, the Legacy Surveys', and the shape in their images."""


@dataclass(frozen=True, kw_only=True)
class ViewsConfig:
    """How many sources are shown what.

    complete_share: of all sources, shown everything
    tray_share: of the others, shown broad bands and some trays
    label_context: of all sources, shown some of their labels and asked for the others. 0 is the
        paper's rule: then no answer heeds a label that is known
    num_bands: bands asked of a source that is not shown everything
    hidden_survey: of all sources, those from which each of BESIDE is hidden
    Raises ValueError naming the share that is none.
    """

    complete_share: float = 0.5
    tray_share: float = 0.3
    label_context: float = 0.0
    num_bands: int = 3
    hidden_survey: float = 0.0

    def __post_init__(self) -> None:
        for name in ("complete_share", "tray_share", "label_context", "hidden_survey"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"views.{name} is {getattr(self, name)}, expected 0 ... 1")
        if self.num_bands < 0:
            raise ValueError(f"views.num_bands is {self.num_bands}, expected 0 or more")


@dataclass(frozen=True, kw_only=True)
class Views:
    """What each source of a batch is to be shown, (num_sources,).

    complete, trays: bool, one of them or none; share: uniform in 0 ... 1, of trays or of tokens;
    has_tray: bool, (num_sources, num_trays); has_i: whether i is shown without a narrow band;
    hidden: bool, (num_sources, 3), of BESIDE; known: share of the labels, but one, that are known
    """

    complete: Tensor
    trays: Tensor
    share: Tensor
    has_tray: Tensor
    has_i: Tensor
    hidden: Tensor
    known: Tensor


def draw_views(
    config: ViewsConfig,
    batch_size: int,
    device: torch.device,
    generator: torch.Generator,
    part: slice = slice(None),
) -> Views:
    """The views of ``part`` of a batch; the draw is that of the whole batch."""
    shape = (batch_size, 4 + len(TRAYS) + len(BESIDE) + 1)
    uniform = torch.rand(shape, device=device, generator=generator)[part]
    complete = uniform[:, 0] < config.complete_share
    other, share, label = uniform[:, 1], uniform[:, 2], uniform[:, -1]
    return Views(
        complete=complete,
        trays=~complete & (other > 1 - config.tray_share),
        share=share,
        # As often none as one ... as all.
        has_tray=uniform[:, 4 : 4 + len(TRAYS)] < share.unsqueeze(1),
        has_i=uniform[:, 3] < 0.5,
        hidden=uniform[:, 4 + len(TRAYS) : -1] < config.hidden_survey,
        known=(1 - label / max(config.label_context, 1e-9)).clamp(min=0),
    )


def known_labels(views: Views, present: Tensor, race: Tensor) -> Tensor:
    """The labels that a source is shown, as a mask: few more often than many, never all.

    present: what was observed; race: random numbers; both (num_sources, num_tokens), as the mask
    """
    labels = present & is_label_on(present.device)
    others = labels.sum(dim=1) - 1
    number = (views.known.square() * others).ceil()
    sooner = torch.where(_is_redshift(present.device), REDSHIFT_FIRST, 1.0)
    return _first(race / sooner, labels, number.unsqueeze(1))


def targets(
    config: ViewsConfig, views: Views, present: Tensor, known: Tensor, race: Tensor
) -> Tensor:
    """Tokens asked for: the labels that are not known, and bands that win the race.

    present: what was observed; known: of ``known_labels``; race: random numbers;
    each (num_sources, num_tokens), as what it returns
    """
    is_label = is_label_on(present.device)
    labels = present & is_label & ~known
    bands = _first(race, present & ~is_label, config.num_bands)
    return labels | (bands & ~views.complete.unsqueeze(1))


def shown(
    views: Views, available: Tensor, race: Tensor, keep: tuple[float, float], fewest: int
) -> Tensor:
    """Tokens of the context, as a mask.

    available: that may be shown; race: random numbers; both (num_sources, num_tokens)
    keep: least and largest share of a part; fewest: tokens of a part
    """
    available = _where_any(available & ~_hidden(views), available)
    in_view = available & (_in_trays(views) | ~views.trays.unsqueeze(1))
    available = _where_any(in_view, available)
    low, high = keep
    kept = ((low + (high - low) * views.share) * available.sum(dim=1)).round().clamp(min=fewest)
    whole = views.complete | views.trays
    return torch.where(whole.unsqueeze(1), available, _first(race, available, kept.unsqueeze(1)))


@cache
def _is_redshift(device: torch.device) -> Tensor:
    """Tokens that are redshifts, (76,)."""
    return torch.tensor([token in REDSHIFTS for token in vocabulary()], device=device)


def _where_any(part: Tensor, whole: Tensor) -> Tensor:
    """A part of each source's tokens; the whole where the part is empty."""
    return torch.where(part.any(dim=1, keepdim=True), part, whole)


def _hidden(views: Views) -> Tensor:
    """Tokens of the surveys that are hidden from each source."""
    return views.hidden.float() @ _beside(views.hidden.device).float() > 0


def _first(race: Tensor, available: Tensor, number: Tensor | int) -> Tensor:
    """The first ``number`` of a race among those available, as a mask."""
    times = torch.where(available, race, torch.inf)
    place = times.argsort(dim=1).argsort(dim=1)
    return available & (place < number)


def _in_trays(views: Views) -> Tensor:
    """Tokens that a view of trays holds: all that are not narrow bands, and those of its trays."""
    members = _tray_members(views.has_tray.device)
    held = views.has_tray.float() @ members.float() > 0
    visible = held | ~members.any(dim=0)
    # Without narrow bands, which are ratios to it, there is often no i.
    has_i = views.has_tray.any(dim=1) | views.has_i
    is_i = torch.arange(members.shape[1], device=members.device) == I_BAND
    return visible & (has_i.unsqueeze(1) | ~is_i)


@cache
def _tray_members(device: torch.device) -> Tensor:
    """Whether a token is a narrow band of each tray, (num_trays, num_tokens)."""
    tray = {band.token: band.tray for band in narrow_bands()}
    members = [[tray.get(token) == name for token in vocabulary()] for name in TRAYS]
    return torch.tensor(members, device=device)


@cache
def _beside(device: torch.device) -> Tensor:
    """Whether a token is of each survey of BESIDE, (3, num_tokens)."""
    return torch.tensor(
        [[token in part for token in vocabulary()] for part in BESIDE], device=device
    )
