"""Equal scores are ranked by a digest of the ids: as by chance, the same in any order of users and items, and counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core.metrics import _CHUNK, ByUser, hits_at, recall
from llmhd_tools.core.rankers import Dot
from llmhd_tools.core.ties import Ties


def world(seed: int, n_users: int, n_items: int, levels: int):
    """Scores of few levels (each user's times each item's), held-out and hidden pairs."""
    rng = np.random.default_rng(seed)
    users = rng.integers(1, 3, (n_users, 1)).astype(np.float32)
    items = rng.integers(0, levels, (n_items, 1)).astype(np.float32)
    draw = rng.random((n_users, n_items))
    return users, items, draw < 0.08, draw > 0.9


def grouped(marks):
    return ByUser.of(*(axis.astype(np.int32) for axis in np.nonzero(marks)), len(marks))


def brute(users, items, tested, hidden, k, ties):
    """Hits and the users whose hits depend on ties, one user at a time, in plain Python."""
    hits, decided = [], []
    for user in np.flatnonzero(tested.any(1)):
        scores = (users[user] * items[:, 0]).astype(np.float64)
        scores[hidden[user] & ~tested[user]] = -np.inf
        ranks = ties.order(int(user), np.arange(len(items))).tolist()
        order = sorted(range(len(items)), key=lambda i: (-scores[i], ranks[i]))
        hits.append([bool(tested[user, i]) for i in order[:k]] + [False] * (k - len(items)))
        reached = {scores[i] for i in order[:k]} - {-np.inf}
        if any(0 < tested[user, scores == value].sum() < (scores == value).sum() for value in reached):
            decided.append(int(user))
    return hits, decided


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([5, 40, _CHUNK * 3 + 7, 700]),
    st.sampled_from([1, 3, 40]),
    st.sampled_from([1, 3, 20]),
)
def test_lists_are_those_of_a_plain_sort(seed: int, n_items: int, levels: int, k: int) -> None:
    users, items, tested, hidden = world(seed, 12, n_items, levels)
    names = [f"u{n}" for n in range(12)], [f"i{n}" for n in range(n_items)]
    ties = Ties(*names)
    _, hits, _ = hits_at(Dot(users, items), grouped(tested), [grouped(hidden)], k, ties)
    wanted, decided = brute(users, items, tested, hidden, k, Ties(*names))
    assert hits.tolist() == wanted
    assert sorted(ties.decided) == decided


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([30, 300]), st.sampled_from([1, 4]))
def test_the_order_in_storage_does_not_matter(seed: int, n_items: int, levels: int) -> None:
    users, items, tested, hidden = world(seed, 10, n_items, levels)
    rng = np.random.default_rng(seed)
    ids = [f"u{n}" for n in range(10)], [f"{n}" for n in range(n_items)]
    found = []
    for u, i in ((np.arange(10), np.arange(n_items)), (rng.permutation(10), rng.permutation(n_items))):
        ties = Ties([ids[0][n] for n in u], [ids[1][n] for n in i])
        parts = [grouped(marks[np.ix_(u, i)]) for marks in (tested, hidden)]
        who, hits, relevant = hits_at(Dot(users[u], items[i]), parts[0], [parts[1]], 7, ties)
        rows = {ids[0][u[code]]: (line.tolist(), int(n)) for code, line, n in zip(who, hits, relevant, strict=True)}
        found.append((rows, {ids[0][u[code]] for code in ties.decided}))
    assert found[0] == found[1]


def test_all_scores_equal_is_chance() -> None:
    """Case 49: recall@10 was 1.0 or 0.0 by the order of the items; chance is 0.1, here within four standard errors."""
    n_users, n_items, k = 2000, 100, 10
    tested = np.zeros((n_users, n_items), dtype=bool)
    tested[:, :10] = True
    for columns in (np.arange(n_items), np.arange(n_items)[::-1]):
        ties = Ties(range(n_users), columns.tolist())
        one = np.ones((1, 1), np.float32)
        _, hits, relevant = hits_at(
            Dot(np.repeat(one, n_users, 0), np.repeat(one, n_items, 0)), grouped(tested[:, columns]), [], k, ties
        )
        assert abs(recall(hits, relevant).mean() - 0.1) < 4 * 0.09 / np.sqrt(n_users)
        assert len(ties.decided) == n_users
        by_rank = hits.mean(0)
        assert abs(by_rank - 0.1).max() < 4 * 0.3 / np.sqrt(n_users)


def test_who_is_decided_by_ties() -> None:
    scores = np.array([[5, 4, 4, 3, 3, 2, 2, 1]], dtype=np.float32)
    for held_out, k, decided in (
        ([0], 3, []),  # alone at its level
        ([1], 1, []),  # equal to another, but behind the list
        ([1], 2, [0]),
        ([1, 2], 2, []),  # both equal ones are held out
        ([4], 4, [0]),  # the level goes on behind the list
        ([4], 3, []),
        ([5], 5, []),
        ([5, 6, 3], 6, [0]),
    ):
        tested = np.zeros((1, 8), dtype=bool)
        tested[0, held_out] = True
        ties = Ties(["u"], range(8))
        hits_at(Dot(np.ones((1, 1), np.float32), scores.T), grouped(tested), [], k, ties)
        assert ties.decided == decided, (held_out, k)


def test_hidden_items_are_no_ties_and_never_hit() -> None:
    tested, hidden = np.zeros((1, 9), dtype=bool), np.ones((1, 9), dtype=bool)
    tested[0, 8], hidden[0, 7] = True, False
    ties = Ties(["u"], range(9))
    _, hits, _ = hits_at(
        Dot(np.ones((1, 1), np.float32), np.arange(9, dtype=np.float32)[:, None]),
        grouped(tested),
        [grouped(hidden)],
        9,
        ties,
    )
    assert hits.tolist() == [[True] + [False] * 8] and ties.decided == []


def test_numbers_and_texts_are_one_id() -> None:
    columns = np.arange(50)
    assert (Ties([7], range(50)).order(0, columns) == Ties(["7"], [str(n) for n in range(50)]).order(0, columns)).all()
    assert (Ties([7], range(50)).order(0, columns) != Ties([8], range(50)).order(0, columns)).all()


def test_a_few_hundred_thousand_equal_items_are_quick() -> None:
    n_items = 400_000
    tested = np.zeros((3, n_items), dtype=bool)
    tested[:, ::1000] = True
    _, hits, _ = hits_at(Dot(np.ones((3, 1), np.float32), np.ones((n_items, 1), np.float32)), grouped(tested), [], 10)
    assert hits.shape == (3, 10)


@pytest.mark.parametrize("k", [1, 3, 50])
def test_distinct_scores_ask_no_digest(k: int) -> None:
    class Never(Ties):
        def ranked(self, *args: object) -> np.ndarray:  # type: ignore[override]
            raise AssertionError("no two scores are equal")

    rng = np.random.default_rng(k)
    users, items = rng.normal(size=(20, 8)).astype(np.float32), rng.normal(size=(900, 8)).astype(np.float32)
    tested = rng.random((20, 900)) < 0.01
    hits_at(Dot(users, items), grouped(tested), [grouped(~tested & (rng.random((20, 900)) < 0.3))], k, Never([], []))
