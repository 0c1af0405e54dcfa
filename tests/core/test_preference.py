"""Flags and confidence (Eq. 17-20) against plain Python."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.preference import Flags, flagged, tracked_negatives

pair_sets = st.frozensets(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=10)


def plus(flags, pairs, label):
    user, item = (np.array([p[side] for p in pairs], dtype=np.int32) for side in (0, 1))
    return flags.plus(user, item, label)


def as_dict(flags):
    keys = zip(flags.label.tolist(), flags.user.tolist(), flags.item.tolist(), strict=True)
    return dict(zip(keys, flags.count.tolist(), strict=True))


@settings(deadline=None)
@given(rounds=st.lists(st.tuples(pair_sets, st.integers(0, 1)), max_size=8), needed=st.integers(1, 4))
def test_flags_count_like_a_counter(rounds, needed):
    flags, counter = Flags.none(), Counter()
    for pairs, label in rounds:
        flags = plus(flags, sorted(pairs, reverse=True), label)
        counter.update((label, user, item) for user, item in pairs)
    assert as_dict(flags) == dict(counter)
    keys = list(as_dict(flags))
    assert keys == sorted(keys)
    assert flags.confident(needed).tolist() == [counter[key] >= needed for key in keys]


def test_sent_stays_with_its_pair():
    flags = plus(plus(Flags.none(), [(1, 1), (2, 2)], 1), [(1, 1)], 0)
    flags = Flags(flags.user, flags.item, flags.label, flags.count, np.array([False, True, False]))  # (1, 1, 1)
    flags = plus(flags, [(0, 5), (1, 1), (2, 2)], 1)
    sent = dict(zip(as_dict(flags), flags.sent.tolist(), strict=True))
    assert sent == {(0, 1, 1): False, (1, 0, 5): False, (1, 1, 1): True, (1, 2, 2): False}
    assert flags.confident(2).tolist() == [False, False, False, True]  # (1, 1, 1) has two, but was sent


def reference(history, pairs, label, share, scope, candidates, link):
    """The flagged rows by loops: ranks by variance, for ``noisy`` within the pairs of highest own loss."""

    def logit(z, pair):
        return sum(float(a) * float(b) for a, b in zip(z[0][pair[0]], z[1][pair[1]], strict=True))

    def variance(row):
        seen = [logit(z, pairs[row]) for z in history]
        seen = [1 / (1 + math.exp(-x)) for x in seen] if link == "sigmoid" else seen
        mean = math.fsum(seen) / len(seen)
        return math.fsum((x - mean) ** 2 for x in seen) / len(seen)

    def loss(row):
        x = logit(history[-1], pairs[row])
        return math.log1p(math.exp(-x if label else x))

    rows = list(range(len(pairs)))
    count = math.floor(Fraction(str(share)) * len(rows))
    if scope == "all":
        return set(sorted(rows, key=variance)[:count])
    high = sorted(rows, key=loss, reverse=True)[:count]
    spared = math.ceil(Fraction(str(candidates)) * count)
    return set(sorted(high, key=variance)[: count - spared])


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 2**32 - 1),
    label=st.integers(0, 1),
    share=st.integers(0, 100).map(lambda n: n / 100),
    scope=st.sampled_from(["noisy", "all"]),
    candidates=st.integers(0, 10).map(lambda n: n / 10),
    link=st.sampled_from(["sigmoid", "raw"]),
    epochs=st.integers(2, 5),
)
def test_flagged_agrees_with_the_reference(seed, label, share, scope, candidates, link, epochs):
    rng = np.random.default_rng(seed)
    cells = rng.permutation(48)[: rng.integers(1, 40)]
    user, item = (cells // 8).astype(np.int32), (cells % 8).astype(np.int32)
    history = [(rng.normal(size=(6, 2)).astype(np.float32), rng.normal(size=(8, 2)).astype(np.float32))] * 0
    for _ in range(epochs):
        history.append((rng.normal(size=(6, 2)).astype(np.float32), rng.normal(size=(8, 2)).astype(np.float32)))
    found = flagged(history, user, item, label, share, scope=scope, candidates=candidates, link=link)
    pairs = list(zip(user.tolist(), item.tolist(), strict=True))
    assert set(np.flatnonzero(found).tolist()) == reference(history, pairs, label, share, scope, candidates, link)


@pytest.mark.parametrize("scope", ["noisy", "all"])
def test_without_two_epochs_nothing_is_flagged(scope):
    z = np.ones((4, 2), np.float32), np.ones((4, 2), np.float32)
    codes = np.arange(4, dtype=np.int32)
    for history in ([], [z]):
        assert not flagged(history, codes, codes, 1, 1.0, scope=scope).any()


def test_tracked_negatives_recur_and_are_no_train_pairs():
    rng = np.random.default_rng(2)
    user, item = (side.astype(np.int32) for side in np.nonzero(rng.random((30, 20)) < 0.3))
    graph = Graph.of(user, item, 30, 20)
    first, again, other = (tracked_negatives(graph, 2, seed) for seed in (1, 1, 2))
    pairs = list(zip(first[0].tolist(), first[1].tolist(), strict=True))
    assert pairs == list(zip(again[0].tolist(), again[1].tolist(), strict=True))
    assert pairs != list(zip(other[0].tolist(), other[1].tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert not graph.has(*first).any()
    assert not len(tracked_negatives(graph, 0, 1)[0])
