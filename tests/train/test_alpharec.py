"""AlphaRec: a step against autograd in float64 over the definition; what the inputs are; what it does not go with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from toys import CPU, dense, graph_of, pairs, params_of, random_graph

from llmhd_tools.core.sampling import draw_samples
from llmhd_tools.errors import UsageError
from llmhd_tools.train.backbones import build
from llmhd_tools.train.backbones.alpharec import inputs
from llmhd_tools.train.methods import resolve
from llmhd_tools.train.trainer import Trainer


def vectors_of(items, width=6, seed=0):
    return np.random.default_rng(seed).normal(size=(items, width)).astype(np.float32)


def test_a_users_input_is_the_mean_of_her_items():
    graph = graph_of([0, 0, 2], [0, 1, 1], 3, 2)
    vectors = np.array([[1, 0, 4], [3, 2, 0]], np.float32)
    assert inputs(graph, vectors).tolist() == [[2, 1, 2], [0, 0, 0], [3, 2, 0], [1, 0, 4], [3, 2, 0]]


@pytest.mark.parametrize(("word", "names"), [
    ("hidden=0", {"map.0.weight": (3, 6), "map.0.bias": (3,), "map.1.weight": (4, 3), "map.1.bias": (4,)}),
    ("hidden=5", {"map.0.weight": (5, 6), "map.0.bias": (5,), "map.1.weight": (4, 5), "map.1.bias": (4,)}),
    ("hidden=-1", {"map.0.weight": (4, 6)}),
])  # fmt: skip
def test_a_step_is_the_definition(word, names):
    graph, vectors = random_graph(seed=2), vectors_of(9)
    model = build(resolve({"backbone": "alpharec", "dim": 4}, [word]), graph, CPU, vectors)
    params, batch = params_of(model), pairs(graph, 10)
    assert {name: tuple(value.shape) for name, value in params.items()} == names
    rows = model.forward(params, batch)
    wide = {name: value.detach().double().requires_grad_() for name, value in params.items()}
    table = F.linear(torch.from_numpy(inputs(graph, vectors)).double(), wide["map.0.weight"], wide.get("map.0.bias"))
    if "map.1.weight" in wide:
        table = torch.where(table > 0, table, 0.01 * table) @ wide["map.1.weight"].T + wide["map.1.bias"]
    operator = sum(torch.linalg.matrix_power(dense(graph), k) for k in range(3)) / 3
    z, nodes = operator @ table, batch.nodes.reshape(-1)
    assert rows.final.detach().numpy() == pytest.approx(z[nodes].detach().numpy(), abs=1e-5)
    assert rows.regularised.detach().numpy() == pytest.approx(table[nodes].detach().numpy(), abs=1e-5)
    assert model.final(params).numpy() == pytest.approx(z.detach().numpy(), abs=1e-5)
    weight = torch.from_numpy(np.random.default_rng(0).normal(size=rows.final.shape))
    ((rows.final + 0.5 * rows.regularised) * weight.float()).sum().backward()
    ((z[nodes] + 0.5 * table[nodes]) * weight).sum().backward()
    for name, value in params.items():
        assert value.grad.numpy() == pytest.approx(wide[name].grad.numpy(), abs=1e-4), name


def test_items_of_one_text_and_the_same_readers_are_alike_and_shuffled_texts_are_another_model():
    graph = random_graph(30, 20, seed=1)
    config = resolve({"backbone": "alpharec", "loss": "softmax", "dim": 4, "batch": 64, "lr": 0.01})

    def trained(vectors):
        trainer = Trainer(config, graph, CPU, vectors=vectors)
        for epoch in (1, 2):
            trainer.train(draw_samples(graph, "softmax", 64, 0, epoch))
        return trainer.embeddings()

    vectors = vectors_of(20)
    one, same, other = trained(vectors), trained(vectors), trained(vectors[::-1].copy())
    assert (one[0] == same[0]).all() and (one[1] == same[1]).all() and (one[1] != other[1]).any()
    assert all(np.isfinite(side).all() for side in one)


def test_what_it_does_not_go_with():
    with pytest.raises(UsageError, match="`denoise` rgcf weighs edges by the embeddings of ids; alpharec has none"):
        resolve({"backbone": "alpharec", "denoise": "rgcf"})
    with pytest.raises(UsageError, match="`backbone` alpharec is made of texts; give the items' vectors"):
        Trainer(resolve({"backbone": "alpharec"}), random_graph(), CPU)
