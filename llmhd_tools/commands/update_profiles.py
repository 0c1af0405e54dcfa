"""``llmhd update-profiles``: let confident false positives and negatives correct the users' profiles."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from llmhd_tools.errors import InputError
from llmhd_tools.options import (
    Alpha,
    Candidates,
    Confidence,
    History,
    Items,
    Link,
    MaxNoise,
    More,
    Out,
    Quiet,
    Schedule,
    Scope,
    Tracked,
    Verbose,
)
from llmhd_tools.options_llm import LlmOptions, takes_llm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llmhd_tools.commands.loading import Training
    from llmhd_tools.core.preference import Flags
    from llmhd_tools.core.pruning import NoiseRate
    from llmhd_tools.files.tables import Table
    from llmhd_tools.files.tensors import Tensors
    from llmhd_tools.llm.provider import Provider, Revise


@takes_llm()
def command(
    profiles: Annotated[str, typer.Argument(help="The profiles so far.", metavar="PROFILES")],
    train: Annotated[str, typer.Option("--train", help="Training interactions.", metavar="FILE")],
    items: Items,
    model: Annotated[
        str, typer.Option("--model", help="Model of the finished epoch: its T and seed count.", metavar="FILE")
    ],
    flags: Annotated[
        str, typer.Option("--flags", help="Flag counts; read if it exists, written back whole.", metavar="FILE")
    ],
    llm: LlmOptions,
    more: More = [],  # noqa: B006 - typer copies it
    history: History = [],  # noqa: B006 - typer copies it
    alpha: Alpha = 3000.0,
    max_noise: MaxNoise = 0.05,
    schedule: Schedule = "ramp",
    candidates: Candidates = 0.5,
    link: Link = "sigmoid",
    scope: Scope = "noisy",
    confidence: Confidence = 3,
    tracked: Tracked = 1,
    output: Out = "-",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Correct profiles by pairs that keep looking mislabelled.

    Once an epoch, the steadiest of the high-loss training pairs and of the tracked negatives get a flag (Eq. 17-20). A
    pair with --confidence flags is handed to the language model once: a training pair as a false positive (T_FP: the
    user does not like this item), a negative as a false negative (T_FN: the user does).

    \b
    Examples:
      llmhd update-profiles profiles.jsonl --train train.jsonl --items items.jsonl --model model-3.npz --flags flags.npz \\
        --history emb-1.npz --history emb-2.npz --history emb-3.npz -o profiles-3.jsonl
      llmhd update-profiles profiles.jsonl --train train.jsonl --items items.jsonl --model model-3.npz --flags flags.npz \\
        --history emb-2.npz --history emb-3.npz --confidence 2 -o profiles-3.jsonl
    """
    from llmhd_tools import console
    from llmhd_tools.commands.loading import read_history, read_texts, read_training, texts_of
    from llmhd_tools.commands.session import session
    from llmhd_tools.commands.training import settings_of
    from llmhd_tools.core.pruning import NoiseRate
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import read_table, write_table
    from llmhd_tools.files.tensors import read_tensors

    history = [*history, *more]
    check_output(output, [profiles, train, items, model, flags, *history])
    check_output(flags, [output, profiles, train, items, model, *history])
    training, state = read_training(train), read_tensors(model, "model")
    if state.meta.get("graph") != training.digest:
        raise InputError("was trained on other interactions than --train", where=model)
    settings_of(state)  # refuses a model without settings
    known = read_table(flags, "flags", users=training.users, items=training.items) if os.path.exists(flags) else None
    item_texts, so_far = read_texts(items, "items"), read_table(profiles, "profiles")
    texts_of(so_far)  # refuses a user who stands twice
    epochs = read_history(history)
    how = Updating(NoiseRate(alpha, max_noise, schedule), candidates, link, scope, confidence, tracked)
    with session(llm, "update-profiles", list(item_texts.values())) as asked:
        result = update_profiles(so_far, training, item_texts, epochs, known, state, how, asked.provider)
        if not asked.answers:
            return
        asked.complete()
        write_table(output, result.profiles)
        write_table(flags, result.flags)  # last: a pair counts as sent only once its profile is kept
    console.note(
        f"update-profiles: {result.flagged:,} pairs flagged; {result.false_positives:,} false positives and "
        f"{result.false_negatives:,} false negatives are confident; {result.updated:,} profiles updated, "
        f"{result.failed:,} answers unusable"
    )


@dataclass(frozen=True)
class Update:
    """What one round of preference updating did."""

    profiles: Table
    flags: Table
    flagged: int
    false_positives: int
    false_negatives: int
    updated: int
    failed: int


@dataclass(frozen=True)
class Updating:
    """How pairs are flagged: the options of ``update-profiles``, see its help."""

    rate: NoiseRate
    candidates: float = 0.5
    link: str = "sigmoid"
    scope: str = "noisy"
    confidence: int = 3
    tracked: int = 1


def update_profiles(
    profiles: Table,
    training: Training,
    items: Mapping[str, str],
    history: Sequence[Tensors],
    flags: Table | None,
    model: Tensors,
    how: Updating,
    provider: Provider,
) -> Update:
    """One round after a finished epoch: flag, collect the confident pairs, ask once for each user and direction.

    ``model`` is that of the epoch; its T and seed count. Raises InputError where ``flags`` count that epoch already.
    """
    from llmhd_tools.commands.loading import align, digest_of
    from llmhd_tools.core import preference
    from llmhd_tools.files.provenance import made

    graph, config = training.graph, model.meta["config"]
    if flags and flags.meta.get("epoch", -1) >= model.meta["epoch"]:
        raise InputError(
            f"counts epoch {flags.meta['epoch']} already; give the flags of the epoch before, or a new file",
            where=flags.source,
        )
    embeddings = align(history, training.users, training.items)
    share = how.rate.share(model.meta["step"], config["batch"])
    now, flagged = _flags_of(flags), 0
    tracked = preference.tracked_negatives(graph, how.tracked, config["seed"])
    for label, (user, item) in ((1, (graph.user, graph.item)), (0, tracked)):
        chosen = preference.flagged(
            embeddings, user, item, label, share, scope=how.scope, candidates=how.candidates, link=how.link
        )
        now = now.plus(user[chosen], item[chosen], label)
        flagged += int(chosen.sum())
    due = now.confident(how.confidence)
    revised, done, updated, failed = _revise(profiles, training, items, provider, now, due)
    now = replace(now, sent=now.sent | done)
    positives = int((due & (now.label == 1)).sum())
    inputs: dict[str, str | list[str]] = {
        "train": training.digest,
        "profiles": profiles.digest(),
        "items": digest_of(items),
        "history": [epoch.digest() for epoch in history],
        "model": model.digest(),
    }
    if flags:
        inputs["flags"] = flags.digest()
    table = _flags_table(now, training)
    table.meta = {
        "epoch": model.meta["epoch"],
        "made": made("update-profiles", asdict(how) | {"llm": provider.name}, inputs),
    }
    return Update(revised, table, flagged, positives, int(due.sum()) - positives, updated, failed)


def _flags_of(table: Table | None) -> Flags:
    from llmhd_tools.core.preference import Flags

    if table is None:
        return Flags.none()
    return Flags(table["user"], table["item"], table["label"], table["count"], table["sent"] == 1)


def _flags_table(flags: Flags, training: Training) -> Table:
    from llmhd_tools.files.columns import Column
    from llmhd_tools.files.tables import Table

    columns: dict[str, Column] = {"user": flags.user, "item": flags.item, "label": flags.label, "count": flags.count}
    return Table("flags", columns | {"sent": flags.sent.astype("int8")}, training.users, training.items)


def _revise(
    profiles: Table,
    training: Training,
    items: Mapping[str, str],
    provider: Provider,
    flags: Flags,
    due: NDArray[np.bool_],
) -> tuple[Table, NDArray[np.bool_], int, int]:
    """Ask about the due pairs: for each user first about false positives, then about false negatives.

    Returns the new profiles, which of the pairs are done with, how many profiles changed and how many answers failed. A
    failed answer leaves the profile as it was, and its pairs are asked about again after the next epoch.
    """
    import numpy as np

    from llmhd_tools.files.columns import Column
    from llmhd_tools.files.tables import Table
    from llmhd_tools.llm.untrusted import order_in

    texts: list[str] = list(profiles.columns["profile"])
    models = list(profiles.columns.get("model", [None] * len(profiles)))
    versions = profiles["version"].copy() if "version" in profiles else np.zeros(len(profiles), dtype=np.int64)
    done = np.zeros(len(flags), dtype=bool)
    changed: set[int] = set()
    failed = 0
    for label in (1, 0):
        asked = list(_questions(profiles, texts, training, items, flags, due, label))
        for (row, pairs, request), answer in zip(asked, provider.answer(a[2] for a in asked), strict=True):
            if answer.error is not None or (answer.value != request.profile and order_in(str(answer.value))):
                failed += 1  # a profile that gives orders to the scorer is not kept either
                continue
            done[pairs] = True
            if answer.value != request.profile:
                texts[row], models[row] = str(answer.value), provider.name
                versions[row] = max(versions[row], 0) + 1
                changed.add(row)
    columns: dict[str, Column] = {**profiles.columns, "profile": texts, "version": versions, "model": models}
    revised = Table("profiles", columns, profiles.users, extra=profiles.extra, source=profiles.source)
    return revised, done, len(changed), failed


def _questions(
    profiles: Table,
    texts: list[str],
    training: Training,
    items: Mapping[str, str],
    flags: Flags,
    due: NDArray[np.bool_],
    label: int,
) -> Iterator[tuple[int, NDArray[np.int64], Revise]]:
    """For each user with due pairs of one label: the profile's row, the pairs and the question about them."""
    import numpy as np

    from llmhd_tools.llm.provider import Revise

    row_of = {str(name): row for row, name in enumerate(profiles.users.take(profiles["user"]))}
    rows = np.flatnonzero(due & (flags.label == label))
    for pairs in np.split(rows, np.flatnonzero(np.diff(flags.user[rows])) + 1) if len(rows) else []:
        row = row_of.get(str(training.users.names[flags.user[pairs[0]]]))
        named = tuple(text for name in training.items.take(flags.item[pairs]) if (text := items.get(str(name))))
        if row is not None and texts[row] and named:
            yield row, pairs, Revise(texts[row], named, "false-positive" if label else "false-negative")
