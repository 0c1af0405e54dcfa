"""``llmhd diagnose``: whether hard samples can be told from noise by loss, prediction, variance or score, epoch by epoch."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmhd_tools.options import History, Link, MaxNoise, More, Out, Quiet, Seed, Verbose
from llmhd_tools.options_llm import NAMES, LlmOptions, takes_llm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llmhd_tools.core.diagnosis import Measures, Probe
    from llmhd_tools.core.pruning import Embeddings
    from llmhd_tools.files.tables import Table
    from llmhd_tools.files.tensors import Tensors
    from llmhd_tools.llm.provider import Provider

File = str | None
Record = dict[str, Any]
AGAINST = {"all": [("noisy", "easy"), ("noisy", "hard")], "high-loss": [("noisy", "clean")]}


@takes_llm()
def command(
    context: typer.Context,
    train: Annotated[str, typer.Argument(help="Training interactions with known `noise`.", metavar="TRAIN")],
    llm: LlmOptions,
    more: More = [],  # noqa: B006 - typer copies it
    history: History = [],  # noqa: B006 - typer copies it
    held_out: Annotated[
        File,
        typer.Option(
            "--held-out",
            help="Noisy samples take their negatives from these interactions, false negatives as in Figure 1.",
            metavar="FILE",
        ),
    ] = None,
    window: Annotated[int, typer.Option("--window", help="Epochs that a variance spans, m of Eq. 17.", min=2)] = 5,
    max_noise: MaxNoise = 0.05,
    link: Link = "sigmoid",
    profiles: Annotated[
        File, typer.Option("--profiles", help="User profiles, to score as well.", metavar="FILE")
    ] = None,
    items: Annotated[File, typer.Option("--items", help="Item texts, to score as well.", metavar="FILE")] = None,
    scored: Annotated[int, typer.Option("--scored", help="Clean and noisy rows to score, of each.", min=1)] = 1000,
    seed: Seed = 0,
    output: Out = "-",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """See whether hard samples differ from noise.

    For every epoch of --history: distributions of loss, prediction and variance of easy, hard and noisy samples (the
    paper's Figure 1), and how well each tells noise apart (AUC); the same for clean and noisy rows inside the high-loss
    set, where LLMHD takes for hard what varies most (Eq. 8-10). There an AUC of variance below 0.5 means that noise
    varies less than the rest, as the paper assumes; since a sigmoid's variance depends on its height, matched-auc is the
    same among rows of like prediction. With --profiles and --items, scores of a part of the rows too.

    \b
    Examples:
      llmhd diagnose noisy.jsonl --history run/epoch-{1,2,3,4,5,6,7,8,9}/embeddings.npz -o diagnostics.jsonl
      llmhd diagnose noisy.jsonl --history emb-{1,2,3}.npz --held-out test.jsonl --profiles p.jsonl --items items.jsonl
    """
    from llmhd_tools.commands.loading import align, by_user, digest_of, read_history, read_texts
    from llmhd_tools.commands.session import session
    from llmhd_tools.commands.unused import find_unused, tell_unused
    from llmhd_tools.core.diagnosis import Probe
    from llmhd_tools.core.graph import Graph
    from llmhd_tools.errors import InputError, UsageError
    from llmhd_tools.files.provenance import made
    from llmhd_tools.files.streams import check_output, suffix_of
    from llmhd_tools.files.tables import from_records, read_table, write_table

    history = [*history, *more]
    check_output(output, [train, held_out, profiles, items, *history])
    if not history:
        raise UsageError("--history is missing: give the embeddings of the epochs")
    if (profiles is None) != (items is None):
        raise UsageError("--profiles and --items go together")
    unused = find_unused(context, {"--profiles and --items": (profiles is not None, ["scored", *NAMES])})
    table = read_table(train, "interactions")
    if "noise" not in table:
        raise InputError("has no 'noise' marks to tell noise by", where=table.source)
    others = read_table(held_out, "interactions") if held_out else None
    graph = Graph.of(table["user"], table["item"], len(table.users), len(table.items))
    marked = table.take(table["noise"] == 1)
    noisy = Graph.of(marked["user"], marked["item"], len(table.users), len(table.items)).has(graph.user, graph.item)
    epochs = read_history(history)
    embeddings = align(epochs, table.users, table.items)
    probe = Probe.draw(graph, noisy, seed, by_user(others, table.users, table.items) if others else None)
    score = None
    inputs: dict[str, str | list[str]] = {"train": table.digest("user", "item", "noise")}
    if profiles and items:
        texts = read_texts(profiles, "profiles"), read_texts(items, "items")
        with session(llm, "diagnose", list(texts[1].values())) as asked:
            score = _scores(probe, table, *texts, scored, seed, asked.provider)
            if not asked.answers:
                return
            asked.complete()
        inputs |= {"profiles": digest_of(texts[0]), "items": digest_of(texts[1])}
    tell_unused(unused)
    records = list(_measured(probe, epochs, embeddings, window, max_noise, link, score))
    result = from_records("diagnostics", records, output)
    params = {"window": window, "max_noise": max_noise, "link": link, "scored": scored, "seed": seed}
    inputs["history"] = [z.digest() for z in epochs]
    if others is not None:
        inputs["held_out"] = others.digest("user", "item")
    if suffix_of(output) == ".npz":
        result.meta = {"made": made("diagnose", params, inputs)}
    write_table(output, result)


def _measured(
    probe: Probe,
    epochs: Sequence[Tensors],
    embeddings: Sequence[Embeddings],
    window: int,
    max_noise: float,
    link: str,
    score: NDArray[np.float64] | None,
) -> Iterator[Record]:
    """The records of every epoch, ``embeddings`` in the probe's codes; each epoch is told in a line."""
    from llmhd_tools import console

    past: deque[NDArray[np.float64]] = deque(maxlen=window)
    for number, (z, vectors) in enumerate(zip(epochs, embeddings, strict=True), start=1):
        past.append(probe.predictions(vectors))
        found = {"all": probe.figure_1(past, link, score), "high-loss": probe.high_loss(past, max_noise, link, score)}
        own = [{"epoch": z.meta.get("epoch", number)} | r for within in found for r in _records(within, found[within])]
        console.note(f"diagnose: {_tell(own)}")
        yield from own


def _records(within: str, groups: Mapping[str, Measures]) -> Iterator[Record]:
    """Counts, distributions and AUCs of the groups of one epoch; what has no value is left out."""
    import numpy as np

    from llmhd_tools.core.auc import auc, matched_auc
    from llmhd_tools.core.diagnosis import summary

    sizes = {name: len(group["loss"]) for name, group in groups.items()}
    total = sum(sizes.values())
    for name, group in groups.items():
        head: Record = {"within": within, "group": name}
        yield head | {"statistic": "count", "value": float(sizes[name])}
        if within == "high-loss" and total:
            yield head | {"statistic": "share", "value": sizes[name] / total}
        for measure, values in group.items():
            for statistic, value in summary(values).items():
                yield head | {"measure": measure, "statistic": statistic, "value": value}
    for (name, other), measure in itertools.product(AGAINST[within], groups["noisy"]):
        sides = groups[name][measure], groups[other][measure]
        values, own = np.concatenate(sides), np.arange(len(sides[0]) + len(sides[1])) < len(sides[0])
        found = {"auc": auc(values, own)}
        if within == "high-loss" and measure == "variance":
            alike = np.concatenate([groups[side]["prediction"] for side in (name, other)])
            found["matched-auc"] = matched_auc(values, own, alike)
        head = {"within": within, "group": name, "against": other, "measure": measure}
        yield from (head | {"statistic": key, "value": value} for key, value in found.items() if value is not None)


def _tell(records: list[Record]) -> str:
    """One epoch in a line: how much noise the high-loss set holds, and what tells it from the rest."""
    high = [r for r in records if r["within"] == "high-loss" and r["group"] == "noisy"]
    share = next((r["value"] for r in high if r["statistic"] == "share"), 0.0)
    aucs = {r["measure"]: r["value"] for r in high if r["statistic"] == "auc"}
    told = ", ".join(f"{measure} {aucs[measure]:.3f}" for measure in ("loss", "variance", "score") if measure in aucs)
    return f"epoch {records[0]['epoch']}: {share:.1%} of the high-loss set is noise; AUC of noisy against clean: {told}"


def _scores(
    probe: Probe,
    train: Table,
    profiles: Mapping[str, str],
    items: Mapping[str, str],
    count: int,
    seed: int,
    provider: Provider,
) -> NDArray[np.float64]:
    """Scores of ``count`` clean and as many noisy rows, drawn from the seed, (n,); NaN for the others and for failures."""
    import numpy as np

    from llmhd_tools.core.seeds import generator
    from llmhd_tools.llm.provider import Score

    rng, found = generator(seed, 0, "scored"), np.full(len(probe.user), np.nan)
    sides = [np.flatnonzero(probe.noisy == noisy) for noisy in (False, True)]
    rows = np.sort(np.concatenate([rng.permutation(side)[:count] for side in sides]))
    users, names = train.users.take(probe.user[rows]), train.items.take(probe.item[rows])
    texts = [(row, profiles.get(str(u)), items.get(str(i))) for row, u, i in zip(rows, users, names, strict=True)]
    known = [(row, Score(profile, item)) for row, profile, item in texts if profile and item]
    for (row, _), answer in zip(known, provider.answer(request for _, request in known), strict=True):
        if answer.error is None:
            found[row] = answer.value
    return found
