"""The recommender: its method, how it learns and for how long, how its ranking is measured, how texts are aligned to it."""

from __future__ import annotations

from dataclasses import dataclass

from llmhd_tools.registry import BACKBONES, DENOISERS, OBJECTIVES, SAMPLERS, STAGED
from llmhd_tools.settings.declare import ANY, Section, choice


@dataclass(frozen=True)
class Model(Section):
    """The recommender and how it learns; kept in the model, so that every later epoch uses the same."""

    title = "Method and training"

    backbone: str | None = choice(None, "", of=tuple(BACKBONES), own=True, usual="lightgcn")
    denoise: str | None = choice(
        None,
        "loss: drop all noisy samples; llmhd: rescue the hard ones; or, inside each step (llmhni with stages too), "
        f"{', '.join(name for name in DENOISERS if name != 'none')}.",
        of=(*DENOISERS, *STAGED),
        own=True,
        usual="none",
    )
    negatives: str | None = choice(None, "How negatives are sampled:", of=tuple(SAMPLERS), own=True, usual="uniform")
    loss: str | None = choice(
        None,
        "bpr (against a sampled item), bce (pointwise) or softmax (against the items of the batch).",
        of=tuple(OBJECTIVES),
        usual="bpr",
    )
    set: tuple[str, ...] = choice(
        (),
        "An option of the chosen methods; `--backbone sgl --denoise dcf --help` lists theirs. Repeat it.",
        metavar="NAME=VALUE",
    )
    dim: int | None = choice(None, "Embedding size.", low=1, usual="64")
    layers: int | None = choice(None, "Propagation layers.", low=0, usual="3")
    batch: int | None = choice(
        None, "Triples (bpr), labelled rows (bce) or pairs (softmax) in a batch.", low=2, usual="1024"
    )
    lr: float | None = choice(None, "Adam's learning rate.", low=0, usual="0.005")
    reg: float | None = choice(None, "Weight of the embedding norms.", low=0, usual="1e-5; ncl 1e-4")
    seed: int | None = choice(None, "Seed of all random draws.", low=0, usual="0")


@dataclass(frozen=True)
class Fitting(Section):
    """A recommender in closed form: one fit, no epochs, nothing drawn."""

    title = "Method"

    set: tuple[str, ...] = choice(
        (), "An option of the model; `llmhd fit MODEL --help` lists them. Repeat it.", metavar="NAME=VALUE"
    )
    device: str = choice("cpu", "Where tables of items are inverted: cpu, auto, cuda, cuda:1. A GPU rounds otherwise.")


@dataclass(frozen=True)
class Shuffling(Section):
    """The control of whatever reads texts: the same with each text in another's place."""

    title = "Texts, as a control"

    shuffle_texts: int | None = choice(
        None,
        "The control for texts: hand them to other items, at random by this seed. What is gained still is no text's.",
        low=0,
    )


_PRIOR = ({"prior": ANY},)


@dataclass(frozen=True)
class Blending(Section):
    """How much each of several models, and appraisals of the items, count in their sum."""

    title = "Weights"

    weights: str | None = choice(
        None, "A weight for each model.", metavar="W,W", usual="chosen on --valid; without it 1 each"
    )
    select: str = choice("ndcg@10", "What the weights are to make largest on --valid.", metavar="METRIC@K")
    prior_weight: float | None = choice(
        None,
        "Weight of the appraisals, standardised, in standard deviations of a user's scores.",
        low=0,
        metavar="W",
        usual="chosen on --valid",
        needs=_PRIOR,
    )
    prior_keep: float = choice(
        1.0,
        "The share of --select on --valid, as it is without the prior, that the prior's weight has to keep.",
        low=0,
        high=1,
        needs=_PRIOR,
    )
    shuffle_prior: int | None = choice(
        None, "The control: hand the appraisals to other items, at random by this seed.", low=0, needs=_PRIOR
    )


@dataclass(frozen=True)
class Recommending(Section):
    """How long a list is, and what is told of its items."""

    title = "Lists"

    top: int = choice(10, "Items in a list.", low=1)
    why: bool = choice(
        False,
        "Tell the three of the user's own items that each follows from: of a fitted model what they add to its score, "
        "exactly; of embeddings the nearest by the model's vectors, which is a likeness and no cause.",
        words="--why",
    )


@dataclass(frozen=True)
class Machine(Section):
    """Where the model is trained."""

    title = "Method and training"

    device: str = choice("auto", "auto, cpu, cuda, cuda:1.")
    threads: int | None = choice(
        None, "CPU threads of torch.", low=1, usual="the usable processors, at most 8", decides=False
    )


@dataclass(frozen=True)
class Stopping(Section):
    """How long a run trains, and which epoch it keeps."""

    title = "Epochs and measuring"

    epochs: int = choice(200, "At most so many epochs.", low=1, decides=False)
    patience: int = choice(20, "Stop after so many epochs without a better one.", low=1, decides=False)
    select: str = choice(
        "ndcg@10",
        "What makes an epoch the best on valid: METRIC@K; loss (the lowest); trimmed:METRIC@K[:SHARE] or "
        "trimmed[:loss[:SHARE]] for the same without the SHARE (0.2) of rows of highest loss, which noise is among.",
        metavar="WHAT",
    )


@dataclass(frozen=True)
class Measuring(Section):
    """What is measured of a ranking."""

    title = "Epochs and measuring"

    at: str = choice("5,10", "Lengths of the ranked list, comma-separated.", metavar="K,K")
    metrics: str = choice("recall,ndcg", "recall, ndcg, precision, hit, mrr, map; comma-separated.", metavar="NAMES")
    unknown: str = choice("error", "A held-out user or item without embedding:", of=("error", "miss", "skip"))


@dataclass(frozen=True)
class Aligning(Section):
    """How text vectors are projected so that their cosine tells what a user would want (LLMHNI, module 1)."""

    title = "Learning"

    dim: int = choice(64, "Width of the aligned vectors.", low=1)
    hidden: int | None = choice(None, "Hidden width.", low=1, usual="half of both widths' sum")
    positives: float = choice(
        0.5, "Share of each user's pairs, closest in text first, to learn from, ρ.", low=0.01, high=1
    )
    temperature: float = choice(0.2, "Of the softmax, τ_a.", low=0.01)
    lr: float = choice(0.001, "Adam's learning rate.", low=0)
    batch: int = choice(1024, "Pairs in a batch; their items are the negatives.", low=2)
    epochs: int = choice(50, "At most so many epochs.", low=1)
    patience: int = choice(5, "Epochs without a higher AUC that end it.", low=1)
    seed: int = choice(0, "Seed of all random draws.", low=0)
    held_out: float = choice(0.1, "Share of each user's pairs that is held out.", low=0.01, high=0.5)
