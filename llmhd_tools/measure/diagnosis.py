"""How loss, prediction and variance of hard and noisy samples differ, epoch by epoch."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from llmhd_tools import notes
from llmhd_tools.core.arrays import Embeddings
from llmhd_tools.core.auc import auc, matched_auc
from llmhd_tools.core.diagnosis import Measures, Probe, summary
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.seeds import generator
from llmhd_tools.errors import InputError
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table, from_records
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.llm.requests import Provider, Score
from llmhd_tools.stages.dataset import align, by_user
from llmhd_tools.stages.texts import Texts, digest_of, texts_of

AGAINST = {"all": [("noisy", "easy"), ("noisy", "hard")], "high-loss": [("noisy", "clean")]}


def diagnose(
    train: Table,
    history: Sequence[Tensors],
    *,
    window: int = 5,
    max_noise: float = 0.05,
    link: str = "sigmoid",
    seed: int = 0,
    held_out: Table | None = None,
    texts: tuple[Texts, Texts] | None = None,
    provider: Provider | None = None,
    scored: int = 1000,
) -> Table:
    """How easy, hard and noisy samples differ in each epoch of ``history`` (the paper's Figure 1), and what tells noise.

    ``train`` marks its known noise. A variance spans ``window`` epochs. Noisy samples take their negatives from
    ``held_out``. With ``texts`` (profiles, items) the ``provider`` scores so many clean and noisy rows as well. Raises
    InputError where no row is marked, or history or texts do not fit.
    """
    if "noise" not in train:
        raise InputError("has no 'noise' marks to tell noise by", where=train.source)
    sizes = len(train.users), len(train.items)
    graph, marked = Graph.of(train["user"], train["item"], *sizes), train.take(train["noise"] == 1)
    noisy = Graph.of(marked["user"], marked["item"], *sizes).has(graph.user, graph.item)
    embeddings = align(history, train.users, train.items)
    others = by_user(held_out, train.users, train.items) if held_out is not None else None
    probe = Probe.draw(graph, noisy, seed, others)
    inputs: dict[str, str | list[str]] = {"train": train.digest("user", "item", "noise")}
    score = None
    if texts is not None and provider is not None:
        profiles, items = map(texts_of, texts)
        score = score_pairs(probe, train, profiles, items, scored, seed, provider)
        inputs |= {"profiles": digest_of(profiles), "items": digest_of(items)}
    found = from_records("diagnostics", list(measured(probe, history, embeddings, window, max_noise, link, score)), "")
    inputs["history"] = [z.digest() for z in history]
    if held_out is not None:
        inputs["held_out"] = held_out.digest("user", "item")
    params = {"window": window, "max_noise": max_noise, "link": link, "scored": scored, "seed": seed}
    found.meta = {"made": made("diagnose", params, inputs)}
    return found


def measured(
    probe: Probe,
    epochs: Sequence[Tensors],
    embeddings: Sequence[Embeddings],
    window: int,
    max_noise: float,
    link: str,
    score: NDArray[np.float64] | None,
) -> Iterator[Record]:
    """The records of every epoch, ``embeddings`` in the probe's codes; each epoch is told in a line."""
    past: deque[NDArray[np.float64]] = deque(maxlen=window)
    for number, (z, vectors) in enumerate(zip(epochs, embeddings, strict=True), start=1):
        past.append(probe.predictions(vectors))
        found = {"all": probe.figure_1(past, link, score), "high-loss": probe.high_loss(past, max_noise, link, score)}
        own = [{"epoch": z.meta.get("epoch", number)} | r for within in found for r in _records(within, found[within])]
        notes.note(_tell(own))
        yield from own


def _records(within: str, groups: Mapping[str, Measures]) -> Iterator[Record]:
    """Counts, distributions and AUCs of the groups of one epoch; what has no value is left out."""
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


def score_pairs(
    probe: Probe,
    train: Table,
    profiles: Mapping[str, str],
    items: Mapping[str, str],
    count: int,
    seed: int,
    provider: Provider,
) -> NDArray[np.float64]:
    """Scores of ``count`` clean and as many noisy rows, drawn from the seed, (n,); NaN for the others and for failures."""
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
