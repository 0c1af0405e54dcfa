"""``llmhd suspect``: which training pairs look most like false positives, so that they can leave the graph."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import Confidence, History, LeaveOneOut, More, Out, Quiet, TextWeight, Verbose, finite


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
    from llmhd_tools import notes
    from llmhd_tools.cli.unused import find_unused, tell_unused
    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import read_table, write_table
    from llmhd_tools.files.tensors import read_tensors
    from llmhd_tools.stages.dataset import read_history, read_training
    from llmhd_tools.stages.edges import read_drop
    from llmhd_tools.stages.suspect import Texts, suspects

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
    notes.note(f"{(found['cut'] == 1).sum():,} of {len(found):,} training pairs are cut{told}")
