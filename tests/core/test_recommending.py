"""Lists against sorting by hand, likeness against a user of one item, and addends against the scores that they add up to."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from llmhd_tools.core.metrics import ByUser
from llmhd_tools.core.rankers import Blend, Dot, Linear, Ranker
from llmhd_tools.core.recommending import because, cosines, first, likeness
from llmhd_tools.core.ties import Ties

USERS, ITEMS = 40, 130


def touched() -> sp.csr_array:
    rng = np.random.default_rng(1)
    return sp.csr_array((rng.random((USERS, ITEMS)) < 0.1).astype(np.float32) * 2)


def rankers() -> dict[str, Ranker]:
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(ITEMS, ITEMS)).astype(np.float32) * (rng.random((ITEMS, ITEMS)) < 0.4)
    np.fill_diagonal(weights, 0)
    linear = Linear(touched(), sp.csr_array(weights))
    other = Linear(touched(), sp.csr_array(weights.T.copy()))
    dot = Dot(rng.normal(size=(USERS, 6)).astype(np.float32), rng.normal(size=(ITEMS, 6)).astype(np.float32))
    return {
        "dot": dot,
        "linear": linear,
        "blend": Blend([linear, dot, other], [2.0, 1.0, 0.5], touched()),
        "within": Blend([Blend([linear, other], [1.0, 3.0], touched()), dot], [1.0, 0.5], touched()),
    }


NAMES = sorted(rankers())


@pytest.mark.parametrize("k", [1, 7, ITEMS])
@pytest.mark.parametrize("name", NAMES)
def test_lists_are_the_scores_sorted_without_what_was_seen(name: str, k: int) -> None:
    ranker, x = rankers()[name], touched()
    seen = ByUser(x.indptr.astype(np.int64), x.indices.astype(np.int32))
    users = np.array([3, 0, 17])
    place, item, score = first(ranker, users, [seen], k, Ties(range(USERS), range(ITEMS)))
    for n, user in enumerate(users):
        scores, own = ranker.scores(np.array([user]))[0], set(x[[user]].indices.tolist())
        wanted = [i for i in np.argsort(-scores) if i not in own][:k]
        assert item[place == n].tolist() == wanted
        assert score[place == n] == pytest.approx(scores[wanted], rel=1e-4, abs=1e-5)


def test_equal_scores_stand_in_the_same_order_whatever_the_order_of_the_items() -> None:
    items = np.random.default_rng(3).integers(0, 2, (ITEMS, 2)).astype(np.float32)
    order = np.random.default_rng(4).permutation(ITEMS)
    lists = []
    for ids in (np.arange(ITEMS), order):
        ranker = Dot(np.ones((1, 2), np.float32), items[ids])
        _, item, _ = first(ranker, np.array([0]), [], 50, Ties(["u"], ids.tolist()))
        lists.append(ids[item].tolist())
    assert lists[0] == lists[1]


@pytest.mark.parametrize("name", ["linear", "blend", "within"])
def test_parts_add_up_to_scores(name: str) -> None:
    """Of a blend to its scores but for what embeddings add and for means, which are the same for all items of a user."""
    ranker, user, items = rankers()[name], 5, np.arange(ITEMS)
    found = because(ranker, user, items, np.zeros(0, np.int32))
    assert found.exact and sorted(found.own.tolist()) == sorted(touched()[[user]].indices.tolist())
    scores = ranker.scores(np.array([user]))[0].astype(np.float64)
    rest = scores - found.parts.sum(1)
    if name != "linear":
        dot = rankers()["dot"].scores(np.array([user]))[0].astype(np.float64)
        away = touched()[[user]].toarray()[0] == 0
        rest -= dot / dot[away].std() * {"blend": 1.0, "within": 0.5}[name]
        rest -= rest[0]
    assert rest == pytest.approx(0, abs=1e-4)


def test_of_embeddings_it_is_a_likeness() -> None:
    dot = rankers()["dot"]
    assert isinstance(dot, Dot)
    own, items = np.array([4, 9, 11], np.int32), np.array([0, 7])
    for ranker in (dot, Blend([dot], [1.0], touched())):
        found = because(ranker, 1, items, own)
        assert not found.exact and found.own.tolist() == own.tolist()
        assert found.parts == pytest.approx(cosines(dot.items, own)[items])
    length = np.linalg.norm(dot.items, axis=1)
    wanted = dot.items @ dot.items[9] / (length * length[9])
    assert likeness(dot, 9) == pytest.approx(wanted, abs=1e-6)


def test_one_number_an_item_is_no_likeness() -> None:
    popular = Dot(np.ones((2, 1), np.float32), np.arange(4, dtype=np.float32)[:, None])
    assert because(popular, 0, np.arange(2), np.array([3], np.int32)).parts.shape == (2, 0)


def test_what_is_like_an_item_is_the_list_of_a_user_who_has_that_item_alone() -> None:
    linear = rankers()["linear"]
    assert isinstance(linear, Linear)
    one = sp.csr_array((np.ones(1, np.float32), ([0], [23])), shape=(1, ITEMS))
    assert likeness(linear, 23) == pytest.approx(Linear(one, linear.weights).scores(np.array([0]))[0])


def test_likeness_of_a_blend_is_the_sum_of_its_parts_standardised() -> None:
    blend, others = rankers()["blend"], np.arange(ITEMS) != 23
    assert isinstance(blend, Blend)
    wanted = np.zeros(ITEMS - 1)
    for part, weight in zip(blend.parts, blend.weights, strict=True):
        found = likeness(part, 23)[others]
        wanted += weight * (found - found.mean()) / found.std()
    assert likeness(blend, 23)[others] == pytest.approx(wanted)
