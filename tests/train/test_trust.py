"""How far in-step denoisers believed the observed pairs, against the losses of the steps themselves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from toys import CPU, random_graph

from llmhd_tools.core.sampling import draw_samples
from llmhd_tools.train.config import Config
from llmhd_tools.train.trainer import Trainer

GRAPH = random_graph(20, 15, seed=3)


def after_an_epoch(denoise, loss="bpr", **options):
    """A trainer after its second epoch, which was one batch; that epoch's samples, and their losses before it."""
    trainer = Trainer(Config(denoise=denoise, loss=loss, dim=8, seed=1, options=options), GRAPH, CPU)
    for epoch in (1, 2):
        samples = draw_samples(GRAPH, loss, 10_000, 1, epoch)
        before = trainer.losses(samples)
        trainer.train(samples)
    return trainer, samples, before


def test_t_ce_believes_all_but_the_triples_of_largest_loss():
    trainer, samples, before = after_an_epoch("t-ce", max_drop=0.25, ramp=1)
    user, item, weight = trainer.trust(samples)
    assert (user == samples.user).all() and (item == samples.item).all()
    dropped = len(samples) - int(0.75 * len(samples))
    assert set(np.flatnonzero(weight == 0)) == set(np.argsort(before, kind="stable")[-dropped:])
    assert set(weight) == {0, 1}


def test_r_ce_believes_pairs_by_their_loss_and_of_points_only_observed_ones_count():
    trainer, samples, before = after_an_epoch("r-ce", "bce", beta=0.7)
    user, item, weight = trainer.trust(samples)
    observed = samples.label == 1
    assert 0 < observed.sum() < len(samples) and GRAPH.has(user, item).all()
    assert weight == pytest.approx(np.exp(-0.7 * before[observed]), rel=1e-5)


def test_dcf_does_not_believe_what_it_relabels():
    trainer, samples, _ = after_an_epoch("dcf", "bce", max_drop=0.4, ramp=1, relabel=0.5)
    *_, weight = trainer.trust(samples)
    flipped = int(trainer.denoiser.flipped.sum())
    out = len(samples) - int(0.6 * len(samples))  # all out are positives, the relabelled among them
    assert flipped > 0 and (weight == 0).sum() == out and set(weight) == {0, 1}


def test_rgcf_believes_edges():
    trainer, samples, _ = after_an_epoch("rgcf", prune=0.5)
    user, item, weight = trainer.trust(samples)
    assert (user == GRAPH.user).all() and (item == GRAPH.item).all()
    left = trainer.denoiser.edges(trainer.params)
    assert (weight > 0).sum() == len(left) < len(GRAPH) and (weight[weight > 0] >= 0.5).all()


def test_plain_training_says_nothing_and_a_kept_list_is_no_denoisers_word():
    trainer, samples, _ = after_an_epoch("none")
    assert trainer.trust(samples) is None
    trainer, samples, _ = after_an_epoch("t-ce", ramp=1)
    trainer.train(dataclasses.replace(samples), np.ones(len(samples), dtype=bool))
    assert trainer.trust(samples) is None
