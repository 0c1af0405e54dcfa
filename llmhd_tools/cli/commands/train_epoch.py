"""Judging inside the training step: prune, score and decide, one batch at a time (LLMHD as printed; llmhd.md §9)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmhd_tools.cli.options import (
    AlignedVectors,
    Alpha,
    Backbone,
    Band,
    Batch,
    Candidates,
    Confidence,
    Denoise,
    Device,
    Dim,
    History,
    Layers,
    LearningRate,
    Link,
    Loss,
    MaxNoise,
    ModelSeed,
    Negatives,
    NegativeThreshold,
    PairThreshold,
    PositiveThreshold,
    Quiet,
    Regularisation,
    Rule,
    Schedule,
    Selection,
    Threads,
    ThresholdAlpha,
    Verbose,
    Words,
)
from llmhd_tools.cli.options_llm import NAMES, ONE_BY_ONE, LlmOptions, takes_llm
from llmhd_tools.cli.unused import Uses
from llmhd_tools.errors import UsageError

if TYPE_CHECKING:
    from llmhd_tools.core.pruning import NoiseRate
    from llmhd_tools.files.tables import Table
    from llmhd_tools.stages.live import Live
    from llmhd_tools.stages.model import Run


@contextlib.contextmanager
def read_live(
    llm: LlmOptions,
    history: Sequence[str],
    profiles: str | None,
    items: str | None,
    rate: NoiseRate,
    choice: dict[str, Any],
) -> Iterator[Live]:
    """What the files and options of ``train-epoch --live`` say; open while the epoch trains."""
    from llmhd_tools.cli.session import session
    from llmhd_tools.stages.dataset import read_history
    from llmhd_tools.stages.live import Live
    from llmhd_tools.stages.texts import read_texts

    epochs = read_history(history)
    if profiles is None or items is None:
        if profiles or items:
            raise UsageError("--profiles and --items go together: a score needs both texts")
        yield Live(epochs, rate, choice, {}, {}, None)
        return
    user_texts, item_texts = read_texts(profiles, "profiles"), read_texts(items, "items")
    with session(llm, "train-epoch", list(item_texts.values())) as asked:
        yield Live(epochs, rate, choice, user_texts, item_texts, asked.provider)
        asked.complete()


Path = str | None
_CHOSEN = (
    "backbone",
    "denoise",
    "negatives",
    "loss",
    "dim",
    "layers",
    "batch",
    "lr",
    "reg",
    "seed",
)  # kept in the model
_PRUNING = ("max_noise", "schedule", "candidates", "selection", "link")
_JUDGING = ("alpha", "rule", "threshold_alpha", "pair_threshold", "positive_threshold", "negative_threshold", "band")


@takes_llm(without=ONE_BY_ONE)
def command(
    context: typer.Context,
    train: Annotated[str, typer.Argument(help="Training interactions.", metavar="TRAIN")],
    output: Annotated[
        str, typer.Option("-o", "--output", help="The model, all that a later epoch needs.", metavar="FILE")
    ],
    llm: LlmOptions,
    model: Annotated[Path, typer.Option("--from", help="Go on from this model.", metavar="FILE")] = None,
    samples: Annotated[
        Path, typer.Option("--samples", help="This epoch's samples; else drawn from the seed.", metavar="FILE")
    ] = None,
    judged: Annotated[
        Path, typer.Option("--judged", help="This epoch's noisy rows; those not hard are dropped.", metavar="FILE")
    ] = None,
    drop: Annotated[
        Path,
        typer.Option("--drop", help="Pairs to leave out of graph and loss: suspects or flags.", metavar="FILE"),
    ] = None,
    confidence: Confidence = 3,
    relations: Annotated[
        Path,
        typer.Option(
            "--relations", help="Judged pairs: noisy ones leave the graph, hard ones enter it.", metavar="FILE"
        ),
    ] = None,
    embeddings: Annotated[
        Path, typer.Option("--embeddings", help="Where to write the final embeddings.", metavar="FILE")
    ] = None,
    next_: Annotated[
        Path, typer.Option("--next", help="Where to write the coming epoch's samples.", metavar="FILE")
    ] = None,
    verdicts: Annotated[
        Path, typer.Option("--verdicts", help="Where to write which noisy rows were dropped.", metavar="FILE")
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", help="Epochs to train.", min=1)] = 1,
    backbone: Backbone = None,
    denoise: Denoise = None,
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
    rule: Rule = None,
    threshold_alpha: ThresholdAlpha = None,
    pair_threshold: PairThreshold = "7:3",
    positive_threshold: PositiveThreshold = "8:6",
    negative_threshold: NegativeThreshold = "2:4",
    band: Band = "2,3,8",
    live: Annotated[
        bool, typer.Option("--live", help="Prune and score inside each step, as printed; slow with a real LLM.")
    ] = False,
    history: History = [],  # noqa: B006 - typer copies it
    profiles: Annotated[
        Path,
        typer.Option(
            "--profiles", help="For --live: user profiles; without texts all noisy rows are dropped.", metavar="FILE"
        ),
    ] = None,
    items: Annotated[Path, typer.Option("--items", help="For --live: item texts.", metavar="FILE")] = None,
    record: Annotated[
        Path, typer.Option("--record", help="Where --live is to write its noisy rows, judged.", metavar="FILE")
    ] = None,
    alpha: Alpha = 3000.0,
    max_noise: MaxNoise = 0.05,
    schedule: Schedule = "ramp",
    candidates: Candidates = 0.5,
    selection: Selection = "variance",
    link: Link = "sigmoid",
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train one epoch, or several, of a recommender.

    Samples of an epoch depend on the seed, the epoch's number and, where --negatives looks at scores, the model before it.
    So --epochs 3 equals three times one epoch.
    With --judged, the noisy rows that the scores do not call hard stay out of the loss (Eq. 12-16, 23-24). With --live,
    `prune` and `score` happen in each step instead, on the losses of that step; their options are here as well.
    --denoise does without scores, inside each step. Pairs of --drop (suspects that are cut; flags of training pairs, at
    least --confidence of them) leave the graph as well, and are back with the first epoch whose --drop lacks them; so do
    those that --relations calls noisy, while other pairs that it calls hard join the graph and the positives. Going on
    with --from, the model's own settings hold, and another training file is refused.

    \b
    Examples:
      llmhd train-epoch train.jsonl --seed 1 -o model-1.npz --embeddings emb-1.npz --next samples-2.npz
      llmhd train-epoch train.jsonl --from model-2.npz --samples samples-3.npz --judged judged-3.jsonl -o model-3.npz
      llmhd train-epoch train.jsonl --from model-2.npz --live --history emb-1.npz --history emb-2.npz \\
        --profiles profiles.jsonl --items items.jsonl --record judged-3.jsonl -o model-3.npz
      llmhd train-epoch train.jsonl --from model-8.npz --drop drop.npz -o model-9.npz --embeddings emb-9.npz
      llmhd train-epoch train.jsonl --from model-8.npz --relations relations.jsonl -o model-9.npz --embeddings emb-9.npz
      llmhd train-epoch train.jsonl --backbone sgl --denoise t-ce --set max-drop=0.1 --epochs 20 -o model-20.npz
    """
    from llmhd_tools.core.pruning import NoiseRate
    from llmhd_tools.files.streams import check_binary, check_output

    given = locals()
    from llmhd_tools import notes
    from llmhd_tools.cli.commands.train_epoch import read_live
    from llmhd_tools.cli.unused import find_unused, tell_unused
    from llmhd_tools.files.tensors import read_tensors
    from llmhd_tools.stages.dataset import read_training
    from llmhd_tools.stages.edges import read_drop, read_relations, tell_drop, tell_relations
    from llmhd_tools.stages.judge import parse_thresholds, pick_rule, tell
    from llmhd_tools.stages.model import open_run

    outputs = [output, embeddings, next_, verdicts, record]
    inputs = [train, model, samples, judged, drop, relations, vectors, profiles, items, *history]
    for number, path in enumerate(outputs):
        check_output(path, [*inputs, *outputs[:number]])
    for path in (output, embeddings):
        check_binary(path)
    _check_stages(epochs, live, judged, samples, verdicts, [*history, profiles, items, record])
    unused = find_unused(context, _uses(live, judged, drop, profiles))
    thresholds = parse_thresholds(
        threshold_alpha or alpha, pair_threshold, positive_threshold, negative_threshold, band
    )
    chosen = {name: given[name] for name in _CHOSEN}
    start = read_tensors(model, "model") if model else None
    training = read_training(train)
    left_out = read_drop(drop, training, confidence) if drop else None
    related = read_relations(relations, training) if relations else None
    texts = read_tensors(vectors, "vectors") if vectors else None
    run = open_run(training, chosen, words or [], device, threads, start, left_out, texts, related)
    rule = pick_rule(rule, run.config.loss)
    if (judged or live) and run.config.denoise != "none":
        raise UsageError(
            f"--{'live' if live else 'judged'} drops samples, and --denoise {run.config.denoise} does it its own way; "
            "leave one out"
        )
    table = run.read_samples(samples) if samples else None
    tell_unused(unused)
    judging: contextlib.AbstractContextManager[Table | Live | None]
    if live:
        choice = {"candidates": candidates, "selection": selection, "link": link, "seed": run.config.seed}
        judging = read_live(llm, history, profiles, items, NoiseRate(alpha, max_noise, schedule), choice)
    else:
        judging = contextlib.nullcontext(run.read_judged(judged) if judged else None)
    with judging as noisy:
        for _ in notes.progress(range(epochs), "training", epochs):
            run.train(table, noisy, rule, thresholds)
    _write(run, output, embeddings, next_, verdicts, record)
    told = f"{tell(run.verdicts)}{tell_drop(left_out)}{tell_relations(related)}"
    notes.note(f"epoch {run.trainer.epoch}, loss {run.loss:.6f}{told}")


def _check_stages(
    epochs: int, live: bool, judged: Path, samples: Path, verdicts: Path, for_live: Sequence[Path]
) -> None:
    """Raise UsageError where files were given that do not go together, or with --epochs."""
    if epochs > 1 and (samples or judged or verdicts or live):
        raise UsageError("--samples, --judged, --verdicts and --live belong to one epoch; leave out --epochs")
    if verdicts and not (judged or live):
        raise UsageError("--verdicts needs --judged or --live: without it nothing is dropped")
    if live and judged:
        raise UsageError("--live judges in the step, and --judged was judged before; leave one out")
    if not live and any(for_live):
        raise UsageError("--history, --profiles, --items and --record are for --live; add it or leave them out")


def _uses(live: bool, judged: Path, drop: Path, profiles: Path) -> Uses:
    """Which options count only beside another, and whether they do here."""
    scored = live and profiles is not None
    return {
        "--judged or --live": (live or judged is not None, _JUDGING),
        "--live": (live, _PRUNING),
        "--live with --profiles": (scored, NAMES),
        "--drop": (drop is not None, ["confidence"]),
    }


def _write(run: Run, output: str, embeddings: Path, next_: Path, verdicts: Path, record: Path) -> None:
    """Write what the epoch made, each part where a file is named for it."""
    from llmhd_tools.files.tables import write_table
    from llmhd_tools.files.tensors import write_tensors

    if verdicts and run.verdicts is not None:
        write_table(verdicts, run.verdicts)
    if record and run.judged is not None:
        write_table(record, run.judged)
    if embeddings:
        write_tensors(embeddings, run.embeddings())
    if next_:
        write_table(next_, run.next_samples())
    write_tensors(output, run.model())  # last: with the model there, everything of this epoch is
