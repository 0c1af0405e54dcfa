"""T-CE and R-CE: counts and weights worked out by hand (cards §3.3-3.4), both losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import CPU, points, random_graph

from llmhd_tools.train.config import Config
from llmhd_tools.train.denoisers import build
from llmhd_tools.train.denoisers.schedule import drop_rate, kept_count
from llmhd_tools.train.ops import losses


def denoiser(name, loss="bce", **options):
    return build(Config(denoise=name, loss=loss, options=options), random_graph(), CPU)


@pytest.mark.parametrize(("step", "kept"), [(0, 1024), (5000, 998), (9999, 972), (50000, 972)])
def test_kept_rows_of_the_schedule(step, kept):
    assert kept_count(drop_rate(step, 0.05, 10000), 1024) == kept


def test_powers_of_the_schedule():
    assert drop_rate(50, 0.2, 101, 2.0) == pytest.approx(0.04 * 0.5)
    assert drop_rate(50, 0.2, 101, 0.5) == pytest.approx(0.2**0.5 * 0.5)
    assert drop_rate(101, 0.2, 101, 2.0) == 0.2
    assert drop_rate(0, 0.2, 1) == 0 and drop_rate(1, 0.2, 1) == 0.2


@pytest.mark.parametrize(("logits", "labels", "kept"), [
    ([3.0, -3, 1, -9, 9, 9], [1, 1, 1, 1, 0, 0], [1, 0, 1, 0, 1, 1]),  # negatives stay, however wrong
    ([3.0, -3, 1, -9, 0, 2], [1, 1, 1, 1, 1, 1], [1, 0, 1, 0, 1, 1]),
    ([1.0, 1, 1, 2, 0, 0], [1, 1, 1, 1, 0, 0], [1, 0, 0, 1, 1, 1]),  # of equal losses the earlier row stays
    ([9.0, 9, 9, 9, 9, 9], [0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 0, 0]),  # out of positives
])  # fmt: skip
def test_t_ce_drops_the_positives_of_largest_loss(logits, labels, kept):
    logit, batch = torch.tensor(logits, requires_grad=True), points(labels, step=10)
    each = losses.bce(logit, batch.label)
    weighed = denoiser("t-ce", max_drop=1 / 3, ramp=1).weigh(batch, logit, each)
    assert weighed.weight.tolist() == kept


def test_t_ce_is_plain_training_on_what_is_kept():
    logit = torch.randn(20, generator=torch.Generator().manual_seed(0), requires_grad=True)
    batch = points([1] * 10 + [0] * 10, step=100)
    weighed = denoiser("t-ce", max_drop=0.2, ramp=100).weigh(batch, logit, losses.bce(logit, batch.label))
    kept = weighed.weight == 1
    assert kept.sum() == 16 and kept[10:].all()
    loss = weighed.reduce("mean")
    assert loss.item() == pytest.approx(losses.bce(logit[kept], batch.label[kept]).mean().item())
    assert weighed.reduce("sum").item() == pytest.approx(16 * loss.item())
    loss.backward()
    assert (logit.grad[~kept] == 0).all() and (logit.grad[kept] != 0).all()


def test_t_ce_pairwise_drops_the_triples_of_largest_loss():
    apart = torch.tensor([2.0, -1, 0, 5])
    batch = points([1] * 4, step=1)
    batch = type(batch)(batch.nodes, None, 1)
    weighed = denoiser("t-ce", "bpr", max_drop=0.5, ramp=1).weigh(batch, apart, losses.bpr(apart, torch.zeros(4)))
    assert weighed.weight.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(("logit", "label", "weight", "weighted", "slope"), [
    (0.0, 1, 0.870551, 0.603420, -0.435275),
    (2.0, 1, 0.974934, 0.123746, -0.116215),
    (-2.0, 1, 0.653518, 1.389985, -0.575616),
    (2.0, 0, 0.653518, 1.389985, 0.575617),
])  # fmt: skip
def test_r_ce_weights_values_and_slopes(logit, label, weight, weighted, slope):
    logits, batch = torch.tensor([logit], requires_grad=True), points([label])
    weighed = denoiser("r-ce").weigh(batch, logits, losses.bce(logits, batch.label))
    assert weighed.weight.item() == pytest.approx(weight, abs=1e-6)
    loss = weighed.reduce("mean")
    loss.backward()
    assert loss.item() == pytest.approx(weighted, abs=1e-6)
    assert logits.grad.item() == pytest.approx(slope, abs=2e-6)


def test_r_ce_is_not_renormalised_and_beta_0_is_plain():
    logit, batch = torch.tensor([0.0, 2.0, 2.0]), points([1, 1, 0])
    each = losses.bce(logit, batch.label)
    mean = denoiser("r-ce").weigh(batch, logit, each).reduce("mean").item()
    assert mean == pytest.approx((0.603420 + 0.123746 + 1.389985) / 3, abs=1e-6)
    assert denoiser("r-ce", beta=0.0).weigh(batch, logit, each).reduce("mean").item() == pytest.approx(
        each.mean().item()
    )


def test_r_ce_pairwise_weighs_large_losses_less():
    apart = torch.tensor([2.0, 0.0, -2.0])
    batch = type(points([1]))(points([1] * 3).nodes, None, 0)
    weighed = denoiser("r-ce", "bpr", beta=0.3).weigh(batch, apart, losses.bpr(apart, torch.zeros(3)))
    assert weighed.weight.numpy() == pytest.approx(torch.sigmoid(apart).numpy() ** 0.3, rel=1e-6)
    assert (np.diff(weighed.weight.numpy()) < 0).all()
