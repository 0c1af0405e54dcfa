"""``llmhd evaluate``: how good the ranking is, and how well the dropped samples match known noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from llmhd_tools.cli.options import At, Confidence, Metrics, Out, Quiet, Unknown, Verbose

if TYPE_CHECKING:
    from llmhd_tools.files.tables import Table
    from llmhd_tools.files.tensors import Tensors


def command(
    context: typer.Context,
    embeddings: Annotated[str, typer.Argument(help="Embeddings of users and items.", metavar="EMBEDDINGS")],
    test: Annotated[str, typer.Argument(help="Held-out interactions.", metavar="TEST")],
    exclude: Annotated[
        list[str], typer.Option("--exclude", help="Never rank these pairs (train, valid); repeat it.", metavar="FILE")
    ] = [],  # noqa: B006
    at: At = "10,20",
    metrics: Metrics = "recall,ndcg",
    split: Annotated[str, typer.Option("--split", help="Name of TEST in the records.")] = "test",
    per_user: Annotated[bool, typer.Option("--per-user", help="A record for every user, before the means.")] = False,
    unknown: Unknown = "error",
    noise: Annotated[
        str | None, typer.Option("--noise", help="Training interactions with known `noise`.", metavar="FILE")
    ] = None,
    verdicts: Annotated[
        str | None, typer.Option("--verdicts", help="What training dropped, against --noise.", metavar="FILE")
    ] = None,
    drop: Annotated[
        str | None,
        typer.Option("--drop", help="What left the graph (suspects, flags), against --noise.", metavar="FILE"),
    ] = None,
    confidence: Confidence = 3,
    disliked: Annotated[
        str | None, typer.Option("--disliked", help="Held-out interactions that users disliked.", metavar="FILE")
    ] = None,
    output: Out = "-",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure recall, ndcg and more over all items.

    Every item is ranked for each user with held-out items; pairs of --exclude do not enter the list. Values are means
    over those users. With --noise, how well a high loss finds the known noise (AUC) and, with --verdicts, precision,
    recall and AUC of what was dropped, the truly clean share of what was rescued and, where TRAIN marks rows as `hard`,
    the rescued share of the hard; with --drop, precision and recall of what left the graph. With --disliked, the
    disliked share of the first K (disliked-share, over users with disliked items) and the chance that a liked item of
    TEST scores above a disliked one (liked-auc, over users that have both); pairs of --exclude do not count as disliked.

    \b
    Examples:
      llmhd evaluate emb-3.npz test.jsonl --exclude train.jsonl --exclude valid.jsonl --at 5,10
      llmhd evaluate emb-3.npz test.jsonl --exclude train.jsonl --noise train.jsonl --verdicts verdicts-3.jsonl
      llmhd evaluate emb-3.npz test.jsonl --exclude train.jsonl --disliked low.jsonl --unknown skip
    """
    from llmhd_tools.cli.unused import find_unused, tell_unused
    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.jsonl import write_records
    from llmhd_tools.files.provenance import made
    from llmhd_tools.files.streams import check_output, suffix_of
    from llmhd_tools.files.tables import from_records, read_table, write_table
    from llmhd_tools.files.tensors import read_tensors
    from llmhd_tools.measure.dislikes import disliked_metrics
    from llmhd_tools.measure.known_noise import cut_metrics, noise_metrics
    from llmhd_tools.measure.ranking import parse_at, parse_metrics, rank_metrics, tell_unknown
    from llmhd_tools.stages.dataset import by_user, training
    from llmhd_tools.stages.edges import read_drop

    check_output(output, [embeddings, test, noise, verdicts, drop, disliked, *exclude])
    lengths, names = parse_at(at), parse_metrics(metrics)
    if (verdicts or drop) and not noise:
        raise UsageError(f"--{'verdicts' if verdicts else 'drop'} is measured against known noise; give --noise")
    z = read_tensors(embeddings, "embeddings")
    excluded = [read_table(path, "interactions") for path in exclude]
    hidden = [by_user(table, z.users, z.items) for table in excluded]
    held_out = read_table(test, "interactions")
    tell_unknown("evaluate", held_out, z.users, z.items, unknown)
    records = rank_metrics(z, held_out, hidden, lengths, names, split, unknown, per_user)
    foes = read_table(disliked, "interactions") if disliked else None
    if foes is not None:
        tell_unknown("evaluate", foes, z.users, z.items, unknown)
        records += disliked_metrics(z, held_out, foes, hidden, lengths, split, unknown, per_user)
    train = read_table(noise, "interactions") if noise else None
    dropped = read_table(verdicts, "verdicts") if verdicts else None
    if train is not None:
        records += noise_metrics(z, train, dropped)
    cut = None
    if train is not None and drop:
        observed = training(train)
        cut = read_drop(drop, observed, confidence)
        records += cut_metrics(z, cut, observed, train)
    tell_unused(find_unused(context, {"--drop": (cut is not None, ["confidence"])}))
    if suffix_of(output) == ".npz":
        table = from_records("metrics", records, output)
        params = {"at": lengths, "metrics": names, "split": split, "unknown": unknown, "per_user": per_user}
        inputs = _digests(z, held_out, excluded, train, foes, dropped)
        if cut is not None:
            inputs["drop"], params = cut.digest, params | cut.params
        table.meta = {"made": made("evaluate", params, inputs)}
        write_table(output, table)
    else:
        write_records(output, records)


def _digests(
    z: Tensors,
    test: Table,
    excluded: Sequence[Table],
    noise: Table | None,
    disliked: Table | None,
    verdicts: Table | None,
) -> dict[str, str | list[str]]:
    """Of what counts in the files that were given, by the name of their option."""
    inputs: dict[str, str | list[str]] = {
        "embeddings": z.digest(),
        "test": test.digest("user", "item"),
        "exclude": [table.digest("user", "item") for table in excluded],
    }
    if noise is not None:
        inputs["noise"] = noise.digest(*(name for name in ("user", "item", "noise", "hard") if name in noise))
    if disliked is not None:
        inputs["disliked"] = disliked.digest("user", "item")
    if verdicts is not None:
        inputs["verdicts"] = verdicts.digest()
    return inputs
