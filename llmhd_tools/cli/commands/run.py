"""``llmhd run``: the whole loop in one process, with the same files as the pipe."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli import configs
from llmhd_tools.cli.options import (
    AlignedVectors,
    Alpha,
    At,
    Backbone,
    Band,
    Batch,
    Candidates,
    Confidence,
    Device,
    Dim,
    Highest,
    Layers,
    LearningRate,
    LeaveOneOut,
    Link,
    Loss,
    Lowest,
    MaxNoise,
    Metrics,
    ModelSeed,
    Negatives,
    NegativeThreshold,
    PairThreshold,
    PositiveThreshold,
    Quiet,
    Regularisation,
    Rule,
    Schedule,
    Scope,
    Selection,
    Shown,
    TextWeight,
    Threads,
    ThresholdAlpha,
    Tracked,
    Unknown,
    Verbose,
    Words,
    finite,
    one_of,
)
from llmhd_tools.cli.options_llm import ONE_BY_ONE, LlmOptions, takes_llm
from llmhd_tools.errors import UsageError
from llmhd_tools.registry import DENOISERS, STAGED

File = str | None


@takes_llm(without=ONE_BY_ONE)
def command(
    context: typer.Context,
    train: Annotated[str, typer.Argument(help="Training interactions.", metavar="TRAIN")],
    valid: Annotated[str, typer.Option("--valid", help="Held-out interactions that choose the epoch.", metavar="FILE")],
    output: Annotated[str, typer.Option("-o", "--output", help="The run's folder.", metavar="FOLDER")],
    llm: LlmOptions,
    preset: Annotated[
        File,
        typer.Option(
            "--preset",
            help="Options from a file that comes with the tool: paper (LLMHD as printed) or best (as measured); "
            "with --help, shows it.",
            callback=configs.preset,
            is_eager=True,
            metavar="NAME",
        ),
    ] = None,
    config: Annotated[
        File,
        typer.Option(
            "--config",
            help="TOML with any of these options; wins over --preset.",
            callback=configs.config,
            is_eager=True,
            metavar="FILE",
        ),
    ] = None,
    test: Annotated[File, typer.Option("--test", help="Measured once, at the best epoch.", metavar="FILE")] = None,
    items: Annotated[
        File, typer.Option("--items", help="Item texts, for llmhd, llmhni and --clean.", metavar="FILE")
    ] = None,
    profiles: Annotated[
        File, typer.Option("--profiles", help="User profiles; else summarised from TRAIN.", metavar="FILE")
    ] = None,
    denoise: Annotated[
        str,
        typer.Option(
            "--denoise",
            help="none; loss: drop all noisy samples; llmhd: rescue the hard ones; or, inside each step (llmhni with stages "
            f"too), {', '.join(name for name in DENOISERS if name != 'none')}.",
            callback=one_of(*DENOISERS, *STAGED),
        ),
    ] = "none",
    backbone: Backbone = None,
    negatives: Negatives = None,
    vectors: AlignedVectors = None,
    words: Words = None,
    loss: Loss = None,
    dim: Dim = None,
    layers: Layers = None,
    batch: Batch = None,
    lr: LearningRate = None,
    reg: Regularisation = None,
    seed: ModelSeed = None,
    epochs: Annotated[int, typer.Option("--epochs", help="At most so many epochs.", min=1)] = 200,
    patience: Annotated[
        int, typer.Option("--patience", help="Stop after so many epochs without a better one.", min=1)
    ] = 20,
    select: Annotated[
        str,
        typer.Option(
            "--select",
            help="What makes an epoch the best on valid: METRIC@K; loss (the lowest); trimmed:METRIC@K or trimmed[:loss] "
            "for the same without the rows of highest loss, which noise is among.",
            metavar="WHAT",
        ),
    ] = "ndcg@10",
    trim: Annotated[
        float,
        typer.Option(
            "--trim",
            help="Share of validation rows that --select trimmed leaves out.",
            min=0,
            max=0.99,
            callback=finite,
        ),
    ] = 0.2,
    at: At = "5,10",
    metrics: Metrics = "recall,ndcg",
    unknown: Unknown = "error",
    warm_up: Annotated[
        int, typer.Option("--warm-up", help="Epochs before denoising begins; variances need two.", min=1)
    ] = 2,
    window: Annotated[int, typer.Option("--window", help="Epochs of history, m of Eq. 17.", min=2)] = 5,
    alpha: Alpha = 3000.0,
    max_noise: MaxNoise = 0.05,
    schedule: Schedule = "ramp",
    candidates: Candidates = 0.5,
    selection: Selection = "variance",
    link: Link = "sigmoid",
    rule: Rule = None,
    scorer: Annotated[
        str | None,
        typer.Option(
            "--scorer", help="Let this program judge in the place of score: noisy rows in, judged out; suspects too."
        ),
    ] = None,
    threshold_alpha: ThresholdAlpha = None,
    pair_threshold: PairThreshold = "7:3",
    positive_threshold: PositiveThreshold = "8:6",
    negative_threshold: NegativeThreshold = "2:4",
    band: Band = "2,3,8",
    live: Annotated[
        bool,
        typer.Option("--live/--staged", help="Judge inside each step, as printed, or all of an epoch before it."),
    ] = False,
    update: Annotated[bool, typer.Option("--update/--no-update", help="Let confident pairs update profiles.")] = True,
    scope: Scope = "noisy",
    confidence: Confidence = 3,
    tracked: Tracked = 1,
    clean: Annotated[
        str,
        typer.Option(
            "--clean",
            help="graph: leave the most suspicious training pairs out of graph and loss (suspect); or none.",
            callback=one_of("none", "graph"),
        ),
    ] = "none",
    clean_at: Annotated[
        str, typer.Option("--clean-at", help="After which epochs to choose them anew; comma-separated.", metavar="N,N")
    ] = "8",
    clean_share: Annotated[
        float, typer.Option("--clean-share", help="Share of the training pairs to cut.", min=0, max=1, callback=finite)
    ] = 0.08,
    clean_vectors: Annotated[
        File,
        typer.Option("--clean-vectors", help="Text vectors of the items (embed, align), for --clean.", metavar="FILE"),
    ] = None,
    text_weight: TextWeight = 0.25,
    leave_one_out: LeaveOneOut = True,
    relate_at: Annotated[
        int,
        typer.Option("--relate-at", help="After which epoch llmhni asks about disputed pairs; 0: never.", min=0),
    ] = 8,
    lowest: Lowest = 0.1,
    highest: Highest = 1,
    shown: Shown = 5,
    disliked: Annotated[
        File, typer.Option("--disliked", help="Held-out dislikes, measured beside --test.", metavar="FILE")
    ] = None,
    noise: Annotated[bool, typer.Option("--noise", help="Measure against TRAIN's known noise as well.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep every epoch's files.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the folder's run was interrupted.")] = False,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train with denoising, from start to end.

    Does what the pipe of commands does, epoch by epoch, in one process, and leaves the same files: FOLDER/epoch-N holds
    what epoch N made (of old epochs only what is still needed stays), FOLDER/metrics.jsonl all measurements,
    FOLDER/best.npz the embeddings of the best epoch. --resume goes on after a crash as if nothing had happened.

    --clean graph goes with any --denoise. With --clean-vectors the texts count as well, with --items the scores of twice
    as many pairs as are cut; FOLDER holds suspects-N and scored-N.jsonl and drop-N.npz of each cleaning.

    \b
    Examples:
      llmhd run train.jsonl --valid valid.jsonl --test test.jsonl --epochs 60 -o runs/bpr
      llmhd run train.jsonl --valid valid.jsonl --items items.jsonl --denoise llmhd --max-noise 0.1 -o runs/llmhd
      llmhd run train.jsonl --valid valid.jsonl --items items.jsonl --preset paper --loss bce --staged -o runs/paper
      llmhd run train.jsonl --valid valid.jsonl --items items.jsonl --clean graph --clean-share 0.05 -o runs/clean
      llmhd run train.jsonl --valid valid.jsonl --items items.jsonl --denoise llmhni -o runs/llmhni
      llmhd run train.jsonl --valid valid.jsonl --backbone sgl --denoise r-ce --set beta=0.3 -o runs/sgl-r-ce
    """
    given = locals()
    if denoise == "llmhd" and items is None:
        raise UsageError("--denoise llmhd judges texts; give the items' with --items")
    if denoise == "llmhni" and relate_at:
        if items is None:
            raise UsageError("--denoise llmhni asks about texts; give --items, or ask nothing with --relate-at 0")
        if relate_at >= epochs:
            raise UsageError(f"--relate-at {relate_at} leaves no epoch on the corrected graph within --epochs {epochs}")
    if negatives == "semantic" or (denoise == "llmhni" and negatives is None):
        from llmhd_tools.run.denoisers.llmhni import check_vectors

        check_vectors(llm, vectors, items)
    if disliked is not None and test is None:
        raise UsageError("--disliked is measured beside --test; give both")
    if scorer is not None:
        from llmhd_tools.stages.scorer import parse

        parse(scorer)
        if denoise != "llmhd" and (clean == "none" or items is None):
            raise UsageError("--scorer judges for --denoise llmhd, and for --clean graph with --items")
        if live and denoise == "llmhd":
            raise UsageError("--scorer is started once an epoch; leave out --live, or give --staged")
    from dataclasses import fields

    from llmhd_tools.cli.unused import find_unused
    from llmhd_tools.run.loop import Loop
    from llmhd_tools.run.plan import Settings

    settings = Settings(**{f.name: given[f.name] for f in fields(Settings)})
    unused = find_unused(context, settings.uses)
    Loop(output, settings).run(resume=resume, unused=unused)
