"""The sampled validation loss and its trimmed form against plain loops over doubles."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.trimming import HeldOut
from llmhd_tools.errors import InputError

USERS, ITEMS, DIM = 6, 12, 3


def world(seed):
    """A training graph, held-out rows and one epoch's embeddings; whole numbers, so that losses tie."""
    rng = np.random.default_rng(seed)
    part = rng.choice(3, size=(USERS, ITEMS), p=[0.5, 0.3, 0.2])
    part[:, 0], part[0, 1] = 0, 2  # nobody has touched all items
    train, held = (tuple(c.astype(np.int32) for c in np.nonzero(part == p)) for p in (1, 2))
    z = [rng.integers(-1, 2, size=(n, DIM)).astype(np.float32) for n in (USERS, ITEMS)]
    return Graph.of(*train, USERS, ITEMS), held, (z[0], z[1])


def softplus(x):
    return math.log1p(math.exp(-abs(x))) + max(x, 0.0)


def reference(held, z, loss, trim):
    """(kept rows, the trimmed loss) by the definition."""
    own, others = [], []
    for u, i, j in zip(held.user.tolist(), held.item.tolist(), held.negative.tolist(), strict=True):
        positive, negative = (sum(float(a) * float(b) for a, b in zip(z[0][u], z[1][k], strict=True)) for k in (i, j))
        own.append(softplus(negative - positive) if loss == "bpr" else softplus(-positive))
        others += [] if loss == "bpr" else [softplus(negative)]
    worst = sorted(range(len(own)), key=lambda row: (-round(own[row], 12), row))
    kept = sorted(worst[math.floor(Fraction(str(trim)) * len(own)) :])
    values = [own[row] for row in kept] + others
    return kept, math.fsum(values) / len(values)


@settings(deadline=None)
@given(
    seed=st.integers(0, 10**6), loss=st.sampled_from(["bpr", "bce"]), trim=st.sampled_from([0.0, 0.07, 0.2, 0.5, 0.9])
)
def test_kept_rows_and_loss(seed, loss, trim):
    graph, held, z = world(seed)
    rows = HeldOut.of(graph, *held, seed=seed)
    kept, value = reference(rows, z, loss, trim)
    assert np.flatnonzero(rows.kept(z, loss, trim)).tolist() == kept
    assert rows.loss(z, loss, trim) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_negatives_are_of_neither_part_and_depend_on_the_seed_alone(seed):
    graph, (user, item), _ = world(seed)
    rows, again, other = (HeldOut.of(graph, user, item, seed=s) for s in (3, 3, 4))
    touched = set(zip(graph.user.tolist(), graph.item.tolist(), strict=True))
    touched |= set(zip(user.tolist(), item.tolist(), strict=True))
    assert not touched & set(zip(user.tolist(), rows.negative.tolist(), strict=True))
    assert rows.negative.tolist() == again.negative.tolist() != other.negative.tolist()


def test_a_user_who_has_touched_everything_is_told():
    user, item = np.zeros(3, np.int32), np.arange(3, dtype=np.int32)
    with pytest.raises(InputError, match="have touched every item"):
        HeldOut.of(Graph.of(user[:2], item[:2], 1, 3), user[2:], item[2:], seed=0)
