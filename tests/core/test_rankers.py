"""Rankers: each score against its definition in float64; what is the same whatever the ranker is."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from llmhd_tools.core.metrics import ByUser, hits_at
from llmhd_tools.core.rankers import _USERS, Blend, Dot, Linear

N_USERS, N_ITEMS = 2 * _USERS + 9, 40


def random_table(rows, columns, seed):
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def touched(seed=3, share=0.1):
    x = np.random.default_rng(seed).random((N_USERS, N_ITEMS)) < share
    x[5] = False  # a user without an item
    x[6] = True  # one who has them all
    return sp.csr_array(x.astype(np.float32))


def a_dot(seed=0):
    return Dot(random_table(N_USERS, 6, seed), random_table(N_ITEMS, 6, seed + 1))


def a_linear(seed=2):
    weights = random_table(N_ITEMS, N_ITEMS, seed)
    weights[np.abs(weights) < 0.5] = 0
    np.fill_diagonal(weights, 0)
    return Linear(touched(), sp.csr_array(weights))


def a_blend():
    return Blend([a_dot(), a_linear()], [1.0, 2.0], touched())


RANKERS = {"dot": a_dot, "linear": a_linear, "blend": a_blend}


@pytest.mark.parametrize("name", RANKERS)
def test_scores_of_a_block_are_rows_of_all_scores(name):
    ranker = RANKERS[name]()
    assert ranker.shape == (N_USERS, N_ITEMS)
    every = ranker.scores(np.arange(N_USERS))
    assert every.dtype == np.float32 and every.shape == ranker.shape
    users = np.array([7, 0, N_USERS - 1, 5, 6])
    memory = np.full((9, N_ITEMS), np.nan, np.float32)
    found = ranker.scores(users, memory[:5])
    assert np.shares_memory(found, memory) and np.isnan(memory[5:]).all()
    assert found == pytest.approx(every[users], abs=1e-5)


@pytest.mark.parametrize("name", RANKERS)
def test_predictions_are_the_scores_of_the_pairs(name):
    ranker = RANKERS[name]()
    rng = np.random.default_rng(1)
    user, item = (rng.integers(n, size=3000).astype(np.int32) for n in (N_USERS, N_ITEMS))
    found = ranker.predictions(user, item)
    assert found.dtype == np.float64
    assert found == pytest.approx(ranker.scores(np.arange(N_USERS))[user, item], abs=1e-5)
    assert ranker.predictions(user[:0], item[:0]).shape == (0,)


def test_linear_scores_are_xb():
    ranker = a_linear()
    wanted = ranker.interactions.toarray().astype(np.float64) @ ranker.weights.toarray()
    assert ranker.scores(np.arange(N_USERS)) == pytest.approx(wanted, abs=1e-5)


def standard(scores, known):
    """Each row over the items that are not known: mean 0, deviation 1, in float64."""
    out = np.zeros(scores.shape)
    for row, hidden, into in zip(scores.astype(np.float64), known.toarray() > 0, out, strict=True):
        ranked = row[~hidden]
        if len(ranked) and ranked.std() > 1e-6 * abs(ranked.mean()):
            into[:] = (row - ranked.mean()) / ranked.std()
    return out


def test_a_blend_is_the_weighted_sum_of_standard_scores():
    parts, everyone = [a_dot(), a_linear(), a_dot(8)], np.arange(N_USERS)
    blend = Blend(parts, [1.0, -0.5, 0.0], touched(4))
    one, two = (standard(part.scores(everyone), touched(4)) for part in parts[:2])
    assert blend.scores(everyone) == pytest.approx(one - 0.5 * two, abs=1e-4)


def test_a_blend_does_not_feel_the_scale_of_its_parts():
    dot, everyone = a_dot(), np.arange(N_USERS)
    ones = np.ones((N_USERS, 1), np.float32), np.full((N_ITEMS, 1), 50, np.float32)
    moved = Dot(np.hstack([1000 * dot.users, ones[0]]), np.hstack([dot.items, ones[1]]))
    plain, other = (Blend([part, a_linear()], [1.0, 2.0], touched()).scores(everyone) for part in (dot, moved))
    assert other == pytest.approx(plain, abs=1e-3)


def test_a_part_that_knows_nothing_of_a_user_leaves_the_others_alone():
    nothing = Linear(
        sp.csr_array((N_USERS, N_ITEMS), dtype=np.float32), sp.csr_array(np.eye(N_ITEMS, dtype=np.float32))
    )
    alike = Dot(np.full((N_USERS, 1), 0.1, np.float32), np.full((N_ITEMS, 1), 0.3, np.float32))
    alone = Blend([a_dot()], [1.0], touched()).scores(np.arange(N_USERS))
    beside = Blend([a_dot(), nothing, alike], [1.0, 3.0, 5.0], touched()).scores(np.arange(N_USERS))
    assert (beside == alone).all()


def test_what_stands_in_training_does_not_sway_a_blend():
    base, known = a_dot(), touched()
    loud = Linear(
        sp.csr_array(np.eye(N_USERS, N_ITEMS, dtype=np.float32)), sp.csr_array(random_table(N_ITEMS, N_ITEMS, 5))
    )
    rows = np.arange(N_USERS)
    raised = base.scores(rows).copy()
    raised[known.toarray() > 0] += 1e3  # only the items that are never ranked

    class Raised(Dot):
        def scores(self, users, out=None):
            return raised[users].copy()

    free = known.toarray() == 0
    free[6] = False
    one, two = (Blend([part, loud], [1.0, 1.0], known).scores(rows) for part in (base, Raised(base.users, base.items)))
    assert two[free] == pytest.approx(one[free], abs=0.02)


@pytest.mark.parametrize("name", RANKERS)
def test_hits_are_those_of_a_full_sort(name):
    ranker, rng = RANKERS[name](), np.random.default_rng(0)
    user, item = rng.integers(N_USERS, size=900).astype(np.int32), rng.integers(N_ITEMS + 3, size=900).astype(np.int32)
    test = ByUser.of(user, item, N_USERS)
    hidden = ByUser.of(*(c.astype(np.int32) for c in touched().nonzero()), N_USERS)
    users, hits, relevant = hits_at(ranker, test, [hidden], 7)
    scores = ranker.scores(np.arange(N_USERS))
    for u, found, count in zip(users, hits, relevant, strict=True):
        wanted = set(item[user == u].tolist())
        assert count == len(wanted)
        row = scores[u].copy()
        row[[i for i in hidden.items[hidden.start[u] : hidden.start[u + 1]] if i not in wanted]] = -np.inf
        order = np.argsort(-row, kind="stable")[:7]
        if len(np.unique(row[np.isfinite(row)])) == np.isfinite(row).sum():  # no ties
            assert found.tolist() == [int(i) in wanted for i in order]
