"""DCF: damping, bound, what is dropped and relabelled, and histories that belong to interactions (card §3.6)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import CPU, graph_of, points, random_graph

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.train.batch import Batch
from llmhd_tools.train.config import Config
from llmhd_tools.train.denoisers import build
from llmhd_tools.train.denoisers.dcf import damped, lower_bound
from llmhd_tools.train.ops import losses

GRAPH = random_graph(40, 40, share=0.9)


def denoiser(name="dcf", graph=GRAPH, **options):
    return build(Config(denoise=name, loss="bce", options=options), graph, CPU)


def weigh(method, logit, batch):
    return method.weigh(batch, logit, losses.bce(logit, batch.label))


@pytest.mark.parametrize(("loss", "value"), [(0, 0), (np.log(2), 0.659266), (2, 1.609438), (5, 2.917771)])
def test_damping(loss, value):
    assert damped(torch.tensor(float(loss))).item() == pytest.approx(value, abs=1e-6)


def test_damping_starts_like_the_loss_and_stays_below():
    zero = torch.zeros((), requires_grad=True)
    damped(zero).backward()
    assert zero.grad.item() == 1
    loss = torch.linspace(0, 30, 500)
    assert (damped(loss) <= loss + 1e-6).all() and (damped(loss).diff() > 0).all()


@pytest.mark.parametrize(("kept", "slack"), [(2.0, 0.526474), (11.0, 0.091770)])
def test_bound(kept, slack):
    values = [torch.tensor([v]) for v in (3.0, 10.0, kept, 0.1)]
    assert 3.0 - lower_bound(*values).item() == pytest.approx(slack, abs=1e-5)
    assert lower_bound(torch.tensor([0.01]), *values[1:]).item() == 0


@pytest.mark.parametrize(("rate", "counts"), [(0.2, (819, 11, 194)), (0.1, (921, 6, 97))])
def test_how_many_are_kept_relabelled_and_left_out(rate, counts):
    graph = random_graph(60, 60, share=0.9)
    batch = points([1] * 1024, step=1, graph=graph)
    logit = torch.randn(1024, generator=torch.Generator().manual_seed(0))
    method = denoiser(graph=graph, max_drop=rate, ramp=1)
    weighed = weigh(method, logit, batch)
    flipped = int(method.flipped.sum())
    assert (int(weighed.weight.sum()) - flipped, flipped, 1024 - int(weighed.weight.sum())) == counts


def test_inert_settings_are_t_ce():
    batch = points([1] * 20 + [0] * 20, step=1)
    method = denoiser(max_drop=0.3, ramp=1, relabel=0.0, bound=0.0, window=1)
    for seed in range(3):
        logit = torch.randn(40, generator=torch.Generator().manual_seed(seed))
        other = denoiser("t-ce", max_drop=0.3, ramp=1)
        assert torch.equal(weigh(method, logit, batch).weight, weigh(other, logit, batch).weight)


def shuffled(batch, logit, seed):
    order = torch.randperm(len(logit), generator=torch.Generator().manual_seed(seed))
    return Batch(batch.nodes[:, order], batch.label[order], batch.step), logit[order]


def test_histories_belong_to_interactions_whatever_the_order():
    batch = points([1] * 20, step=1)
    straight, mixed = (denoiser(max_drop=0.3, ramp=1, bound=0.1, relabel=0.2) for _ in range(2))
    for epoch in range(5):
        logit = torch.randn(20, generator=torch.Generator().manual_seed(epoch))
        weigh(straight, logit, batch)
        other, moved = shuffled(batch, logit, epoch)
        weigh(mixed, moved, other)
        for name, array in straight.state().items():
            # a loss depends in its last bit on where in a vector it was computed
            np.testing.assert_allclose(array, mixed.state()[name], rtol=1e-6, err_msg=name)
    assert straight.seen[straight.seen > 0].tolist() == [5] * 20


def test_the_mean_runs_over_the_last_epochs():
    graph = graph_of([0], [0], 1, 1)
    method = denoiser(graph=graph, window=3, max_drop=0.0, bound=0.0)
    batch = points([1], graph=graph)
    logits = [0.5, -1.0, 2.0, -3.0]
    for logit in logits:
        weigh(method, torch.tensor([logit]), batch)
    wanted = [damped(losses.bce(torch.tensor(x), torch.tensor(1.0))).item() for x in logits[1:]]
    assert method.history.mean().item() == pytest.approx(np.mean(wanted), rel=1e-6)


def test_flipped_labels_stay_flipped_and_train_as_negatives():
    method = denoiser(max_drop=0.2, ramp=1, relabel=1.0)
    batch = points([1] * 10, step=1)
    logit = torch.tensor([5.0] * 8 + [-5.0, -4.0], requires_grad=True)
    weighed = weigh(method, logit, batch)
    assert weighed.weight.tolist() == [1] * 10 and int(method.flipped.sum()) == 2
    weighed.reduce("mean").backward()
    assert (logit.grad[:8] < 0).all() and (logit.grad[8:] > 0).all()
    before = method.flipped.clone()
    later = weigh(method, torch.tensor([5.0] * 8 + [5.0, 5.0]), Batch(batch.nodes, batch.label, 0))
    assert torch.equal(method.flipped, before)
    assert later.losses[8:].tolist() == pytest.approx([5.006715] * 2, abs=1e-5)


def test_negatives_have_no_history_and_are_never_relabelled():
    method = denoiser(max_drop=0.9, ramp=1, relabel=1.0)
    batch = points([0] * 10, step=1)
    weigh(method, torch.full((10,), 9.0), batch)
    assert not method.seen.any() and not method.flipped.any()


def test_the_bound_fades():
    method = denoiser(bound=0.4, decay=4)
    assert method._variance(torch.tensor([1.0, 2, 5, 9])).tolist() == pytest.approx([0.4, 0.3, 0, 0])


def test_what_is_refused():
    with pytest.raises(UsageError, match="dcf is not defined for --loss bpr: it corrects"):
        build(Config(denoise="dcf", loss="bpr"), GRAPH, CPU)
    nodes = torch.tensor([[0], [1 + 1]])
    with pytest.raises(InputError, match="no training interaction"):
        weigh(denoiser(graph=graph_of([0], [0], 1, 2)), torch.zeros(1), Batch(nodes, torch.ones(1), 0))
    with pytest.raises(InputError, match=r"denoiser\.history is missing or of another size"):
        denoiser().restore(denoiser(graph=graph_of([0], [0], 1, 1)).state())
