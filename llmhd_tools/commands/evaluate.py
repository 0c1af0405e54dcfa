"""``llmhd evaluate``: how good the ranking is, and how well the dropped samples match known noise."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmhd_tools.options import At, Confidence, Metrics, Out, Quiet, Unknown, Verbose

if TYPE_CHECKING:
    from llmhd_tools.core.graph import Codes
    from llmhd_tools.core.metrics import ByUser
    from llmhd_tools.files.ids import Ids
    from llmhd_tools.files.tables import Table
    from llmhd_tools.files.tensors import Tensors

Record = dict[str, Any]
Ranking = Callable[..., tuple[Any, Any, Any]]  # as core.metrics.hits_at


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
    from llmhd_tools.commands.disliked import disliked_metrics
    from llmhd_tools.commands.dropping import read_drop
    from llmhd_tools.commands.known_noise import cut_metrics, noise_metrics
    from llmhd_tools.commands.loading import by_user, training
    from llmhd_tools.commands.unused import find_unused, tell_unused
    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.jsonl import write_records
    from llmhd_tools.files.provenance import made
    from llmhd_tools.files.streams import check_output, suffix_of
    from llmhd_tools.files.tables import from_records, read_table, write_table
    from llmhd_tools.files.tensors import read_tensors

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


def parse_at(text: str) -> list[int]:
    """List lengths of ``--at``. Raises UsageError for what is not a whole number from 1."""
    from llmhd_tools.errors import UsageError

    try:
        lengths = sorted({int(part) for part in text.split(",")})
    except ValueError:
        lengths = [0]
    if lengths[0] < 1:
        raise UsageError(f"--at '{text}' is not a list of whole numbers such as 5,10")
    return lengths


def parse_metrics(text: str, option: str = "--metrics") -> list[str]:
    """Names of metrics, as ``option`` gives them. Raises UsageError for an unknown one."""
    from llmhd_tools.core.metrics import METRICS
    from llmhd_tools.errors import UsageError

    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in METRICS]:
        raise UsageError(f"{option} '{unknown[0]}' is unknown; choose from {', '.join(METRICS)}")
    return names


def rank_metrics(
    z: Tensors,
    test: Table,
    exclude: Sequence[ByUser],
    at: list[int],
    names: list[str],
    split: str,
    unknown: str = "error",
    per_user: bool = False,
    rank: Ranking | None = None,
) -> list[Record]:
    """Metric records of a held-out table; ``exclude`` holds interactions by user in the embeddings' codes.

    ``rank`` does the ranking in the place of ``core.metrics.hits_at``.
    """
    import numpy as np

    from llmhd_tools.core.metrics import METRICS, ByUser, hits_at

    user, item, strangers = check_known(test, z.users, z.items, unknown)
    known = (user >= 0) & ((item >= 0) | (unknown == "miss"))
    item = np.where(item < 0, len(z.items) + test["item"], item).astype(np.int32)
    wanted = ByUser.of(user[known], item[known], len(z.users))
    users, hits, relevant = (rank or hits_at)(z.arrays["user"], z.arrays["item"], wanted, exclude, max(at))
    head: Record = {"epoch": z.meta["epoch"]} if "epoch" in z.meta else {}
    head["split"] = split
    means, singles = [], []
    for k, name in itertools.product(at, names):
        values = METRICS[name](hits[:, :k], relevant)
        record = head | {"metric": name, "k": k}
        means.append(record | {"value": float(values.sum() / max(len(users) + strangers, 1))})
        if per_user:
            ids = z.users.take(users)
            singles += [record | {"value": float(v), "user": u} for u, v in zip(ids, values, strict=True)]
    return singles + means


def check_known(test: Table, users: Ids, items: Ids, unknown: str) -> tuple[Codes, Codes, int]:
    """The rows' codes among some ids (-1 unknown), and how many users without an embedding count as zero.

    Raises InputError at an unknown id, unless ``unknown`` says what to do.
    """
    import numpy as np

    from llmhd_tools.errors import InputError

    user, item = test.users.translate(users)[test["user"]], test.items.translate(items)[test["item"]]
    lost = (user < 0) | (item < 0)
    if not lost.any():
        return user, item, 0
    row = int(np.argmax(lost))
    if unknown == "skip" and lost.all():
        raise InputError("no row has an embedding, so there is nothing to measure", where=test.source)
    if unknown == "error":
        side = "user" if user[row] < 0 else "item"
        name = test.ids(side).names[int(test[side][row])]
        way_out = "count such rows as misses with --unknown miss or leave them out with --unknown skip"
        raise InputError(f"{side} '{name}' has no embedding; {way_out}", where=test.where(row))
    return user, item, len(np.unique(test["user"][user < 0])) if unknown == "miss" else 0


def tell_unknown(command: str, test: Table, users: Ids, items: Ids, unknown: str) -> None:
    """Say how many rows have no embedding and what becomes of them. Raises InputError as ``check_known``."""
    from llmhd_tools import console

    user, item, _ = check_known(test, users, items, unknown)
    if lost := int(((user < 0) | (item < 0)).sum()):
        console.note(f"{command}: {lost:,} rows of {test.source} name a user or item without embedding: {unknown}")
