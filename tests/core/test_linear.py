"""Closed-form item models: against ridge regression item by item in float64 (tests/parity: a public implementation)."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core import linear
from llmhd_tools.errors import InputError


def random_interactions(users, items, seed=0, share=0.3, weighted=False):
    rng = np.random.default_rng(seed)
    x = (rng.random((users, items)) < share).astype(np.float32)
    return sp.csr_array(x * rng.uniform(0.2, 3, x.shape).astype(np.float32) if weighted else x)


def regressions(x, ridge, pull=0.0, towards=None):
    """Item by item in float64: the least squares of its column on the others', shrunk to 0 and to ``towards``."""
    x = x.toarray().astype(np.float64)
    items = x.shape[1]
    found, towards = np.zeros((items, items)), np.zeros((items, items)) if towards is None else towards
    for item in range(items):
        others = np.delete(np.arange(items), item)
        a = x[:, others]
        left = a.T @ a + (ridge + pull) * np.eye(items - 1)
        found[others, item] = np.linalg.solve(left, a.T @ x[:, item] + pull * towards[others, item])
    return found


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ridge", [0.5, 20.0])
def test_ease_is_the_ridge_regression_of_each_item_on_the_others(ridge, weighted):
    x = random_interactions(60, 25, weighted=weighted)
    assert linear.ease(x, ridge) == pytest.approx(regressions(x, ridge), abs=2e-6)


@pytest.mark.parametrize("ridge", [0.0, 3.0])
def test_l3ae_is_ridge_regression_towards_what_texts_say(ridge):
    x, texts = random_interactions(60, 25, weighted=True), random_interactions(25, 8, seed=1, weighted=True)
    towards = regressions(sp.csr_array(texts.T), 2.0)
    wanted = regressions(x, ridge, 15.0, towards)
    assert linear.l3ae(x, texts, ridge, 15.0, 2.0) == pytest.approx(wanted, abs=5e-6)


def test_l3ae_without_pull_is_ease_and_with_all_of_it_what_texts_say():
    x, texts = random_interactions(60, 25), random_interactions(25, 8, seed=1)
    assert linear.l3ae(x, texts, 7.0, 0.0, 2.0) == pytest.approx(linear.ease(x, 7.0), abs=1e-6)
    towards = linear.ease(sp.csr_array(texts.T), 2.0)
    assert linear.l3ae(x, texts, 0.0, 1e6, 2.0) == pytest.approx(towards, abs=1e-3)


def test_items_that_nobody_touched_have_no_weights():
    x = sp.csr_array(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 0]], np.float32))
    found = linear.ease(x, 1.0)
    assert (found[2] == 0).all() and (found[:, 2] == 0).all() and (found[:2, :2] != np.eye(2)).all()


@pytest.mark.parametrize("items", [1, 2, linear._BLOCK - 1, linear._BLOCK, linear._BLOCK + 1, 2 * linear._BLOCK + 3])
def test_blocks_of_a_table_meet(items):
    rng = np.random.default_rng(items)
    root = rng.normal(size=(items, items)).astype(np.float32) / np.sqrt(items)
    x = sp.csr_array(root)
    gram = linear.gram(x)
    assert gram == pytest.approx(root.T @ root, abs=1e-5)
    found = linear.inverse(gram.copy(), 1.0)
    assert (found == found.T).all()
    assert found == pytest.approx(np.linalg.inv(gram.astype(np.float64) + np.eye(items)), abs=1e-4)
    every = linear.strongest(found, items)
    assert (every.toarray() == found).all()


def test_a_matrix_without_an_inverse_is_refused():
    twins = sp.csr_array(np.ones((3, 2), np.float32))
    with pytest.raises(InputError, match="no inverse with a ridge of 0; take a larger one"):
        linear.ease(twins, 0.0)


def kept_by_sorting(weights, count):
    """Each column's weights but the ``count`` of largest size, of equal ones the earlier row, set to 0."""
    out = np.zeros_like(weights)
    for column in range(weights.shape[1]):
        best = np.argsort(-np.abs(weights[:, column]), kind="stable")[:count]
        out[best, column] = weights[best, column]
    return out


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 30),
    columns=st.integers(1, 30),
    count=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
    ties=st.booleans(),
)
def test_the_strongest_weights_are_those_of_a_sort(rows, columns, count, seed, ties):
    weights = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    if ties:
        weights = np.round(weights)
    found = linear.strongest(weights, count)
    assert (found.toarray() == kept_by_sorting(weights, count)).all()
    assert (found.data != 0).all() and np.bincount(found.indices, minlength=1).max(initial=0) <= count


def test_weights_of_the_popular_items_are_those_of_a_world_without_the_others():
    x = random_interactions(60, 25, share=0.2)
    count = np.asarray((x != 0).sum(axis=0)).ravel()
    items = linear.popular(x, 10)
    assert (np.diff(items) > 0).all() and count[items].min() >= np.delete(count, items).max()
    few = linear.strongest(linear.ease(sp.csr_array(x[:, items]), 5.0), 4)
    found = linear.spread(few, items, 25).toarray()
    assert (found[np.ix_(items, items)] == few.toarray()).all()
    assert np.count_nonzero(found) == few.nnz
    assert linear.popular(x, 99).tolist() == list(range(25))


def test_of_equally_popular_items_the_first_come_first():
    x = sp.csr_array(np.array([[1, 1, 0, 1], [0, 1, 1, 1]], np.float32))
    assert linear.popular(x, 1).tolist() == [1] and linear.popular(x, 3).tolist() == [0, 1, 3]


def cosines(x, shrink):
    x = x.toarray().astype(np.float64)
    length = np.linalg.norm(x, axis=0)
    alike = x.T @ x / (np.outer(length, length) + shrink)
    np.fill_diagonal(alike, 0)
    return alike


@pytest.mark.parametrize("shrink", [0.0, 10.0])
def test_itemknn_is_the_nearest_cosines(shrink):
    x = random_interactions(80, linear._BLOCK + 30, share=0.1, weighted=True)
    wanted = cosines(x, shrink if shrink else 1e-300)
    whole = linear.itemknn(x, x.shape[1], shrink).toarray()
    assert whole == pytest.approx(wanted, abs=1e-6)
    near = linear.itemknn(x, 5, shrink)
    assert (near.toarray() == kept_by_sorting(whole, 5)).all()


def test_itemknn_of_items_that_nobody_touched():
    x = sp.csr_array(np.array([[1, 1, 0], [1, 1, 0]], np.float32))
    assert linear.itemknn(x, 2, 0.0).toarray() == pytest.approx(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]]))
