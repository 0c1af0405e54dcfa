"""Epochs: the optimiser's steps against a double-precision reference, exact continuation, dropped rows, divergence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.sampling import Samples, draw_samples
from llmhd_tools.errors import DeviceError, UsageError
from llmhd_tools.train.backbones import build
from llmhd_tools.train.config import Config
from llmhd_tools.train.devices import pick_device
from llmhd_tools.train.ops.propagation import normalised_adjacency
from llmhd_tools.train.ops.threads import use_threads
from llmhd_tools.train.state import State
from llmhd_tools.train.trainer import Diverged, Trainer

CPU = torch.device("cpu")
LOSSES = ("bpr", "bce")


@pytest.fixture(autouse=True)
def _threads():
    use_threads(1)
    yield
    use_threads(1)


def random_graph(users=12, items=9, seed=0):
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((users, items)) < 0.4)
    return Graph.of(user.astype(np.int32), item.astype(np.int32), users, items)


def config(**given):
    return Config(**{"dim": 4, "layers": 2, "batch": 10, "lr": 0.05, "reg": 1e-3, "seed": 1, **given})


def same(one, other):
    """Whether two states hold the same bits."""
    groups = zip((one.params, one.first, one.second), (other.params, other.first, other.second), strict=True)
    return (one.epoch, one.step) == (other.epoch, other.step) and all(
        a.keys() == b.keys() and all(a[k].tobytes() == b[k].tobytes() for k in a) for a, b in groups
    )


def reference_epoch(settings, graph, table, adam, samples, keep):
    """One epoch in double precision with plain autograd over the dense operator."""
    dense = torch.tensor(normalised_adjacency(graph).toarray(), dtype=torch.float64)
    operator = sum(torch.linalg.matrix_power(dense, k) for k in range(settings.layers + 1)) / (settings.layers + 1)
    losses = []
    for batch in sorted(set(samples.batch.tolist())):
        rows = np.flatnonzero(samples.batch == batch)
        user = torch.tensor(samples.user[rows]).long()
        columns = [samples.item[rows]] + ([] if samples.negative is None else [samples.negative[rows]])
        nodes = [user] + [torch.tensor(column).long() + graph.n_users for column in columns]
        z = operator @ table
        scores = [(z[user] * z[other]).sum(1) for other in nodes[1:]]
        if samples.label is None:
            each = F.softplus(scores[1] - scores[0])
        else:
            each = F.binary_cross_entropy_with_logits(
                scores[0], torch.tensor(samples.label[rows]).double(), reduction="none"
            )
        kept = each[torch.tensor(keep[rows])]
        norms = sum(torch.sqrt((table[n] ** 2).sum()) for n in nodes) / len(rows)
        loss = (kept.mean() if len(kept) else 0) + settings.reg * norms
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("layers", [0, 2])
@pytest.mark.parametrize("share", [1.0, 0.6])
def test_training_is_the_double_precision_reference(loss, layers, share):
    graph, settings = random_graph(), config(loss=loss, layers=layers)
    trainer = Trainer(settings, graph, CPU)
    table = torch.tensor(trainer.state().params["embedding"], dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([table], lr=settings.lr)
    rng = np.random.default_rng(5)
    for epoch in (1, 2):
        samples = draw_samples(graph, loss, settings.batch, settings.seed, epoch)
        keep = rng.random(len(samples)) < share
        wanted = reference_epoch(settings, graph, table, adam, samples, keep)
        assert trainer.train(samples, None if share == 1 else keep) == pytest.approx(wanted, rel=1e-5)
    assert trainer.state().params["embedding"] == pytest.approx(table.detach().numpy(), abs=1e-4)
    assert trainer.step == 2 * (len(samples.bounds()) - 1) and trainer.epoch == 2


@pytest.mark.parametrize("loss", LOSSES)
def test_a_state_carries_on_bit_for_bit(loss):
    graph, settings = random_graph(), config(loss=loss)
    epochs = [draw_samples(graph, loss, settings.batch, settings.seed, epoch) for epoch in (1, 2, 3)]
    unbroken = Trainer(settings, graph, CPU)
    for samples in epochs:
        unbroken.train(samples)
    broken = Trainer(settings, graph, CPU)
    for samples in epochs:
        broken.train(samples)
        broken = Trainer(settings, graph, CPU, broken.state())
    assert same(unbroken.state(), broken.state())
    assert [a.tobytes() for a in unbroken.embeddings()] == [a.tobytes() for a in broken.embeddings()]


@pytest.mark.parametrize("loss", LOSSES)
def test_the_number_of_threads_changes_nothing(loss):
    graph, settings = random_graph(120, 90), config(loss=loss, dim=16, batch=2000)
    states = []
    for threads in (1, 2, 3):
        use_threads(threads)
        trainer = Trainer(settings, graph, CPU)
        trainer.train(draw_samples(graph, loss, settings.batch, settings.seed, 1))
        states.append(trainer.state())
    assert all(same(states[0], state) for state in states[1:])


def test_a_state_is_a_copy():
    graph, settings = random_graph(), config()
    trainer = Trainer(settings, graph, CPU)
    before = trainer.state()
    kept = {name: array.copy() for name, array in before.params.items()}
    other = Trainer(settings, graph, CPU, before)
    samples = draw_samples(graph, "bpr", 10, 1, 1)
    trainer.train(samples)
    other.train(samples)
    assert all((before.params[name] == kept[name]).all() for name in kept)
    assert same(trainer.state(), other.state())


def test_keeping_every_row_is_no_filter():
    graph, settings = random_graph(), config()
    samples = draw_samples(graph, "bpr", 10, 1, 1)
    plain, filtered = Trainer(settings, graph, CPU), Trainer(settings, graph, CPU)
    plain.train(samples)
    filtered.train(samples, np.ones(len(samples), dtype=bool))
    assert filtered.state().params["embedding"] == pytest.approx(plain.state().params["embedding"], abs=1e-5)


def two_islands():
    """Two graphs that do not touch: users 0-5 with items 0-4, users 6-11 with items 5-9."""
    one = random_graph(6, 5, seed=3)
    return Graph.of(np.concatenate([one.user, one.user + 6]), np.concatenate([one.item, one.item + 5]), 12, 10)


def island_samples(graph, loss):
    """Samples with negatives from the user's own island."""
    rng = np.random.default_rng(1)
    negative = (rng.integers(5, size=len(graph)) + 5 * (graph.user >= 6)).astype(np.int32)
    batch = np.arange(len(graph)) // 9
    order = rng.permutation(len(graph))
    user, item, negative = graph.user[order], graph.item[order], negative[order]
    if loss == "bpr":
        return Samples(batch, user, item, negative=negative)
    return Samples(batch, user, item, label=rng.integers(2, size=len(graph)).astype(np.int8))


@pytest.mark.parametrize("loss", LOSSES)
def test_dropped_rows_have_exactly_no_gradient(loss):
    graph, settings = two_islands(), config(loss=loss, reg=0.0)
    samples = island_samples(graph, loss)
    trainer = Trainer(settings, graph, CPU)
    before = trainer.state().params["embedding"]
    trainer.train(samples, keep=samples.user < 6)
    after = trainer.state()
    here = np.concatenate([np.arange(12) < 6, np.arange(10) < 5])
    assert (after.params["embedding"][~here] == before[~here]).all()
    assert not after.first["embedding"][~here].any() and not after.second["embedding"][~here].any()
    assert (after.params["embedding"][here] != before[here]).any(axis=1).sum() >= 10


def test_dropped_rows_still_count_for_the_regulariser():
    graph, settings = two_islands(), config(reg=0.1)
    samples = island_samples(graph, "bpr")
    trainer = Trainer(settings, graph, CPU)
    before = trainer.state().params["embedding"]
    trainer.train(samples, keep=samples.user < 6)
    after = trainer.state().params["embedding"]
    assert np.linalg.norm(after[6:12]) < np.linalg.norm(before[6:12])


@pytest.mark.parametrize("loss", LOSSES)
def test_an_epoch_with_everything_dropped(loss):
    graph = random_graph()
    samples = draw_samples(graph, loss, 10, 1, 1)
    nothing = np.zeros(len(samples), dtype=bool)
    trainer = Trainer(config(loss=loss, reg=0.0), graph, CPU)
    before = trainer.state().params["embedding"]
    assert trainer.train(samples, nothing) == 0
    assert (trainer.state().params["embedding"] == before).all()
    assert np.isfinite(Trainer(config(loss=loss), graph, CPU).train(samples, nothing))


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_those_of_the_finished_model(loss):
    graph = random_graph()
    trainer = Trainer(config(loss=loss), graph, CPU)
    trainer.train(draw_samples(graph, loss, 10, 1, 1))
    samples = draw_samples(graph, loss, 10, 1, 2)
    users, items = (z.astype(float) for z in trainer.embeddings())

    def score(item):
        return (users[samples.user] * items[item]).sum(1)

    if loss == "bpr":
        wanted = np.log1p(np.exp(score(samples.negative) - score(samples.item)))
    else:
        wanted = np.log1p(np.exp(np.where(samples.label == 1, -1, 1) * score(samples.item)))
    found = trainer.losses(samples)
    assert found.dtype == np.float32
    assert found == pytest.approx(wanted, abs=1e-5)


def test_initial_tables_are_xavier_uniform_by_side_and_seed():
    graph = Graph.of(np.zeros(1, np.int32), np.zeros(1, np.int32), 300, 50)
    table = Trainer(config(dim=8), graph, CPU).state().params["embedding"]
    assert table.dtype == np.float32 and table.shape == (350, 8)
    for rows, n in ((table[:300], 300), (table[300:], 50)):
        bound = np.sqrt(6 / (n + 8))
        assert abs(rows).max() <= bound and abs(rows).max() > 0.97 * bound
        assert rows.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)
    again, other = (Trainer(config(dim=8, seed=s), graph, CPU).state().params["embedding"] for s in (1, 2))
    assert (table == again).all() and (table != other).any()


def broken_state(graph, value):
    shape = graph.n_users + graph.n_items, 4
    zero = {"embedding": np.zeros(shape, np.float32)}
    return State({"embedding": np.full(shape, value, np.float32)}, zero, zero)


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e30])
def test_a_loss_that_is_not_finite_stops(value):
    graph = random_graph()
    trainer = Trainer(config(), graph, CPU, broken_state(graph, value))
    with pytest.raises(Diverged, match=r"epoch 1, step 0.*lower `lr`"):
        trainer.train(draw_samples(graph, "bpr", 10, 1, 1))


@pytest.mark.parametrize("loss", LOSSES)
def test_the_last_step_may_not_diverge_unseen(loss):
    """One batch: its loss is finite, the step after it leaves parameters whose scores are not."""
    graph = random_graph()
    trainer = Trainer(config(loss=loss, batch=1000, lr=1e25), graph, CPU)
    with pytest.raises(Diverged, match="epoch 1, step 1"):
        trainer.train(draw_samples(graph, loss, 1000, 1, 1))


def test_devices_by_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == pick_device("cpu") == CPU
    with pytest.raises(UsageError, match="unknown"):
        pick_device("warp")
    with pytest.raises(DeviceError, match="no CUDA"):
        pick_device("cuda:1")


def test_an_unknown_backbone_is_refused():
    with pytest.raises(UsageError, match="known: lightgcn"):
        build(Config(backbone="os"), random_graph(), CPU)
