"""InfoNCE against its definition, and values known in closed form (cards §2.3-2.4)."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from llmhd_tools.train.ops import contrast as module
from llmhd_tools.train.ops.contrast import Contrast, counted
from llmhd_tools.train.ops.threads import use_threads


def definition(anchors, candidates, positive, count, temperature):
    cosine = F.normalize(anchors, dim=1) @ F.normalize(candidates, dim=1).T / temperature
    own = cosine.gather(1, positive[:, None]).squeeze(1)
    return (count * (torch.logsumexp(cosine, 1) - own)).sum()


@pytest.mark.parametrize("block", [3, 128])
@pytest.mark.parametrize("temperature", [0.02, 0.1, 1.0])
def test_value_and_gradients_are_the_definition(monkeypatch, block, temperature):
    monkeypatch.setattr(module, "BLOCK", block)
    generator = torch.Generator().manual_seed(1)
    ours = [torch.randn(n, 5, generator=generator).requires_grad_() for n in (8, 13)]
    theirs = [t.detach().double().requires_grad_() for t in ours]
    positive, count = torch.randint(13, (8,), generator=generator), torch.arange(1.0, 9.0)
    wanted = definition(*theirs, positive, count.double(), temperature)
    (3 * wanted).backward()
    contrast = Contrast(temperature)
    for _ in range(2):  # the second time from kept memory
        for table in ours:
            table.grad = None
        found = contrast(*ours, positive, count)
        (3 * found).backward()
        assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
        for one, other in zip(ours, theirs, strict=True):
            scale = other.grad.abs().max().item()
            assert one.grad.numpy() == pytest.approx(other.grad.numpy(), abs=1e-5 * scale)


def test_all_alike_is_the_logarithm_of_how_many():
    table = torch.ones(7, 3)
    assert Contrast(0.2)(table[:1], table, torch.tensor([4]), torch.ones(1)).item() == pytest.approx(
        math.log(7), abs=1e-6
    )


@pytest.mark.parametrize(("temperature", "wanted"), [(0.5, 0.126928), (0.2, 0.006715)])
def test_two_orthonormal_nodes(temperature, wanted):
    eye = torch.eye(2)
    loss = Contrast(temperature)(eye[:1], eye, torch.tensor([0]), torch.ones(1))
    assert loss.item() == pytest.approx(wanted, abs=1e-6)


def test_repeated_anchors_count_as_often_as_they_stand_there():
    nodes = torch.tensor([4, 2, 4, 4])
    distinct, count = counted(nodes)
    assert distinct.tolist() == [2, 4] and count.tolist() == [1, 3]
    table = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    single = Contrast(0.3)(table[nodes], table, nodes, torch.ones(4))
    assert Contrast(0.3)(table[distinct], table, distinct, count).item() == pytest.approx(single.item(), rel=1e-6)


def test_no_anchors_is_nothing():
    table = torch.randn(6, 3, requires_grad=True)
    none = torch.zeros(0, dtype=torch.int64)
    loss = Contrast(0.3)(table[none], table, none, torch.zeros(0))
    loss.backward()
    assert loss.item() == 0 and not table.grad.any()


def test_a_zero_row_is_like_nothing():
    table = torch.eye(3)
    table[2] = 0
    loss = Contrast(0.5)(table[2:], table, torch.tensor([2]), torch.ones(1))
    assert loss.item() == pytest.approx(math.log(3), abs=1e-6)


def test_threads_change_nothing():
    rng, results = torch.Generator().manual_seed(3), []
    anchors, candidates = (torch.randn(n, 64, generator=rng) for n in (300, 2000))
    for threads in (1, 2, 3):
        use_threads(threads)
        try:
            sides = [side.clone().requires_grad_() for side in (anchors, candidates)]
            loss = Contrast(0.2)(*sides, torch.arange(300), torch.ones(300))
            loss.backward()
        finally:
            use_threads(1)
        results.append([loss.detach(), *(side.grad for side in sides)])
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))
