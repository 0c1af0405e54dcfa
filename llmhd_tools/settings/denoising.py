"""The denoisers of ``run`` that are stages: by loss and score (LLMHD), by suspicion, by disputed pairs (LLMHNI)."""

from __future__ import annotations

from dataclasses import dataclass

from llmhd_tools.registry import STAGED
from llmhd_tools.settings.declare import ANY, Needs, Section, choice

_LLMHD: tuple[Needs, ...] = ({"denoise": "llmhd"},)
_STAGED: tuple[Needs, ...] = ({"denoise": STAGED},)
_CLEAN: tuple[Needs, ...] = ({"clean": ("graph", "soft")},)
_UPDATE: tuple[Needs, ...] = ({"denoise": "llmhd", "update": ANY},)
_RELATE: tuple[Needs, ...] = ({"denoise": "llmhni", "relate_at": ANY},)
_MOVING = "START:END[:ALPHA]"


@dataclass(frozen=True)
class Staging(Section):
    """When the stages before the training step begin to denoise."""

    title = "Noisy samples, by loss"
    needs = _STAGED

    warm_up: int = choice(2, "Epochs before denoising begins; variances need two.", low=1)
    window: int = choice(5, "Epochs of history, m of Eq. 17.", low=2, needs=(*_STAGED, *_CLEAN))
    live: bool = choice(
        False, "Judge inside each step, as printed, or all of an epoch before it.", words="--live/--staged"
    )


@dataclass(frozen=True)
class Pruning(Section):
    """Which samples are noisy by their loss, and which of them may be hard (LLMHD Eq. 5-10, 17)."""

    title = "Noisy samples, by loss"
    needs = _STAGED

    alpha: float | str = choice(
        "10e",
        "Over which the noisy share grows, α of Eq. 7: steps T (3000), or epochs (10e), which are fewer steps of fewer rows.",
        low=1,
        span=True,
        metavar="STEPS|EPOCHSe",
    )
    max_noise: float = choice(0.05, "Largest noisy share of a batch, ε_max (Eq. 7).", low=0, high=1)
    schedule: str = choice(
        "ramp",
        "ramp: ε_max·min(T/α, 1); cap: min(T/α, ε_max); count: min(T/α, ε_max·|B|) samples.",
        of=("ramp", "cap", "count"),
    )
    candidates: float = choice(0.5, "Share of noisy rows that may be hard, ε_v (Eq. 10).", low=0, high=1, needs=_LLMHD)
    selection: str = choice(
        "variance",
        "Pick candidates by variance, at random (as many), or all.",
        of=("variance", "random", "all"),
        needs=_LLMHD,
    )
    link: str = choice(
        "sigmoid", "Variance of sigmoid or raw predictions (Eq. 17).", of=("sigmoid", "raw"), needs=_LLMHD
    )


@dataclass(frozen=True)
class Judging(Section):
    """Which judged candidates are hard (LLMHD Eq. 12-16)."""

    title = "Hard samples, by score"
    needs = _LLMHD

    rule: str | None = choice(
        None,
        "Which judged candidates are hard. bpr: gap-above (Eq. 15 as printed), gap-below, band; bce: disagree (Eq. 12 as "
        "printed), agree, band; or one for each: band,disagree.",
        usual="gap-above,disagree",
    )
    pair_threshold: str = choice(
        "7:3",
        "How far the positive must outscore the negative, ε_pair, at first and at last (Eq. 16), a point every ALPHA, "
        "steps or epochs (--alpha where none is given).",
        metavar=_MOVING,
    )
    positive_threshold: str = choice("8:6", "The same for a positive's score, ε_pos (Eq. 13).", metavar=_MOVING)
    negative_threshold: str = choice("2:4", "The same for a negative's score, ε_neg (Eq. 14).", metavar=_MOVING)
    band: str = choice(
        "2,3,8",
        "What rule band denies: a pair whose positive scores GAP or more below its negative, a positive of LOW or less, a "
        "negative of HIGH or more.",
        metavar="GAP,LOW,HIGH",
    )


@dataclass(frozen=True)
class Profiles(Section):
    """How pairs that keep looking mislabelled correct the users' profiles (LLMHD Eq. 17-22)."""

    title = "Profiles, corrected"
    needs = _UPDATE

    update: bool = choice(True, "Let confident pairs update profiles.", needs=_LLMHD)
    scope: str = choice(
        "noisy",
        "Flag the steadiest of the high-loss pairs (noisy) or of all pairs (all, as printed).",
        of=("noisy", "all"),
    )
    confidence: int = choice(3, "Flags that make a pair confident, ε_γ (Eq. 20).", low=1)
    tracked: int = choice(1, "Tracked negatives for each training pair.", low=0)


@dataclass(frozen=True)
class Suspecting(Section):
    """How suspicious a training pair is."""

    title = "Graph, cleaned"
    needs = _CLEAN

    text_weight: float = choice(
        0.25,
        "Weight of scores, of text vectors and of appraisals against the predictions, all standardised.",
        low=0,
        needs=({"clean": ("graph", "soft"), "items": ANY}, {"clean": ("graph", "soft"), "vectors": ANY}),
    )
    leave_one_out: bool = choice(
        True,
        "Whether to take out of a pair's prediction what its own edge brings (LightGCN's propagation).",
        words="--leave-one-out/--own-edge",
    )


@dataclass(frozen=True)
class Cleaning(Section):
    """When the most suspicious pairs leave graph and loss, and how many."""

    title = "Graph, cleaned"
    needs = _CLEAN

    clean: str = choice(
        "none",
        "graph: leave the most suspicious training pairs out of graph and loss (suspect); soft: have pairs count the less "
        "in the loss, the more suspicious they are (suspect --weights); or none.",
        of=("none", "graph", "soft"),
        needs=({},),
    )
    clean_at: str = choice("8", "After which epochs to choose them anew; comma-separated.", metavar="N,N")
    clean_share: float = choice(
        0.08, "Share of the training pairs to cut; soft: at its line a pair weighs a half.", low=0, high=1
    )


@dataclass(frozen=True)
class Relating(Section):
    """Which disputed pairs are asked about, and how (LLMHNI, module 2)."""

    title = "Disputed pairs, asked about"
    needs = _RELATE

    lowest: float = choice(0.1, "Share of each user's interactions to ask about, lowest scored.", low=0, high=1)
    highest: int = choice(1, "Other items of each user to ask about, highest scored.", low=0)
    shown: int = choice(5, "Items that stand for the user in the item view, highest scored.", low=1)


@dataclass(frozen=True)
class Inferring(Section):
    """When disputed pairs are asked about."""

    title = "Disputed pairs, asked about"
    needs = ({"denoise": "llmhni"},)

    relate_at: int = choice(8, "After which epoch llmhni asks about disputed pairs; 0: never.", low=0)


@dataclass(frozen=True)
class Denoising(Section):
    """Which of a user's own rows are called noise, and by what model."""

    title = "Noise"

    share: float | None = choice(
        None,
        "Share of the rows to call noise: those of the highest score.",
        usual="0.05; of suspects those that are cut",
        low=0,
        high=1,
    )
    model: str | None = choice(
        None, "What the rows are judged by: ease, l3ae, itemknn or popularity.", usual="l3ae with --items, else ease"
    )
