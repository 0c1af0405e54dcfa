"""Recommenders in closed form: what they make of interactions, with all items and with some."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from toys import CPU

from llmhd_tools.core import linear
from llmhd_tools.errors import InputError
from llmhd_tools.train.fitted.ease import EASE, EASEOptions
from llmhd_tools.train.fitted.itemknn import ItemKNN, ItemKNNOptions
from llmhd_tools.train.fitted.l3ae import L3AE, L3AEOptions
from llmhd_tools.train.fitted.popularity import NoOptions, Popularity
from llmhd_tools.train.ops import linear as on_device

USERS, ITEMS = 50, 20


def interactions(seed=0):
    rng = np.random.default_rng(seed)
    x = (rng.random((USERS, ITEMS)) < 0.3) * rng.uniform(0.5, 2, (USERS, ITEMS))
    return sp.csr_array(x.astype(np.float32))


def texts():
    return sp.csr_array(np.random.default_rng(1).normal(size=(ITEMS, 6)).astype(np.float32))


def test_popularity_is_the_weight_of_an_items_interactions():
    x = interactions()
    ranker = Popularity(NoOptions()).fit(x, None)
    scores = ranker.scores(np.arange(USERS))
    assert ranker.shape == (USERS, ITEMS) and (scores == scores[0]).all()
    assert scores[0] == pytest.approx(x.toarray().sum(0), rel=1e-6)


def test_ease_keeps_the_strongest_weights():
    x = interactions()
    ranker = EASE(EASEOptions(ridge=3.0, neighbours=4)).fit(x, None)
    wanted = linear.strongest(linear.ease(x, 3.0), 4)
    assert (ranker.weights != wanted).nnz == 0
    assert ranker.scores(np.arange(USERS)) == pytest.approx(x.toarray() @ wanted.toarray(), abs=1e-5)


def test_l3ae_looks_at_texts():
    x, t = interactions(), texts()
    ranker = L3AE(L3AEOptions(ridge=1.0, pull=5.0, text_ridge=2.0, neighbours=ITEMS)).fit(x, t)
    assert ranker.weights.toarray() == pytest.approx(linear.l3ae(x, t, 1.0, 5.0, 2.0), abs=1e-6)
    other = L3AE(L3AEOptions(ridge=1.0, pull=5.0, text_ridge=2.0, neighbours=ITEMS)).fit(x, t[::-1])
    assert abs(ranker.weights - other.weights).max() > 0.01


def test_itemknn_keeps_the_nearest_items():
    ranker = ItemKNN(ItemKNNOptions(neighbours=3, shrink=1.0)).fit(interactions(), None)
    assert (ranker.weights != linear.itemknn(interactions(), 3, 1.0)).nnz == 0


@pytest.mark.parametrize("method", [
    EASE(EASEOptions(ridge=2.0, items=7)), L3AE(L3AEOptions(ridge=1.0, text_ridge=1.0, items=7)),
])  # fmt: skip
def test_with_few_items_the_others_have_no_weights_and_memory_is_theirs(method):
    x, t = interactions(), texts()
    ranker, items = method.fit(x, t), linear.popular(x, 7)
    weights = ranker.weights.toarray()
    rest = np.delete(np.arange(ITEMS), items)
    assert not weights[rest].any() and not weights[:, rest].any() and weights[np.ix_(items, items)].any()
    whole = type(method)(type(method.options)(**{**vars(method.options), "items": 0}))
    few = whole.fit(sp.csr_array(x[:, items]), sp.csr_array(t[items]))
    assert weights[np.ix_(items, items)] == pytest.approx(few.weights.toarray(), abs=1e-6)
    assert method.memory(ITEMS) == whole.memory(7) < whole.memory(ITEMS)


def test_the_closed_forms_by_torch_are_those_by_numpy():
    x, t = interactions(), texts()
    assert on_device.ease(x, 3.0, CPU) == pytest.approx(linear.ease(x, 3.0), abs=1e-5)
    assert on_device.l3ae(x, t, 1.0, 5.0, 2.0, CPU) == pytest.approx(linear.l3ae(x, t, 1.0, 5.0, 2.0), abs=1e-5)


def test_a_matrix_without_inverse_is_refused_by_torch_too():
    x = sp.csr_array(np.ones((3, 4), np.float32))
    with pytest.raises(InputError, match=r"no inverse with a ridge of 0; take a larger one"):
        on_device.ease(x, 0.0, CPU)
