"""Samples of an epoch: what is drawn, how often, and in which batches (card §1.2-1.3)."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.sampling import draw_negatives, draw_samples
from llmhd_tools.errors import InputError

LOSSES = ("bpr", "bce")


def random_graph(seed=0, users=20, items=15, share=0.3):
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((users, items)) < share)
    order = rng.permutation(len(user))
    return Graph.of(user[order].astype(np.int32), item[order].astype(np.int32), users, items)


def pairs(user, item):
    return list(zip(user.tolist(), item.tolist(), strict=True))


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 1000),
    epoch=st.integers(0, 50),
    batch=st.integers(2, 40),
    loss=st.sampled_from(LOSSES),
    share=st.floats(0.05, 0.8),
)
def test_an_epoch_holds_each_interaction_once_and_no_train_positive_as_negative(seed, epoch, batch, loss, share):
    graph = random_graph(seed, share=share)
    if not len(graph) or len(graph.full_users()):
        return
    held = set(pairs(graph.user, graph.item))
    samples = draw_samples(graph, loss, batch, seed, epoch)
    if loss == "bpr":
        positives, negatives = pairs(samples.user, samples.item), pairs(samples.user, samples.negative)
    else:
        positives, negatives = (
            pairs(samples.user[samples.label == y], samples.item[samples.label == y]) for y in (1, 0)
        )
    assert len(positives) == len(set(positives)) and set(positives) == held
    assert not held & set(negatives)
    assert Counter(user for user, _ in negatives) == Counter(user for user, _ in positives)


@pytest.mark.parametrize("n", [1, 9, 10, 11, 20, 23])
def test_pairwise_batches_are_full_but_the_last(n):
    graph = Graph.of(np.arange(n, dtype=np.int32), np.zeros(n, np.int32), n, 3)
    samples = draw_samples(graph, "bpr", 10, 1, 1)
    assert samples.batch.tolist() == [row // 10 for row in range(n)]
    assert samples.bounds().tolist() == [*range(0, n, 10), n]
    assert samples.label is None and samples.negative.dtype == np.int32


@pytest.mark.parametrize("n", [1, 4, 5, 6, 10, 13])
@pytest.mark.parametrize("size", [10, 11])  # an odd size: ⌊B/2⌋ of each
def test_pointwise_batches_are_positives_then_as_many_negatives(n, size):
    graph = Graph.of(np.arange(n, dtype=np.int32), np.zeros(n, np.int32), n, 3)
    samples = draw_samples(graph, "bce", size, 1, 1)
    assert samples.negative is None and len(samples) == 2 * n
    bounds = samples.bounds().tolist()
    assert len(bounds) - 1 == -(-n // 5)
    for start, end in zip(bounds[:-1], bounds[1:], strict=True):
        half = (end - start) // 2
        assert samples.label[start:end].tolist() == [1] * half + [0] * half
        assert samples.user[start : start + half].tolist() == samples.user[start + half : end].tolist()


@pytest.mark.parametrize("loss", LOSSES)
def test_samples_depend_on_seed_and_epoch_alone(loss):
    graph = random_graph()
    np.random.seed(1)
    first = draw_samples(graph, loss, 16, 3, 4)
    np.random.seed(2)
    again = draw_samples(graph, loss, 16, 3, 4)
    others = [draw_samples(graph, loss, 16, seed, epoch) for seed, epoch in ((3, 5), (4, 4), (4, 3))]
    assert pairs(first.user, first.item) == pairs(again.user, again.item)
    if loss == "bpr":
        assert first.negative.tolist() == again.negative.tolist()
    for other in others:
        assert pairs(first.user, first.item) != pairs(other.user, other.item)


def test_negatives_are_uniform_over_the_items_not_touched():
    items = 12
    graph = Graph.of(np.zeros(4, np.int32), np.array([0, 3, 7, 11], np.int32), 1, items)
    drawn = draw_negatives(graph, np.zeros(80_000, np.int32), np.random.default_rng(5))
    counts = np.bincount(drawn, minlength=items)
    assert counts[[0, 3, 7, 11]].tolist() == [0] * 4
    free = counts[counts > 0]
    assert len(free) == 8
    assert ((free - 10_000) ** 2 / 10_000).sum() < 29.9  # chi-square, 7 degrees of freedom; p = 0.0001


def test_the_one_item_left_is_found():
    graph = Graph.of(np.zeros(99, np.int32), np.delete(np.arange(100, dtype=np.int32), 42), 1, 100)
    assert set(draw_negatives(graph, np.zeros(50, np.int32), np.random.default_rng(0)).tolist()) == {42}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_user_with_every_item_is_refused(loss):
    graph = Graph.of(np.array([0, 1, 1], np.int32), np.array([0, 0, 1], np.int32), 2, 2)
    with pytest.raises(InputError, match="touched every item"):
        draw_samples(graph, loss, 4, 0, 1)
