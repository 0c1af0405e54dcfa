"""Objective alignment: the loss against its definition, what learns and what does not, and that it helps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from toys import graph_of, random_graph

from llmhd_tools.core.relevance import popular_negatives, relevance_auc
from llmhd_tools.errors import InputError
from llmhd_tools.train.align import Aligning, _loss, align, info_nce, project


def batch(users=7, items=5, dim=6, seed=0):
    rng = np.random.default_rng(seed)
    near, far = (torch.tensor(rng.standard_normal((n, dim)), requires_grad=True) for n in (users, items))
    positive = torch.tensor(rng.integers(items, size=users))
    masked = torch.tensor(rng.random((users, items)) < 0.3)
    masked[torch.arange(users), positive] = False
    return near, far, positive, masked


def definition(near, far, positive, masked, temperature):
    """-log of the positive's share, one user at a time, in double precision."""
    total = 0.0
    for user, own in enumerate(positive.tolist()):
        cosine = [float(near[user] @ item / (near[user].norm() * item.norm())) for item in far]
        kept = [math.exp(c / temperature) for item, c in enumerate(cosine) if not masked[user, item]]
        total -= math.log(math.exp(cosine[own] / temperature) / math.fsum(kept))
    return total / len(positive)


@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
def test_the_loss_is_its_definition(temperature):
    near, far, positive, masked = batch()
    wanted = definition(near.detach(), far.detach(), positive, masked, temperature)
    assert info_nce(near, far, positive, masked, temperature).item() == pytest.approx(wanted, rel=1e-12)
    single = info_nce(near.float(), far.float(), positive, masked, temperature)
    assert single.item() == pytest.approx(wanted, rel=1e-5)


def test_the_gradient_is_that_of_the_definition():
    near, far, positive, masked = batch()
    info_nce(near, far, positive, masked, 0.2).backward()
    step = 1e-6
    for table, row, column in ((near, 2, 3), (far, 4, 1)):
        values = []
        for sign in (1, -1):
            sides = [near.detach().clone(), far.detach().clone()]
            sides[table is far][row, column] += sign * step
            values.append(definition(*sides, positive, masked, 0.2))
        assert table.grad[row, column].item() == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-7)


def test_all_alike_is_the_logarithm_of_how_many_are_not_masked():
    same, masked = torch.ones(1, 3), torch.tensor([[False, True, False, False]])
    assert info_nce(same, torch.ones(4, 3), torch.tensor([0]), masked, 0.2).item() == pytest.approx(
        math.log(3), abs=1e-6
    )


@pytest.mark.parametrize(("temperature", "wanted"), [(0.5, 0.126928), (0.2, 0.006715)])
def test_two_orthonormal_rows(temperature, wanted):
    eye, nothing = torch.eye(2), torch.zeros(2, 2, dtype=torch.bool)
    assert info_nce(eye, eye, torch.arange(2), nothing, temperature).item() == pytest.approx(wanted, abs=1e-6)


def test_a_masked_item_gets_no_gradient():
    near, far, positive, masked = batch()
    positive[:], masked[:, 3] = 0, True
    info_nce(near, far, positive, masked, 0.2).backward()
    assert not far.grad[3].any() and far.grad[0].any()


def batch_loss(graph, rows, texts, params, temperature=0.2):
    from scipy import sparse

    ones = np.ones(len(graph), dtype=np.int8)
    touched = sparse.csr_matrix((ones, (graph.user, graph.item)), shape=(graph.n_users, graph.n_items))
    return _loss(texts, params, touched, graph.user[rows], graph.item[rows], temperature)


def test_a_batch_contrasts_with_its_items_that_the_user_has_not_touched():
    graph, rng = random_graph(), np.random.default_rng(3)
    texts = [torch.tensor(rng.standard_normal((n, 8))) for n in (graph.n_users, graph.n_items)]
    params = [torch.tensor(rng.standard_normal(shape)) for shape in ((6, 8), (4, 6))]
    rows = rng.permutation(len(graph))[:15]
    near, far = (project(side, *params) for side in texts)
    items = sorted(set(graph.item[rows].tolist()))
    touched = set(zip(graph.user.tolist(), graph.item.tolist(), strict=True))
    pairs = list(zip(graph.user[rows].tolist(), graph.item[rows].tolist(), strict=True))
    masked = [[(user, item) in touched and item != own for item in items] for user, own in pairs]
    users = [user for user, _ in pairs]
    positive = torch.tensor([items.index(own) for _, own in pairs])
    wanted = definition(near[users], far[items], positive, torch.tensor(masked), 0.2)
    assert batch_loss(graph, rows, texts, params).item() == pytest.approx(wanted, rel=1e-12)


def test_the_gradient_reaches_both_matrices_and_no_text():
    graph, rng = random_graph(), np.random.default_rng(3)
    texts = [torch.tensor(rng.standard_normal((n, 8)), requires_grad=True) for n in (graph.n_users, graph.n_items)]
    given = [side.detach().numpy().astype(np.float32) for side in texts]
    params = [torch.tensor(rng.standard_normal(shape), requires_grad=True) for shape in ((6, 8), (4, 6))]
    frozen = tuple(side.detach() for side in texts)
    batch_loss(graph, np.arange(10), frozen, params).backward()
    assert all(param.grad.any() for param in params) and all(side.grad is None for side in frozen)
    before = [side.copy() for side in given]
    align(tuple(given), graph, Aligning(dim=3, epochs=2), lambda now: 0.5)
    assert all(np.array_equal(a, b) for a, b in zip(before, given, strict=True))


def tastes(users=60, items=40, width=12, seed=0):
    """Users choose items of their half; texts tell the half faintly, under much that says nothing."""
    rng = np.random.default_rng(seed)
    likes = rng.random((users, items)) < np.where(np.arange(users)[:, None] % 2 == np.arange(items) % 2, 0.4, 0.02)
    user, item = np.nonzero(likes)
    vectors = []
    for count in (users, items):
        rows = rng.standard_normal((count, width)).astype(np.float32)
        rows[:, 0] += np.where(np.arange(count) % 2, 0.8, -0.8)
        vectors.append(rows)
    return tuple(vectors), graph_of(user, item, users, items)


def test_it_learns_what_texts_tell_of_choices_and_the_same_seed_learns_the_same():
    vectors, graph = tastes()
    negative = popular_negatives(graph, graph, graph.user, np.random.default_rng(1))

    def judge(now):
        return relevance_auc(now, graph.user, graph.item, negative)

    how = Aligning(dim=8, lr=0.01, batch=64, epochs=30, seed=4)
    done = align(vectors, graph, how, judge)
    assert judge(vectors) < 0.6 and judge((done.users, done.items)) > 0.7
    assert done.users.shape == (60, 8) and np.linalg.norm(done.items, axis=1) == pytest.approx(np.ones(40), abs=1e-6)
    again = align(vectors, graph, how, judge)
    assert np.array_equal(done.users, again.users) and np.array_equal(done.items, again.items)
    other = align(vectors, graph, Aligning(dim=8, lr=0.01, batch=64, epochs=30, seed=5), judge)
    assert not np.array_equal(done.users, other.users)


def test_it_stops_where_the_auc_no_longer_rises_and_gives_the_best_epoch():
    vectors, graph = tastes()
    values = iter([0.6, 0.7, 0.65, 0.7, 0.9])
    seen = []

    def judge(now):
        seen.append(now)
        return next(values)

    done = align(vectors, graph, Aligning(dim=4, patience=2), judge)
    assert done.epoch == 2 and len(seen) == 4 and np.array_equal(done.users, seen[1][0])


def test_nothing_to_learn_from_is_told():
    vectors, _ = tastes()
    with pytest.raises(InputError, match="no interaction"):
        align(vectors, graph_of([], [], 60, 40), Aligning(), lambda now: 0.5)
    with pytest.raises(InputError, match="diverged"):
        align(vectors, tastes()[1], Aligning(lr=1e30), lambda now: 0.5)
