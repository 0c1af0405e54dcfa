"""Ranking metrics: numbers worked out by hand (card §5), a full sort, and an independent library."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core.metrics import _CHUNK, METRICS, ByUser, hits_at, top_items
from llmhd_tools.core.rankers import Dot


def codes(*values):
    return np.array(values, dtype=np.int32)


def one(name, ranks, relevant, k):
    """The metric of one user with ``relevant`` test items, found at ``ranks`` (from 1) of a list of k."""
    hits = np.zeros((1, k), dtype=bool)
    hits[0, [rank - 1 for rank in ranks if rank <= k]] = True
    return METRICS[name](hits, np.array([relevant]))[0]


@pytest.mark.parametrize(
    ("name", "ranks", "relevant", "k", "value"),
    [
        ("recall", [1, 4], 3, 5, 2 / 3),
        ("ndcg", [1, 4], 3, 5, 0.671386),
        ("recall", [1, 2, 3, 4, 5], 7, 5, 0.714286),
        ("ndcg", [1, 2, 3, 4, 5], 7, 5, 1.0),
        ("ndcg", [2], 1, 5, 0.630930),
        ("ndcg", [2], 1, 1, 0.0),
        ("precision", [1, 4], 3, 5, 0.4),
        ("hit", [4], 3, 5, 1.0),
        ("hit", [4], 3, 3, 0.0),
        ("mrr", [3, 4], 5, 5, 1 / 3),
        ("mrr", [], 5, 5, 0.0),
        ("map", [1, 4], 3, 5, (1 + 2 / 4) / 3),
    ],
)
def test_values_by_hand(name, ranks, relevant, k, value):
    assert one(name, ranks, relevant, k) == pytest.approx(value, abs=1e-6)


@settings(deadline=None, max_examples=150)
@given(
    columns=st.one_of(
        st.integers(1, 2 * _CHUNK + 2), st.integers(1, 14).map(lambda n: n * _CHUNK), st.integers(1, 900)
    ),
    k=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
    hidden=st.sampled_from([0.0, 0.3, 0.99, 1.0]),
    ties=st.booleans(),
)
def test_top_items_is_the_full_sort(columns, k, seed, hidden, ties):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(3, columns)).astype(np.float32)
    if ties:
        scores = np.round(scores)
    scores[rng.random(scores.shape) < hidden] = -np.inf
    rows, top = top_items(scores, k)
    assert rows.tolist() == [0, 1, 2]
    assert top.shape == (3, min(k, columns))
    for row, found in zip(scores, top, strict=True):
        assert len(set(found.tolist())) == len(found)
        assert row[found].tolist() == sorted(row.tolist(), reverse=True)[:k]  # of equal scores any will do


@pytest.mark.parametrize("columns", [_CHUNK * 4 - 1, _CHUNK * 4, _CHUNK * 4 + 1, _CHUNK * 5, _CHUNK * 3 + 1])
@pytest.mark.parametrize("k", [1, 3, 4])
def test_top_items_around_the_chunk_size(columns, k):
    for best in (0, _CHUNK - 1, _CHUNK, columns - 2):
        scores = np.arange(columns, 0, -1, dtype=np.float32)[None] / 1000
        scores[0, best] = 9
        scores[0, columns - 1] = 8  # the last column, in the rest behind the whole chunks
        assert top_items(scores, k)[1][0, :2].tolist() == [best, columns - 1][:k]


@pytest.mark.parametrize("k", [1, 5, 20])
def test_top_items_leaves_out_no_row_whose_list_holds_what_is_wanted(k):
    rng = np.random.default_rng(k)
    scores = np.round(rng.normal(size=(200, 40 * _CHUNK + 5)), 1).astype(np.float32)  # with ties
    every, whole = top_items(scores, k)
    item = rng.permutation(scores.shape[1])[:200]
    for column in (item, scores.argmax(1), whole[:, k - 1]):
        wanted = scores[every, column]
        rows, top = top_items(scores, k, wanted)
        assert top.tolist() == whole[rows].tolist()
        left_out = np.setdiff1d(every, rows)
        assert (scores[left_out, whole[left_out, -1]] > wanted[left_out]).all()
    assert len(top_items(scores, k, np.full(200, -9, np.float32))[0]) == 0


def test_top_items_of_a_list_longer_than_the_items():
    assert top_items(np.array([[1, 3, 2]], np.float32), 10)[1].tolist() == [[1, 2, 0]]


def axis_world():
    """One user who likes item n in proportion to 10 - n."""
    return np.ones((1, 1), np.float32), np.arange(10, 0, -1, dtype=np.float32)[:, None]


def test_train_and_valid_items_never_stand_in_the_test_list():
    users, items = axis_world()
    train, valid, test = (ByUser.of(codes(0), codes(item), 1) for item in (0, 1, 2))
    _, hits, _ = hits_at(Dot(users, items), test, [train, valid], 3)
    assert hits.tolist() == [[True, False, False]]  # item 2 is first once 0 and 1 are hidden
    _, hits, _ = hits_at(Dot(users, items), valid, [train], 3)
    assert hits.tolist() == [[True, False, False]]  # the valid list may hold the test item, here second
    _, hits, _ = hits_at(Dot(users, items), ByUser.of(codes(0), codes(3), 1), [train], 3)
    assert hits.tolist() == [[False, False, True]]  # valid and test items 1 and 2 stand before it


def test_a_test_item_that_is_also_excluded_is_ranked():
    users, items = axis_world()
    both = ByUser.of(codes(0), codes(0), 1)
    assert hits_at(Dot(users, items), both, [both], 2)[1].tolist() == [[True, False]]


def test_users_without_test_items_are_left_out():
    users, items = np.ones((4, 1), np.float32), axis_world()[1]
    wanted, hits, relevant = hits_at(Dot(users, items), ByUser.of(codes(3, 1, 1), codes(0, 1, 9), 4), [], 2)
    assert wanted.tolist() == [1, 3]
    assert hits.tolist() == [[False, True], [True, False]]
    assert relevant.tolist() == [2, 1]


def test_a_test_item_without_embedding_is_a_miss():
    users, items = axis_world()
    _, hits, relevant = hits_at(Dot(users, items), ByUser.of(codes(0, 0), codes(0, 77), 1), [], 10)
    assert hits.sum() == 1 and relevant.tolist() == [2]


def test_hidden_items_never_hit_even_where_the_list_is_longer_than_what_is_left():
    users, items = axis_world()
    hidden = ByUser.of(np.zeros(9, np.int32), np.arange(9, dtype=np.int32), 1)
    _, hits, _ = hits_at(Dot(users, items), ByUser.of(codes(0), codes(9), 1), [hidden], 15)
    assert hits.shape == (1, 15) and hits[0].nonzero()[0].tolist() == [0]


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=30))
def test_by_user_groups_sorted_and_distinct(pairs):
    grouped = ByUser.of(codes(*(u for u, _ in pairs)), codes(*(i for _, i in pairs)), 6)
    for user in range(6):
        own = grouped.items[grouped.start[user] : grouped.start[user + 1]].tolist()
        assert own == sorted({i for u, i in pairs if u == user})
    position, item = grouped.pairs(np.array([4, 0]))
    wanted = [(at, i) for at, user in enumerate((4, 0)) for i in sorted({i for u, i in pairs if u == user})]
    assert list(zip(position.tolist(), item.tolist(), strict=True)) == wanted


def test_agreement_with_ranx(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # compiling takes far longer than these few users
    ranx = pytest.importorskip("ranx", reason="ranx, the independent library to agree with, is not installed")
    rng = np.random.default_rng(11)
    n_users, n_items, lengths = 40, 90, (1, 3, 10, 20)
    users, items = (rng.normal(size=(n, 6)).astype(np.float32) for n in (n_users, n_items))
    part = rng.choice(4, size=(n_users, n_items), p=[0.75, 0.15, 0.05, 0.05])
    part[7][part[7] == 3] = 0  # a user without test items
    train, valid, test = (ByUser.of(*(c.astype(np.int32) for c in np.nonzero(part == p)), n_users) for p in (1, 2, 3))
    wanted, hits, relevant = hits_at(Dot(users, items), test, [train, valid], max(lengths))
    assert 7 not in wanted

    scores = users @ items.T
    qrels = {f"u{u}": {f"i{i}": 1 for i in np.flatnonzero(part[u] == 3)} for u in wanted}
    run = {f"u{u}": {f"i{i}": float(scores[u, i]) for i in np.flatnonzero(part[u] % 3 == 0)} for u in wanted}
    theirs = {
        "recall": "recall",
        "ndcg": "ndcg",
        "precision": "precision",
        "hit": "hit_rate",
        "mrr": "mrr",
        "map": "map",
    }
    names = [f"{theirs[name]}@{k}" for name in METRICS for k in lengths]
    found = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), names)
    for name, metric in METRICS.items():
        for k in lengths:
            assert metric(hits[:, :k], relevant).mean() == pytest.approx(found[f"{theirs[name]}@{k}"], abs=1e-9), name
