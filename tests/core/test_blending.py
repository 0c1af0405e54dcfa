"""Choosing a blend's weights: each step of the search against all that it could have chosen."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from llmhd_tools.core.blending import GRID, search
from llmhd_tools.core.metrics import METRICS, ByUser, hits_at
from llmhd_tools.core.rankers import Blend, Dot

USERS, ITEMS = 60, 50


def a_world(seed=0):
    """Held-out items that are the best of a taste, and three rankers: two see half of it each, one sees nothing."""
    rng = np.random.default_rng(seed)
    taste = [rng.normal(size=(n, 6)).astype(np.float32) for n in (USERS, ITEMS)]
    one, two = (Dot(taste[0][:, part], taste[1][:, part]) for part in (slice(0, 4), slice(2, 6)))
    noise = Dot(*(rng.normal(size=(n, 3)).astype(np.float32) for n in (USERS, ITEMS)))
    liked = np.argsort(-(taste[0] @ taste[1].T), axis=1)[:, :6].astype(np.int32)
    user = np.repeat(np.arange(USERS, dtype=np.int32), 3)
    train, held_out = (ByUser.of(user, liked[:, part].reshape(-1), USERS) for part in (slice(0, 3), slice(3, 6)))
    known = sp.csr_array((np.ones(len(train.items), np.float32), train.items, train.start), (USERS, ITEMS))
    return Blend([one, two, noise], [1.0, 1.0, 1.0], known), held_out, [train]


def value(blend, weights, held_out, exclude):
    _, hits, relevant = hits_at(replace(blend, weights=weights), held_out, exclude, 5)
    return METRICS["ndcg"](hits, relevant).mean()


@pytest.mark.parametrize("seed", range(4))
def test_no_single_weight_of_the_grid_is_better_than_what_is_found(seed):
    blend, held_out, exclude = a_world(seed)
    alone, path = search(blend, held_out, exclude, "ndcg", 5)
    assert [one.weights for one in alone] == [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    assert all(one.value == value(blend, one.weights, held_out, exclude) <= path[-1].value for one in alone)
    anchor = max(range(3), key=lambda part: alone[part].value)
    assert path[0].weights in ((1.0, 1.0, 1.0), alone[anchor].weights)
    assert all(one.value < other.value for one, other in itertools.pairwise(path))
    assert all(found.value == value(blend, found.weights, held_out, exclude) for found in path)
    best = path[-1]
    assert best.weights[anchor] == 1.0 and best.weights[2] < 1.0  # the part that sees nothing loses weight
    for part, weight in itertools.product({0, 1, 2} - {anchor}, GRID):
        other = [*best.weights]
        other[part] = weight
        assert value(blend, other, held_out, exclude) <= best.value


def test_of_equal_weights_the_present_one_stays():
    blend, held_out, exclude = a_world()
    same = replace(blend, parts=[blend.parts[0]] * 2, weights=(1.0, 1.0))
    assert [found.weights for found in search(same, held_out, exclude, "ndcg", 5)[1]] == [(1.0, 1.0)]


def test_a_single_part_has_nothing_to_choose():
    blend, held_out, exclude = a_world()
    alone = replace(blend, parts=blend.parts[:1], weights=(1.0,))
    single, path = search(alone, held_out, exclude, "recall", 5)
    assert single == path and len(path) == 1
