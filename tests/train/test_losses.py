"""Objectives and regulariser: numbers worked out by hand (card §5)."""

from __future__ import annotations

import pytest
import torch

from llmhd_tools.train.ops.losses import bce, bpr, embedding_norms


def test_bpr_values():
    found = bpr(torch.tensor([0.0, 1.0, 3.0]), torch.tensor([0.0, 0.0, 4.0]))
    assert found.tolist() == pytest.approx([0.693147, 0.313262, 1.313262], abs=1e-6)


def test_bce_values():
    logit = torch.tensor([0.0, 0.0, 1.0, 1.0, -2.0])
    label = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0])
    assert bce(logit, label).tolist() == pytest.approx([0.693147, 0.693147, 0.313262, 1.313262, 2.126928], abs=1e-6)


def test_far_wrong_samples_keep_their_value_and_gradient():
    """-log(1e-10 + σ(Δ)) stops at 23 and forgets the gradient; softplus does neither."""
    score = torch.tensor([-100.0], requires_grad=True)
    loss = bpr(score, torch.zeros(1))
    loss.sum().backward()
    assert loss.tolist() == [100.0] and score.grad.tolist() == [-1.0]
    logit = torch.tensor([-100.0, 100.0], requires_grad=True)
    loss = bce(logit, torch.tensor([1.0, 0.0]))
    loss.sum().backward()
    assert loss.tolist() == [100.0, 100.0] and logit.grad.tolist() == [-1.0, 1.0]


def test_embedding_norms_are_not_squared_and_over_the_batch():
    user, positive, negative = (torch.tensor([row]) for row in ([3.0, 4.0], [0.0, 0.0], [6.0, 8.0]))
    assert embedding_norms(user, positive, negative).item() == pytest.approx(15)
    padded = [torch.cat([rows, torch.zeros(1, 2)]) for rows in (user, positive, negative)]
    assert embedding_norms(*padded).item() == pytest.approx(7.5)


def test_embedding_norms_of_zero_rows_have_no_nan_gradient():
    rows = torch.zeros(2, 3, requires_grad=True)
    embedding_norms(rows, rows + 1).backward()
    assert torch.isfinite(rows.grad).all()
