"""Samples and measures of the diagnosis against plain loops over doubles."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from llmhd_tools.core.diagnosis import DRAWN, Probe, summary
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.metrics import ByUser

USERS, ITEMS, DIM, EPOCHS = 8, 14, 3, 4


@pytest.fixture(params=[False, True], ids=["random negatives", "false negatives"])
def world(request):
    """(probe, held-out pairs or None, embeddings of some epochs)."""
    rng = np.random.default_rng(6)
    part = rng.choice(3, size=(USERS, ITEMS), p=[0.4, 0.4, 0.2])
    part[0][part[0] == 2] = 0  # the first and the last user have nothing held out
    part[-1][part[-1] == 2] = 0
    (user, item), held = (tuple(c.astype(np.int32) for c in np.nonzero(part == p)) for p in (1, 2))
    graph = Graph.of(user, item, USERS, ITEMS)
    noisy = rng.random(len(graph)) < 0.3
    epochs = [tuple(rng.normal(size=(n, DIM)).astype(np.float32) for n in (USERS, ITEMS)) for _ in range(EPOCHS)]
    held_out = ByUser.of(*held, USERS) if request.param else None
    pairs = set(zip(*(c.tolist() for c in held), strict=True)) if request.param else None
    return Probe.draw(graph, noisy, 5, held_out), pairs, epochs


def dot(epoch, user, item):
    return math.fsum(float(a) * float(b) for a, b in zip(epoch[0][user], epoch[1][item], strict=True))


def reference(epochs, link, samples):
    """Measures of (user, item, negative) triples; ``epochs`` are those of the window."""
    found = {}
    for user, item, negative in samples:
        positive, other = ([dot(epoch, user, i) for epoch in epochs] for i in (item, negative))
        values = {
            "loss": math.log1p(math.exp(other[-1] - positive[-1])),
            "prediction": positive[-1],
            "negative-prediction": other[-1],
        }
        if len(epochs) > 1:
            for name, seen in (("variance", positive), ("negative-variance", other)):
                values[name] = statistics.pvariance(
                    [1 / (1 + math.exp(-y)) for y in seen] if link == "sigmoid" else seen
                )
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    return found


def check(group, wanted):
    assert group.keys() == wanted.keys()
    for name, values in wanted.items():
        assert group[name].tolist() == pytest.approx(values, abs=1e-9), name


def past(probe, epochs):
    return [probe.predictions(epoch) for epoch in epochs]


def triples(probe, rows, negative):
    return [(int(probe.user[r]), int(probe.item[r]), int(negative(r))) for r in rows]


def test_negatives_are_what_they_are_said_to_be(world):
    probe, held_out, _ = world
    touched = set(zip(probe.user.tolist(), probe.item.tolist(), strict=True))
    for drawn in probe.negatives[:DRAWN]:
        assert not touched & set(zip(probe.user.tolist(), drawn.tolist(), strict=True))
    assert len(probe.negatives) == DRAWN + (held_out is not None)
    if held_out is not None:
        have = {user for user, _ in held_out}
        assert len(have) == USERS - 2
        for user, item in zip(probe.user.tolist(), probe.negatives[DRAWN].tolist(), strict=True):
            assert (user, item) in held_out if user in have else item == -1
        assert len(set(probe.negatives[DRAWN].tolist())) > 3


@pytest.mark.parametrize("window", [1, 2, 4])
@pytest.mark.parametrize("link", ["sigmoid", "raw"])
def test_figure_1(world, window, link):
    probe, held_out, epochs = world
    epochs = epochs[-window:]
    clean, noisy = np.flatnonzero(~probe.noisy), np.flatnonzero(probe.noisy)
    found = probe.figure_1(past(probe, epochs), link)
    assert list(found) == ["easy", "hard", "noisy"]
    check(found["easy"], reference(epochs, link, triples(probe, clean, lambda r: probe.negatives[0, r])))
    hardest = lambda r: max(probe.negatives[:DRAWN, r], key=lambda j: dot(epochs[-1], probe.user[r], j))  # noqa: E731
    check(found["hard"], reference(epochs, link, triples(probe, clean, hardest)))
    if held_out is not None:
        noisy = [r for r in noisy if probe.negatives[DRAWN, r] >= 0]
    false = probe.negatives[0 if held_out is None else DRAWN]
    check(found["noisy"], reference(epochs, link, triples(probe, noisy, lambda r: false[r])))


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_the_high_loss_set(world, share):
    probe, _, epochs = world
    rows = range(len(probe.user))
    loss = {
        r: reference(epochs[-1:], "raw", triples(probe, [r], lambda r: probe.negatives[0, r]))["loss"][0] for r in rows
    }
    high = sorted(rows, key=lambda r: -loss[r])[: math.floor(share * len(loss) + 1e-9)]
    found = probe.high_loss(past(probe, epochs), share, "sigmoid")
    for name, noisy in (("clean", False), ("noisy", True)):
        own = [r for r in high if probe.noisy[r] == noisy]
        wanted = reference(epochs, "sigmoid", triples(probe, own, lambda r: probe.negatives[0, r]))
        check(found[name], wanted or {measure: [] for measure in found[name]})


def test_scores_are_those_of_the_rows_that_have_one(world):
    probe, _, epochs = world
    score = np.where(np.arange(len(probe.user)) % 3 == 0, np.nan, np.arange(len(probe.user)) % 10 + 1.0)
    found = probe.figure_1(past(probe, epochs), "raw", score)
    for name in ("easy", "hard"):
        assert found[name]["score"].tolist() == [
            s for s, noisy in zip(score, probe.noisy, strict=True) if s == s and not noisy
        ]
    assert len(found["noisy"]["score"]) < len(found["noisy"]["loss"])


def test_summary():
    values = np.arange(101.0)
    found = summary(values)
    assert found == pytest.approx(
        {"mean": 50, "sd": statistics.pstdev(values), "q05": 5, "q25": 25, "q50": 50, "q75": 75, "q95": 95}
    )
    assert summary(values[:0]) == {}
