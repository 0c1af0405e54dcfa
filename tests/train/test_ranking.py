"""Ranking by torch, which a GPU would do, gives what ranking by numpy gives."""

from __future__ import annotations

import numpy as np
import pytest
from toys import CPU

from llmhd_tools.core import metrics
from llmhd_tools.core.metrics import ByUser
from llmhd_tools.core.rankers import Dot
from llmhd_tools.core.ties import Ties
from llmhd_tools.train import ranking


def by_user(rng, users, items, count):
    return ByUser.of(
        rng.integers(users, size=count).astype(np.int32), rng.integers(items, size=count).astype(np.int32), users
    )


@pytest.mark.parametrize("k", [1, 20, 500])
@pytest.mark.parametrize("block", [7, 4096])
def test_hits_are_those_of_numpy(k, block, monkeypatch):
    monkeypatch.setattr(ranking, "USERS_PER_BLOCK", block)
    rng = np.random.default_rng(k)
    users, items = rng.normal(size=(90, 16)).astype(np.float32), rng.normal(size=(700, 16)).astype(np.float32)
    test = by_user(rng, 90, 720, 300)  # some items have no embedding, some users no item
    exclude = [by_user(rng, 90, 720, 3000), by_user(rng, 90, 700, 900)]  # some are test items as well
    ours = ranking.hits_at(Dot(users, items), test, exclude, k, CPU)
    theirs = metrics.hits_at(Dot(users, items), test, exclude, k)
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == other.dtype and (one == other).all()
    assert ours[1].any() or k == 1


def test_a_list_longer_than_the_items_and_than_what_is_left():
    users, items = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)
    codes = np.arange(3, dtype=np.int32)
    test, hidden = ByUser.of(codes, codes, 3), ByUser.of(codes, (codes + 1) % 3, 3)
    for k in (2, 3, 5):
        ours, theirs = (
            ranking.hits_at(Dot(users, items), test, [hidden], k, CPU),
            metrics.hits_at(Dot(users, items), test, [hidden], k),
        )
        assert (ours[1] == theirs[1]).all() and ours[1].sum() == 3


@pytest.mark.parametrize("k", [1, 7, 40])
def test_equal_scores_are_ranked_as_numpy_ranks_them(k):
    rng = np.random.default_rng(k)
    users, items = rng.integers(1, 3, (60, 1)).astype(np.float32), rng.integers(0, 5, (300, 1)).astype(np.float32)
    test, exclude = by_user(rng, 60, 300, 400), [by_user(rng, 60, 300, 3000)]
    ids = [f"u{n}" for n in range(60)], [f"i{n}" for n in range(300)]
    mine, other = Ties(*ids), Ties(*ids)
    ours = ranking.hits_at(Dot(users, items), test, exclude, k, CPU, mine)
    theirs = metrics.hits_at(Dot(users, items), test, exclude, k, other)
    assert (ours[1] == theirs[1]).all() and sorted(mine.decided) == sorted(other.decided) and mine.decided
