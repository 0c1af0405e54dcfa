"""``llmhd train-epoch``: one epoch of a recommender, or several."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from llmhd_tools.cli.options import File, History, file, find_unused, takes
from llmhd_tools.errors import UsageError
from llmhd_tools.registry import STAGED
from llmhd_tools.settings import ONE_BY_ONE, Judging, Machine, Model, Profiles, Pruning, Service, Shuffling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmhd_tools.stages.judge import Judge
    from llmhd_tools.stages.live import Live
    from llmhd_tools.stages.model import Model as Recommender

_LIVE = ({"live": True},)


@takes(
    without=(*ONE_BY_ONE, "update", "scope", "tracked"),
    needs={
        Judging: ({"judged": True}, {"live": True}),
        Pruning: _LIVE,
        "alpha": ({"judged": True}, {"live": True}),
        Service: ({"live": True, "profiles": True},),
        Profiles: ({"drop": True},),
        Shuffling: ({"vectors": True}, {"aligned": True}),
    },
)
def command(
    context: typer.Context,
    train: Annotated[str, typer.Argument(help="Training interactions.", metavar="TRAIN")],
    output: Annotated[str, file("-o --output", "The model, all that a later epoch needs.")],
    choices: Model,
    machine: Machine,
    judging: Judging,
    pruning: Pruning,
    profiling: Profiles,
    service: Service,
    shuffling: Shuffling,
    model: Annotated[File, file("--from", "Go on from this model.")] = None,
    samples: Annotated[File, file("--samples", "This epoch's samples; else drawn from the seed.")] = None,
    judged: Annotated[File, file("--judged", "This epoch's noisy rows; those not hard are dropped.")] = None,
    drop: Annotated[File, file("--drop", "Pairs to leave out of graph and loss: suspects or flags.")] = None,
    relations: Annotated[
        File, file("--relations", "Judged pairs: noisy ones leave the graph, hard ones enter it.")
    ] = None,
    vectors: Annotated[File, file("--vectors", "Vectors of the items' texts (embed), for --backbone alpharec.")] = None,
    aligned: Annotated[File, file("--aligned", "Aligned text vectors, for --negatives semantic.")] = None,
    embeddings: Annotated[File, file("--embeddings", "Where to write the final embeddings.")] = None,
    next_: Annotated[File, file("--next", "Where to write the coming epoch's samples.")] = None,
    verdicts: Annotated[File, file("--verdicts", "Where to write which noisy rows were dropped.")] = None,
    epochs: Annotated[int, typer.Option("--epochs", help="Epochs to train.", min=1)] = 1,
    live: Annotated[
        bool, typer.Option("--live", help="Prune and score inside each step, as printed; slow with a real LLM.")
    ] = False,
    history: History = [],  # noqa: B006 - typer copies it
    profiles: Annotated[
        File, file("--profiles", "For --live: user profiles; without texts all noisy rows are dropped.")
    ] = None,
    items: Annotated[File, file("--items", "For --live: item texts.")] = None,
    record: Annotated[File, file("--record", "Where --live is to write its noisy rows, judged.")] = None,
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
    from llmhd_tools import notes
    from llmhd_tools.files.streams import check_binary, check_output
    from llmhd_tools.files.tensors import read_tensors
    from llmhd_tools.stages.dataset import read_dataset
    from llmhd_tools.stages.edges import Edges, read_drop, read_relations
    from llmhd_tools.stages.judge import Judged, parse_thresholds, pick_rule, read_judged, tell
    from llmhd_tools.stages.model import Model as Recommender
    from llmhd_tools.stages.texts import shuffle_vectors

    outputs = [output, embeddings, next_, verdicts, record]
    inputs = [train, model, samples, judged, drop, relations, vectors, aligned, profiles, items, *history]
    for number, path in enumerate(outputs):
        check_output(path, [*inputs, *outputs[:number]])
    for path in (output, embeddings):
        check_binary(path)
    _check(choices, epochs, live, judged, samples, verdicts, [*history, profiles, items, record])
    parse_thresholds(judging, pruning.alpha)
    unused = find_unused(context)
    start = read_tensors(model, "model") if model else None
    dataset = read_dataset(train)
    dropped = read_drop(drop, dataset, profiling.confidence) if drop else None
    edges = Edges(dropped, read_relations(relations, dataset) if relations else None)
    given = [(name, path) for name, path in (("vectors", vectors), ("aligned", aligned)) if path]
    texts = {n: shuffle_vectors(read_tensors(path, "vectors"), shuffling.shuffle_texts) for n, path in given}
    recommender = Recommender(dataset, choices, machine=machine, start=start, edges=edges, **texts)
    config = recommender.config
    pick_rule(judging.rule, config.loss)
    if (judged or live) and config.denoise != "none":
        told = f"--{'live' if live else 'judged'} drops samples, and --denoise {config.denoise} does it its own way"
        raise UsageError(f"{told}; leave one out")
    table = recommender.read_samples(samples) if samples else None
    if unused:
        notes.note(unused)
    judge: AbstractContextManager[Judge | None] = nullcontext()
    if live:
        judge = _live(service, history, profiles, items, pruning, judging, config.seed)
    elif judged:
        judge = nullcontext(Judged(read_judged(judged, dataset), judging, pruning.alpha))
    with judge as asked:
        for _ in notes.progress(range(epochs), "training", epochs):
            recommender.train(table, asked)
    _write(recommender, output, embeddings, next_, verdicts, record)
    notes.note(f"epoch {recommender.epoch}, loss {recommender.loss:.6f}{tell(recommender.verdicts)}{edges.tell()}")


@contextmanager
def _live(
    service: Service, history: Sequence[str], profiles: File, items: File, pruning: Pruning, judging: Judging, seed: int
) -> Iterator[Live]:
    """What judges inside the steps; open while the epoch trains."""
    from llmhd_tools.cli.session import session
    from llmhd_tools.stages.dataset import read_history
    from llmhd_tools.stages.live import Live
    from llmhd_tools.stages.texts import read_texts

    epochs = read_history(history)
    if profiles is None or items is None:
        if profiles or items:
            raise UsageError("--profiles and --items go together: a score needs both texts")
        yield Live(epochs, pruning, judging, seed, {}, {}, None)
        return
    texts = read_texts(profiles, "profiles"), read_texts(items, "items")
    with session(service, "train-epoch", list(texts[1].values())) as asked:
        yield Live(epochs, pruning, judging, seed, *texts, asked.provider)
        asked.complete()


def _check(
    choices: Model,
    epochs: int,
    live: bool,
    judged: File,
    samples: File,
    verdicts: File,
    for_live: Sequence[File],
) -> None:
    """Raise UsageError where files were given that do not go together, or with --epochs."""
    if choices.denoise in STAGED:
        what = f"--denoise {choices.denoise} is stages of `run` before the step"
        raise UsageError(f"{what}; here they are prune, score and --judged")
    if epochs > 1 and (samples or judged or verdicts or live):
        raise UsageError("--samples, --judged, --verdicts and --live belong to one epoch; leave out --epochs")
    if verdicts and not (judged or live):
        raise UsageError("--verdicts needs --judged or --live: without it nothing is dropped")
    if live and judged:
        raise UsageError("--live judges in the step, and --judged was judged before; leave one out")
    if not live and any(for_live):
        raise UsageError("--history, --profiles, --items and --record are for --live; add it or leave them out")


def _write(model: Recommender, output: str, embeddings: File, next_: File, verdicts: File, record: File) -> None:
    """Write what the epoch made, each part where a file is named for it."""
    from llmhd_tools.files.tables import write_table
    from llmhd_tools.files.tensors import write_tensors

    if verdicts and model.verdicts is not None:
        write_table(verdicts, model.verdicts)
    if record and model.judged is not None:
        write_table(record, model.judged)
    if embeddings:
        write_tensors(embeddings, model.embeddings())
    if next_:
        write_table(next_, model.draw())
    write_tensors(output, model.file())  # last: with the model there, everything of this epoch is
