"""Every defined combination of methods: several epochs at once equal one by one through files, bit for bit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from toys import random_graph

from llmhd_tools.errors import UsageError
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.tensors import Tensors, read_tensors, write_tensors
from llmhd_tools.registry import BACKBONES, DENOISERS
from llmhd_tools.settings import Machine
from llmhd_tools.stages.dataset import Dataset
from llmhd_tools.stages.model import Model
from llmhd_tools.train.methods import load

LOSSES = ("bpr", "bce", "softmax")
ALL = [*itertools.product(BACKBONES, DENOISERS, ["uniform"], LOSSES)]
ALL += [*itertools.product(["lightgcn"], ["none", "dcf"], ["dynamic", "semantic"], ["bpr", "bce"])]
WORDS = {
    "ngcf": ["node-drop=0.1"], "sgl": ["view=random-walk"], "ncl": ["clusters=3", "warm-up=1", "prototype=0.1"],
    "t-ce": ["ramp=5"], "dcf": ["ramp=5", "bound=0.1", "relabel=0.5"], "rgcf": ["mim-weight=0.1"],
    "llmhni": ["dropped-weight=0.1"],
    "semantic": ["pool=3", "fresh=4", "uniform-epochs=1", "rule=soft"],
}  # fmt: skip


def start(backbone, denoise, negatives, loss, model=None):
    graph = random_graph(20, 15, seed=1)
    dataset = Dataset(graph, Ids(list(range(20))), Ids(list(range(15))), "digest")
    chosen = {"backbone": backbone, "denoise": denoise, "negatives": negatives, "loss": loss}
    chosen |= {"dim": 4, "layers": 2, "batch": 16, "lr": 0.05} | load("backbone", backbone).defaults
    words = [word for method in (backbone, denoise, negatives) for word in WORDS.get(method, [])]
    vectors = None
    if negatives == "semantic" or backbone == "alpharec":
        rng = np.random.default_rng(7)
        sides = {side: rng.normal(size=(n, 3)).astype(np.float32) for side, n in (("user", 20), ("item", 15))}
        vectors = Tensors("vectors", sides, dataset.users, dataset.items)
    given = {} if model else chosen | {"set": tuple(words)}
    aligned, texts = (vectors, None) if negatives == "semantic" else (None, vectors)
    return Model(dataset, machine=Machine("cpu", 1), start=model, vectors=texts, aligned=aligned, **given)


@pytest.mark.parametrize(("backbone", "denoise", "negatives", "loss"), ALL)
def test_three_epochs_are_three_times_one(tmp_path, backbone, denoise, negatives, loss):
    if loss in load("denoise", denoise).undefined:
        with pytest.raises(UsageError, match=f"`denoise` {denoise} is not defined for `loss` {loss}: "):
            start(backbone, denoise, negatives, loss)
        return
    if load("denoise", denoise).ids and not load("backbone", backbone).ids:
        with pytest.raises(UsageError, match=f"`denoise` {denoise} weighs edges by the embeddings of ids"):
            start(backbone, denoise, negatives, loss)
        return
    whole = start(backbone, denoise, negatives, loss)
    for _ in range(3):
        whole.train()
    run = start(backbone, denoise, negatives, loss)
    for _ in range(3):
        run.train()
        write_tensors(str(tmp_path / "model.npz"), run.file())
        run = start(backbone, denoise, negatives, loss, read_tensors(str(tmp_path / "model.npz"), "model"))
    assert run.config == whole.config
    for kind in ("file", "embeddings"):
        one, other = getattr(whole, kind)(), getattr(run, kind)()
        assert one.arrays.keys() == other.arrays.keys()
        for name, array in one.arrays.items():
            assert array.tobytes() == other.arrays[name].tobytes(), name
    assert all(np.isfinite(array).all() for array in one.arrays.values())
