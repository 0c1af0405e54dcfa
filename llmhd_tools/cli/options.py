"""Options that several commands share: the same name, type and help everywhere. Nothing heavy is imported here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

import typer

from llmhd_tools.cli import console
from llmhd_tools.registry import BACKBONES, DENOISERS, SAMPLERS


def one_of(*choices: str) -> Callable[[str | None], str | None]:
    """A callback that accepts only ``choices`` (or None)."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in choices:
            raise typer.BadParameter(f"'{value}' is unknown; choose from {', '.join(choices)}")
        return value

    return check


def finite(value: float | None) -> float | None:
    """A callback that refuses NaN and infinity, which pass every ``min`` and ``max``."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on stderr but errors.", callback=console.quiet)]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show the traceback of an error.", callback=console.verbose)
]
Out = Annotated[
    str, typer.Option("-o", "--output", help="Where to write; .npz binary, else JSONL; - is stdout.", metavar="FILE")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of all random draws.", min=0)]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1.")]
Threads = Annotated[
    int | None, typer.Option("--threads", help="CPU threads of torch. [the usable processors, at most 8]", min=1)
]

Backbone = Annotated[
    str | None,
    typer.Option("--backbone", help=f"{', '.join(BACKBONES)}. [lightgcn]", callback=one_of(*BACKBONES)),
]
Denoise = Annotated[
    str | None,
    typer.Option("--denoise", help=f"Inside each step: {', '.join(DENOISERS)}. [none]", callback=one_of(*DENOISERS)),
]
Negatives = Annotated[
    str | None,
    typer.Option(
        "--negatives",
        help=f"How negatives are sampled: {', '.join(SAMPLERS)}. [uniform]",
        callback=one_of(*SAMPLERS),
    ),
]
AlignedVectors = Annotated[
    str | None,
    typer.Option("--vectors", help="Aligned text vectors, for --negatives semantic.", metavar="FILE"),
]
Lowest = Annotated[
    float,
    typer.Option(
        "--lowest", help="Share of each user's interactions to ask about, lowest scored.", min=0, max=1, callback=finite
    ),
]
Highest = Annotated[
    int, typer.Option("--highest", help="Other items of each user to ask about, highest scored.", min=0)
]
Shown = Annotated[
    int, typer.Option("--shown", help="Items that stand for the user in the item view, highest scored.", min=1)
]
Words = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="An option of the chosen methods; `--backbone sgl --denoise dcf --help` lists theirs. Repeat it.",
        metavar="NAME=VALUE",
    ),
]
Loss = Annotated[
    str | None, typer.Option("--loss", help="bpr (pairwise) or bce (pointwise). [bpr]", callback=one_of("bpr", "bce"))
]
Dim = Annotated[int | None, typer.Option("--dim", help="Embedding size. [64]", min=1)]
Layers = Annotated[int | None, typer.Option("--layers", help="Propagation layers. [3]", min=0)]
Batch = Annotated[
    int | None, typer.Option("--batch", help="Triples (bpr) or labelled rows (bce) in a batch. [1024]", min=2)
]
LearningRate = Annotated[
    float | None, typer.Option("--lr", help="Adam's learning rate. [0.005]", min=0, callback=finite)
]
Regularisation = Annotated[
    float | None, typer.Option("--reg", help="Weight of the embedding norms. [1e-5; ncl 1e-4]", min=0, callback=finite)
]
ModelSeed = Annotated[int | None, typer.Option("--seed", help="Seed of all random draws. [0]", min=0)]

Alpha = Annotated[
    float, typer.Option("--alpha", help="Steps T over which the noisy share grows (Eq. 7).", min=1, callback=finite)
]
MaxNoise = Annotated[
    float,
    typer.Option("--max-noise", help="Largest noisy share of a batch, ε_max (Eq. 7).", min=0, max=1, callback=finite),
]
Schedule = Annotated[
    str,
    typer.Option(
        "--schedule",
        help="ramp: ε_max·min(T/α, 1); cap: min(T/α, ε_max); count: min(T/α, ε_max·|B|) samples.",
        callback=one_of("ramp", "cap", "count"),
    ),
]
Candidates = Annotated[
    float,
    typer.Option(
        "--candidates", help="Share of noisy rows that may be hard, ε_v (Eq. 10).", min=0, max=1, callback=finite
    ),
]
Link = Annotated[
    str,
    typer.Option("--link", help="Variance of sigmoid or raw predictions (Eq. 17).", callback=one_of("sigmoid", "raw")),
]
Selection = Annotated[
    str,
    typer.Option(
        "--selection",
        help="Pick candidates by variance, at random (as many), or all.",
        callback=one_of("variance", "random", "all"),
    ),
]
Rule = Annotated[
    str | None,
    typer.Option(
        "--rule",
        help="Which judged candidates are hard. bpr: gap-above (Eq. 15 as printed), gap-below, band; "
        "bce: disagree (Eq. 12 as printed), agree, band; or one for each: band,disagree. [gap-above,disagree]",
    ),
]
ThresholdAlpha = Annotated[
    float | None,
    typer.Option(
        "--threshold-alpha",
        help="Steps T over which the score thresholds move one point (Eq. 13-16). [--alpha]",
        min=1,
        callback=finite,
    ),
]
_MOVING = "START:END[:ALPHA]"
PairThreshold = Annotated[
    str,
    typer.Option(
        "--pair-threshold",
        help="How far the positive must outscore the negative, ε_pair, at first and at last (Eq. 16); ALPHA is its own "
        "--threshold-alpha.",
        metavar=_MOVING,
    ),
]
PositiveThreshold = Annotated[
    str,
    typer.Option("--positive-threshold", help="The same for a positive's score, ε_pos (Eq. 13).", metavar=_MOVING),
]
NegativeThreshold = Annotated[
    str,
    typer.Option("--negative-threshold", help="The same for a negative's score, ε_neg (Eq. 14).", metavar=_MOVING),
]
Band = Annotated[
    str,
    typer.Option(
        "--band",
        help="What rule band denies: a pair whose positive scores GAP or more below its negative, a positive of LOW or "
        "less, a negative of HIGH or more.",
        metavar="GAP,LOW,HIGH",
    ),
]
Unknown = Annotated[
    str,
    typer.Option(
        "--unknown",
        help="A held-out user or item without embedding: error, miss or skip.",
        callback=one_of("error", "miss", "skip"),
    ),
]
Items = Annotated[str, typer.Option("--items", help="Item texts (kind items).", metavar="FILE")]
History = Annotated[
    list[str],
    typer.Option(
        "--history", help="Embeddings of the last epochs, oldest first; repeat it, one file each.", metavar="FILE"
    ),
]
More = Annotated[
    list[str],
    typer.Argument(
        help="Further files of --history, so that --history emb-{1,2}.npz can stand for two.", metavar="[HISTORY]..."
    ),
]
Scope = Annotated[
    str,
    typer.Option(
        "--scope",
        help="Flag the steadiest of the high-loss pairs (noisy) or of all pairs (all, as printed).",
        callback=one_of("noisy", "all"),
    ),
]
Confidence = Annotated[int, typer.Option("--confidence", help="Flags that make a pair confident, ε_γ (Eq. 20).", min=1)]
TextWeight = Annotated[
    float,
    typer.Option(
        "--text-weight",
        help="Weight of scores, and of text vectors, against the predictions, all standardised.",
        min=0,
        callback=finite,
    ),
]
LeaveOneOut = Annotated[
    bool,
    typer.Option(
        "--leave-one-out/--own-edge",
        help="Whether to take out of a pair's prediction what its own edge brings (LightGCN's propagation).",
    ),
]
Tracked = Annotated[int, typer.Option("--tracked", help="Tracked negatives for each training pair.", min=0)]
At = Annotated[str, typer.Option("--at", help="Lengths of the ranked list, comma-separated.", metavar="K,K")]
Metrics = Annotated[
    str, typer.Option("--metrics", help="recall, ndcg, precision, hit, mrr, map; comma-separated.", metavar="NAMES")
]
