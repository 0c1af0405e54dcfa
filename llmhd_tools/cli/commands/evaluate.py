"""``llmhd evaluate``: how good the ranking is, and how well the dropped samples match known noise."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import File, Out, file, find_unused, takes
from llmhd_tools.settings import Measuring, Profiles


@takes(
    without=("update", "scope", "tracked"),
    defaults={"at": "10,20"},
    needs={Profiles: ({"drop": True},)},
)
def command(
    context: typer.Context,
    embeddings: Annotated[str, typer.Argument(help="Embeddings, or a model of `fit`.", metavar="MODEL")],
    test: Annotated[str, typer.Argument(help="Held-out interactions.", metavar="TEST")],
    measuring: Measuring,
    profiling: Profiles,
    exclude: Annotated[list[str], file("--exclude", "Never rank these pairs (train, valid); repeat it.")] = [],  # noqa: B006
    split: Annotated[str, typer.Option("--split", help="Name of TEST in the records.")] = "test",
    per_user: Annotated[bool, typer.Option("--per-user", help="A record for every user, before the means.")] = False,
    noise: Annotated[File, file("--noise", "Training interactions with known `noise`.")] = None,
    verdicts: Annotated[File, file("--verdicts", "What training dropped, against --noise.")] = None,
    drop: Annotated[File, file("--drop", "What left the graph (suspects, flags), against --noise.")] = None,
    disliked: Annotated[File, file("--disliked", "Held-out interactions that users disliked.")] = None,
    output: Out = "-",
) -> None:
    """Measure recall, ndcg and more over all items.

    Every item is ranked for each user with held-out items; pairs of --exclude do not enter the list, but for those of
    TEST itself, which are ranked with a warning. Values are means over those users. Equal scores are ranked by a digest
    of the ids: as by chance, and the same in any order of the files; how many users that decides is told.

    With --noise, how well a high loss finds the known noise (AUC) and, with --verdicts, precision, recall and AUC of what
    was dropped, the truly clean share of what was rescued and, where TRAIN marks rows as `hard`, the rescued share of
    the hard; with --drop, precision and recall of what left the graph. With --disliked, the disliked share of the first
    K (disliked-share, over users with disliked items) and the chance that a liked item of TEST scores above a disliked
    one (liked-auc, over users that have both); pairs of --exclude do not count as disliked.

    \b
    Examples:
      llmhd evaluate emb-3.npz test.jsonl --exclude train.jsonl --exclude valid.jsonl --at 5,10
      llmhd evaluate ease.npz test.jsonl --exclude train.jsonl --exclude valid.jsonl
      llmhd evaluate emb-3.npz test.jsonl --exclude train.jsonl --noise train.jsonl --verdicts verdicts-3.jsonl
      llmhd evaluate emb-3.npz test.jsonl --exclude train.jsonl --disliked low.jsonl --unknown skip
    """
    from llmhd_tools import notes
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import read_table, write_table
    from llmhd_tools.measure.evaluate import evaluate
    from llmhd_tools.stages.rankers import read_ranker

    check_output(output, [embeddings, test, noise, verdicts, drop, disliked, *exclude])
    unused = find_unused(context)
    found = evaluate(
        read_ranker(embeddings),
        read_table(test, "interactions"),
        measuring,
        exclude=[read_table(path, "interactions") for path in exclude],
        split=split,
        per_user=per_user,
        disliked=read_table(disliked, "interactions") if disliked else None,
        noise=read_table(noise, "interactions") if noise else None,
        verdicts=read_table(verdicts, "verdicts") if verdicts else None,
        drop=read_table(drop, ("suspects", "flags")) if drop else None,
        confidence=profiling.confidence,
    )
    if unused:
        notes.note(unused)
    write_table(output, found)
