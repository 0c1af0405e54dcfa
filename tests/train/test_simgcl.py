"""SimGCL and XSimGCL: value and gradient of a step against autograd in float64 over the definition with the same noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from toys import CPU, dense, pairs, params_of, random_graph

from llmhd_tools.core.seeds import generator
from llmhd_tools.errors import UsageError
from llmhd_tools.train.backbones import build
from llmhd_tools.train.methods import resolve

USERS, ITEMS, DIM = 12, 9, 5


def a_model(backbone, layers=2, words=()):
    chosen = {"backbone": backbone, "dim": DIM, "layers": layers, "seed": 3}
    return build(resolve(chosen, words), random_graph(USERS, ITEMS, seed=2), CPU)


def noisy_layers(operator, ego, layers, size, rng):
    """Layers 1..K in float64: after each product noise of length ``size`` in the layer's octant."""
    found, layer = [], ego
    for _ in range(layers):
        layer = operator @ layer
        drawn = torch.from_numpy(rng.random(tuple(layer.shape), dtype=np.float32)).double()
        layer = layer + torch.sign(layer.detach()) * F.normalize(drawn, dim=1) * size
        found.append(layer)
    return found


def info_nce(one, other, temperature):
    """SELFRec's: the mean over rows of -log softmax of a row's own cosine among all rows of the other view."""
    likeness = F.normalize(one, dim=1) @ F.normalize(other, dim=1).T / temperature
    return -torch.diag(F.log_softmax(likeness, dim=1)).mean()


def sides(z, batch):
    return z[torch.unique(batch.nodes[0])], z[torch.unique(batch.nodes[1])]


def simgcl(operator, ego, batch, layers, rng):
    clean = [torch.linalg.matrix_power(operator, k) @ ego for k in range(1, layers + 1)]
    views = [torch.stack(noisy_layers(operator, ego, layers, 0.3, rng)).mean(0) for _ in range(2)]
    contrast = sum(info_nce(one, other, 0.4) for one, other in zip(*(sides(v, batch) for v in views), strict=True))
    return torch.stack(clean).mean(0), 0.7 * contrast


def xsimgcl(operator, ego, batch, layers, rng):
    noisy = noisy_layers(operator, ego, layers, 0.3, rng)
    mean = torch.stack(noisy).mean(0)
    pairs_of = zip(sides(mean, batch), sides(noisy[1], batch), strict=True)
    return mean, 0.7 * sum(info_nce(one, other, 0.4) for one, other in pairs_of)


@pytest.mark.parametrize(("backbone", "definition", "words"), [
    ("simgcl", simgcl, ()), ("xsimgcl", xsimgcl, ("layer=2",)),
])  # fmt: skip
@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("plain", [False, True])
def test_a_step_is_the_definition(backbone, definition, words, layers, plain):
    model = a_model(backbone, layers, (*words, "noise=0.3", "temperature=0.4", "contrast=0.7"))
    params, batch = params_of(model), pairs(model.graph, 10)

    class Plain:  # an operator that is no Adjacency, as denoisers bring: autograd finds the gradient
        def product(self, table):
            return model.adjacency.product(table)

    model.start_epoch(params, 5, model.graph)
    rows = model.forward(params, batch, Plain() if plain else None)
    ego = params["embedding"].detach().double().requires_grad_()
    z, extra = definition(dense(model.graph), ego, batch, layers, generator(3, 5, "noise"))
    nodes = batch.nodes.reshape(-1)
    assert rows.final.detach().numpy() == pytest.approx(z[nodes].detach().numpy(), abs=1e-5)
    assert rows.regularised.detach().numpy() == pytest.approx(ego[nodes].detach().numpy(), abs=1e-6)
    assert rows.extra.item() == pytest.approx(extra.item(), rel=1e-5)
    weight = torch.from_numpy(np.random.default_rng(0).normal(size=rows.final.shape))
    (rows.extra + (rows.final * weight.float()).sum()).backward()
    (extra + (z[nodes] * weight).sum()).backward()
    assert params["embedding"].grad.numpy() == pytest.approx(ego.grad.numpy(), abs=2e-5)


@pytest.mark.parametrize("backbone", ["simgcl", "xsimgcl"])
def test_predictions_are_the_mean_of_the_layers_after_the_first_and_without_noise(backbone):
    model = a_model(backbone, 3)
    params = params_of(model)
    operator, ego = dense(model.graph), params["embedding"].detach().double()
    wanted = sum(torch.linalg.matrix_power(operator, k) @ ego for k in (1, 2, 3)) / 3
    assert model.final(params).numpy() == pytest.approx(wanted.numpy(), abs=1e-5)


def test_noise_has_its_length_and_leaves_signs_alone():
    model = a_model("xsimgcl", words=("noise=0.25",))
    layer = torch.from_numpy(np.random.default_rng(1).normal(size=(21, DIM)).astype(np.float32))
    layer[3] = 0
    added = model.shift()(layer)
    assert torch.linalg.vector_norm(added, dim=1)[4:].numpy() == pytest.approx(0.25, rel=1e-5)
    assert (added[3] == 0).all() and (torch.sign(layer + added) == torch.sign(layer)).all()


def test_noise_belongs_to_the_epoch():
    model = a_model("simgcl")
    params, batch = params_of(model), pairs(model.graph, 10)

    def extra(epoch):
        model.start_epoch(params, epoch, model.graph)
        return model.forward(params, batch).extra.item()

    first = extra(1)
    assert extra(1) == first and extra(2) != first and model.forward(params, batch).extra.item() != first


@pytest.mark.parametrize(("backbone", "layers", "words", "told"), [
    ("simgcl", 0, (), "`backbone` simgcl adds noise to layers"),
    ("xsimgcl", 2, ("layer=3",), "layer=3: there are 2 layers"),
])  # fmt: skip
def test_layers_that_there_are_not(backbone, layers, words, told):
    with pytest.raises(UsageError, match=told):
        a_model(backbone, layers, words)
