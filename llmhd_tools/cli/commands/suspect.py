"""``llmhd suspect``: which training pairs look most like false positives, so that they can leave the graph."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import File, History, More, Out, file, find_unused, takes
from llmhd_tools.settings import Cleaning, Profiles, Shuffling, Suspecting

SHARE = Cleaning().clean_share


@takes(
    without=("update", "scope", "tracked"),
    needs={
        Profiles: ({"drop": True},),
        Suspecting: (),
        Shuffling: ({"vectors": True},),
        "text_weight": ({"scores": True}, {"vectors": True}, {"appraisals": True}),
    },
)
def command(
    context: typer.Context,
    train: Annotated[str, typer.Argument(help="Training interactions.", metavar="TRAIN")],
    suspecting: Suspecting,
    profiling: Profiles,
    shuffling: Shuffling,
    more: More = [],  # noqa: B006 - typer copies it
    history: History = [],  # noqa: B006 - typer copies it
    scores: Annotated[File, file("--scores", "Scores of training pairs (score): suspects or judged rows.")] = None,
    vectors: Annotated[File, file("--vectors", "Text vectors of the items (embed, align).")] = None,
    appraisals: Annotated[File, file("--appraisals", "How well each item pleases on the whole (appraise).")] = None,
    share: Annotated[float, typer.Option("--share", help="Share of the training pairs to cut.", min=0, max=1)] = SHARE,
    weights: Annotated[
        bool, typer.Option("--weights", help="Write how much each pair is to count, not which are cut.")
    ] = False,
    drop: Annotated[File, file("--drop", "The pairs that the epochs of --history were trained without.")] = None,
    output: Out = "-",
) -> None:
    """Rank the training pairs by suspicion and cut the worst.

    A pair is the more suspicious, the lower its mean prediction over the epochs of --history is; early epochs,
    before noise is memorised, tell best. --vectors adds how alike the item's text is to those of the user's other
    items, --scores what a language model says of the pair, --appraisals what it says of the item. The worst --share
    is marked as cut: for `score` to judge, or for `train-epoch --drop` to leave out of graph and loss. A pair that
    its score vouches for is not cut any more. --history takes a model of `fit` as well. With --weights no pair is
    cut: each has a weight from 0 to 1, a half at the line that --share would draw, which `train-epoch --drop` and
    `fit --drop` take into the loss; all edges stay.

    \b
    Examples:
      llmhd suspect train.jsonl --history emb-{4,5,6,7,8}.npz --share 0.05 -o drop.npz
      llmhd suspect train.jsonl --history emb-{4,5,6,7,8}.npz --share 0.16 \\
        | llmhd score - --profiles profiles.jsonl --items items.jsonl -o scored.jsonl
      llmhd suspect train.jsonl --history emb-{4,5,6,7,8}.npz --scores scored.jsonl --share 0.08 -o drop.npz
    """
    from llmhd_tools import notes
    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import read_table, write_table
    from llmhd_tools.files.tensors import read_tensors
    from llmhd_tools.stages.dataset import read_dataset, read_history
    from llmhd_tools.stages.edges import read_drop
    from llmhd_tools.stages.rankers import RANKERS
    from llmhd_tools.stages.suspect import suspect
    from llmhd_tools.stages.texts import shuffle_vectors

    history = [*history, *more]
    if not history:
        raise UsageError("predictions are made of embeddings; give those of some epochs with --history")
    check_output(output, [train, scores, vectors, appraisals, drop, *history])
    unused = find_unused(context)
    dataset = read_dataset(train)
    found = suspect(
        dataset,
        read_history(history, RANKERS),
        suspecting,
        share=share,
        scores=read_table(scores, ("suspects", "judged")) if scores else None,
        vectors=shuffle_vectors(read_tensors(vectors, "vectors"), shuffling.shuffle_texts) if vectors else None,
        appraisals=read_table(appraisals, "appraisals") if appraisals else None,
        drop=read_drop(drop, dataset, profiling.confidence) if drop else None,
        weights=weights,
    )
    write_table(output, found)
    if unused:
        notes.note(unused)
    if weights:
        notes.note(f"{len(found):,} training pairs weigh {found['weight'].min():.3f} to {found['weight'].max():.3f}")
        return
    told = f", {(found['score'] == found['score']).sum():,} of them with a score" if scores else ""
    notes.note(f"{(found['cut'] == 1).sum():,} of {len(found):,} training pairs are cut{told}")
