"""Losses, gradients and metrics against RecBole 1.2.1, from the same weights, batch, views and clusters.

Set LLMHD_RECBOLE_PYTHON to the Python of an environment made from tests/parity/constraints.txt; -s shows the
differences. Ours gets RecBole's numbering: its row 0 pads both sides and is a node without edges here.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.metrics import METRICS, ByUser, hits_at
from llmhd_tools.core.rankers import Dot
from llmhd_tools.train.batch import Batch
from llmhd_tools.train.config import Config
from llmhd_tools.train.ops.propagation import Adjacency, normalised_adjacency
from llmhd_tools.train.state import State
from llmhd_tools.train.trainer import Trainer

SIDE = Path(__file__).parent / "recbole_losses.py"
CPU = torch.device("cpu")
NCL = {"temperature": 0.3, "structure": 0.02, "item_weight": 1.7, "prototype": 0.03, "clusters": 4, "warm_up": 0}
VIEWS = {"ED": "edge-drop", "ND": "node-drop", "RW": "random-walk"}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    python = os.environ.get("LLMHD_RECBOLE_PYTHON")
    if not python:
        pytest.skip("LLMHD_RECBOLE_PYTHON is not set; see tests/parity/constraints.txt")
    if subprocess.run([python, "-c", "import recbole"], capture_output=True).returncode:
        pytest.skip(f"{python} cannot import recbole")
    folder = tmp_path_factory.mktemp("recbole")
    rng = np.random.default_rng(2)
    (folder / "set").mkdir()
    user, item = np.nonzero(rng.random((30, 40)) < 0.3)
    part = rng.choice(3, size=len(user), p=[0.6, 0.2, 0.2])
    part[np.unique(user, return_index=True)[1]] = part[np.unique(item, return_index=True)[1]] = 0
    for number, split in enumerate(("train", "valid", "test")):
        rows = [f"u{u}\ti{i}\n" for u, i, p in zip(user, item, part, strict=True) if p == number]
        (folder / "set" / f"set.{split}.inter").write_text("user_id:token\titem_id:token\n" + "".join(rows))
    done = subprocess.run([python, SIDE, folder, folder / "out.npz"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "out.npz") as arrays:
        return dict(arrays)


def graph_of(theirs, edges):
    user, item = edges.astype(np.int32)
    return Graph.of(user, item, *theirs["sizes"].tolist())


def tables(theirs, key, kind="param"):
    return np.concatenate([theirs[f"{key}.{kind}.{side}_embedding.weight"] for side in ("user", "item")])


def compare(theirs, key, backbone, params, prepare=lambda trainer: None, **options):
    """The trainer after one backward pass from RecBole's parameters, its loss held against RecBole's."""
    graph = graph_of(theirs, theirs["edges.train"])
    config = Config(backbone=backbone, dim=8, layers=3, reg=0.01, options=options)
    trainer = Trainer(config, graph, CPU, State(params, params, params))
    prepare(trainer)
    nodes = torch.from_numpy(theirs[f"{key}.batch"] + np.array([[0], [graph.n_users], [graph.n_users]]))
    loss = trainer._loss(Batch(nodes, None, 0), None)
    loss.backward()
    assert_close(f"{key} loss", loss.detach().numpy(), theirs[f"{key}.loss"].reshape(()))
    assert_close(f"{key} gradient", trainer.params["embedding"].grad.numpy(), tables(theirs, key, "grad"))
    return trainer


def assert_close(what, ours, wanted):
    scale = float(np.abs(wanted).max())
    print(f"{what}: largest difference {np.abs(ours - wanted).max():.2e}, of at most {scale:.2e}")  # noqa: T201
    assert ours == pytest.approx(wanted, abs=2e-6 * scale, rel=0)


def test_lightgcn(theirs):
    compare(theirs, "LightGCN", "lightgcn", {"embedding": tables(theirs, "LightGCN")})


def test_ngcf(theirs):
    names = {"sum": "linear", "product": "interActTransform"}
    ours = {
        f"{o}.{p}.{k}": f"GNNlayers.{k}.{t}.{p}" for o, t in names.items() for p in ("weight", "bias") for k in range(3)
    }
    params = {name: theirs[f"NGCF.param.{other}"] for name, other in ours.items()}
    trainer = compare(theirs, "NGCF", "ngcf", params | {"embedding": tables(theirs, "NGCF")}, message_drop=0.0)
    for name, other in ours.items():
        assert_close(f"NGCF gradient of {name}", trainer.params[name].grad.numpy(), theirs[f"NGCF.grad.{other}"])


@pytest.mark.parametrize("kind", VIEWS)
def test_sgl(theirs, kind):
    def prepare(trainer):
        views = [[theirs[f"{kind}.view.{n}.{k}"] for k in range(3 if kind == "RW" else 1)] for n in (0, 1)]
        operators = [[Adjacency(normalised_adjacency(graph_of(theirs, e)), CPU) for e in view] for view in views]
        trainer.backbone.views = [view if kind == "RW" else view * 3 for view in operators]

    options = {"view": VIEWS[kind], "drop": 0.2, "contrast": 0.3, "temperature": 0.4}
    compare(theirs, kind, "sgl", {"embedding": tables(theirs, kind)}, prepare, **options)


def test_ncl(theirs):
    def prepare(trainer):
        trainer.backbone.clusters = [
            tuple(torch.from_numpy(theirs[f"ncl.{side}.{what}"]) for what in ("centres", "cluster"))
            for side in ("user", "item")
        ]

    compare(theirs, "NCL", "ncl", {"embedding": tables(theirs, "NCL")}, prepare, **NCL)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_metrics(theirs, split):
    graph = graph_of(theirs, theirs["edges.train"])
    table = {"embedding": tables(theirs, "LightGCN")}
    users, items = Trainer(Config(dim=8), graph, CPU, State(table, table, table)).embeddings()
    by_user = {s: ByUser.of(*theirs[f"edges.{s}"].astype(np.int32), len(users)) for s in ("train", "valid", "test")}
    pad = ByUser.of(np.arange(len(users), dtype=np.int32), np.zeros(len(users), np.int32), len(users))
    hidden = [pad, by_user["train"]] + ([by_user["valid"]] if split == "test" else [])
    _, hits, relevant = hits_at(Dot(users, items), by_user[split], hidden, 10)
    for k in (5, 10):
        for name in ("recall", "ndcg", "precision", "hit", "mrr"):
            assert_close(
                f"{split} {name}@{k}", METRICS[name](hits[:, :k], relevant).mean(), theirs[f"metric.{split}.{name}@{k}"]
            )
