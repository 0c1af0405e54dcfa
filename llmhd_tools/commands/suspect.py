"""``llmhd suspect``: which training pairs look most like false positives, so that they can leave the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from llmhd_tools.options import (
    Confidence,
    History,
    LeaveOneOut,
    More,
    Out,
    Quiet,
    TextWeight,
    Verbose,
    finite,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llmhd_tools.commands.dropping import Drop
    from llmhd_tools.commands.loading import Training
    from llmhd_tools.files.tables import Table
    from llmhd_tools.files.tensors import Tensors


def command(
    context: typer.Context,
    train: Annotated[str, typer.Argument(help="Training interactions.", metavar="TRAIN")],
    more: More = [],  # noqa: B006 - typer copies it
    history: History = [],  # noqa: B006 - typer copies it
    scores: Annotated[
        str | None,
        typer.Option("--scores", help="Scores of training pairs (score): suspects or judged rows.", metavar="FILE"),
    ] = None,
    vectors: Annotated[
        str | None, typer.Option("--vectors", help="Text vectors of the items (embed, align).", metavar="FILE")
    ] = None,
    share: Annotated[
        float, typer.Option("--share", help="Share of the training pairs to cut.", min=0, max=1, callback=finite)
    ] = 0.08,
    text_weight: TextWeight = 0.25,
    leave_one_out: LeaveOneOut = True,
    drop: Annotated[
        str | None,
        typer.Option("--drop", help="The pairs that the epochs of --history were trained without.", metavar="FILE"),
    ] = None,
    confidence: Confidence = 3,
    output: Out = "-",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Rank the training pairs by suspicion and cut the worst.

    A pair is the more suspicious, the lower its mean prediction over the epochs of --history is; early epochs, before
    noise is memorised, tell best. --vectors adds how alike the item's text is to those of the user's other items,
    --scores what a language model says. The worst --share is marked as cut: for `score` to judge, or for `train-epoch
    --drop` to leave out of graph and loss. A pair that its score vouches for is not cut any more.

    \b
    Examples:
      llmhd suspect train.jsonl --history emb-{4,5,6,7,8}.npz --share 0.05 -o drop.npz
      llmhd suspect train.jsonl --history emb-{4,5,6,7,8}.npz --share 0.16 \\
        | llmhd score - --profiles profiles.jsonl --items items.jsonl -o scored.jsonl
      llmhd suspect train.jsonl --history emb-{4,5,6,7,8}.npz --scores scored.jsonl --share 0.08 -o drop.npz
    """
    from llmhd_tools import console
    from llmhd_tools.commands.dropping import read_drop
    from llmhd_tools.commands.loading import read_history, read_training
    from llmhd_tools.commands.unused import find_unused, tell_unused
    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import read_table, write_table
    from llmhd_tools.files.tensors import read_tensors

    history = [*history, *more]
    if not history:
        raise UsageError("predictions are made of embeddings; give those of some epochs with --history")
    check_output(output, [train, scores, vectors, drop, *history])
    training = read_training(train)
    judged = read_table(scores, ("suspects", "judged")) if scores else None
    left_out = read_drop(drop, training, confidence) if drop else None
    texts = Texts(judged, read_tensors(vectors, "vectors") if vectors else None, text_weight)
    found = suspects(training, read_history(history), share, texts, leave_one_out=leave_one_out, drop=left_out)
    write_table(output, found)
    uses = {"--scores or --vectors": (bool(scores or vectors), ["text_weight"]), "--drop": (bool(drop), ["confidence"])}
    tell_unused(find_unused(context, uses))
    told = "" if judged is None else f", {(found['score'] == found['score']).sum():,} of them with a score"
    console.note(f"suspect: {(found['cut'] == 1).sum():,} of {len(found):,} training pairs are cut{told}")


@dataclass(frozen=True)
class Texts:
    """What texts say of the training pairs: ``scores`` in suspects or judged rows, ``vectors`` of the items."""

    scores: Table | None = None
    vectors: Tensors | None = None
    weight: float = 0.25


def suspects(
    training: Training,
    history: Sequence[Tensors],
    share: float,
    texts: Texts,
    *,
    leave_one_out: bool = True,
    drop: Drop | None = None,
) -> Table:
    """All training pairs, once each and in order, with their suspicion, the worst ``share`` marked as cut.

    ``drop``: what the epochs of ``history`` were trained without. Raises InputError for a scored pair that is not in
    training, and for an item without vector.
    """
    from llmhd_tools.commands.loading import align
    from llmhd_tools.core import suspicion
    from llmhd_tools.files.columns import Column
    from llmhd_tools.files.provenance import made
    from llmhd_tools.files.tables import Table

    graph = training.graph
    params = {"share": share, "leave_one_out": leave_one_out}
    inputs: dict[str, str | list[str]] = {"train": training.digest, "history": [epoch.digest() for epoch in history]}
    edges = graph
    if drop is not None:
        edges, inputs["drop"] = drop.kept(graph), drop.digest
        params |= drop.params
    predicted = suspicion.mean_prediction(
        align(history, training.users, training.items), graph, edges if leave_one_out else None
    )
    columns: dict[str, Column] = {"user": graph.user, "item": graph.item, "prediction": predicted}
    signals = {}
    if texts.vectors is not None:
        inputs["vectors"] = texts.vectors.digest()
        signals["likeness"] = suspicion.likeness(texts.vectors.rows("item", training.items), graph, edges)
    if texts.scores is not None:
        inputs["scores"] = texts.scores.digest()
        signals["score"] = _scores(texts.scores, training)
    if signals:
        params["text_weight"] = texts.weight
    columns |= signals
    columns["suspicion"] = found = suspicion.suspicion(predicted, list(signals.values()), texts.weight)
    columns["cut"] = suspicion.worst(found, share).astype("int8")
    meta = {"made": made("suspect", params, inputs)}
    return Table("suspects", columns, training.users, training.items, meta)


def _scores(table: Table, training: Training) -> NDArray[np.float64]:
    """The score of each training pair, (n,); NaN for one without. Negatives among judged rows do not count.

    The table's codes are translated in place.
    """
    import numpy as np

    from llmhd_tools.commands.dropping import places
    from llmhd_tools.files.tables import recode

    table = recode(table, training.users, training.items)
    ours = table["label"] == 1 if "label" in table else np.ones(len(table), dtype=bool)
    found, at = np.full(len(training.graph), np.nan), places(table, training, ours)
    if "score" in table:
        found[at] = table["score"][ours]
    return found
