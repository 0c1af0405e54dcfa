"""EASE against Cornac's: weights, and the scores that ``fit`` and ``evaluate`` go by.

Set LLMHD_CORNAC_PYTHON to the Python of an environment of its own with ``pip install cornac``.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import llmhd_tools as llmhd
from llmhd_tools.core import linear
from llmhd_tools.stages.rankers import ranker_of

SIDE = Path(__file__).parent / "cornac_ease.py"


def theirs(folder, user, item, ridge):
    python = os.environ.get("LLMHD_CORNAC_PYTHON")
    if not python:
        pytest.skip("LLMHD_CORNAC_PYTHON is not set; it names a Python with `pip install cornac`")
    if subprocess.run([python, "-c", "import cornac"], capture_output=True).returncode:
        pytest.skip(f"{python} cannot import cornac")
    np.savez(folder / "in.npz", user=user, item=item, ridge=ridge)
    done = subprocess.run([python, SIDE, folder / "in.npz", folder / "out.npz"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "out.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("ridge", [5.0, 50.0])
def test_ease_is_cornacs(tmp_path, ridge):
    rng = np.random.default_rng(3)
    seen = rng.random((400, 120)) < 0.1
    seen[np.arange(120), np.arange(120)] = True  # every item is touched
    user, item = np.nonzero(seen)
    public = theirs(tmp_path, user, item, ridge)
    x = sp.csr_array(seen.astype(np.float32))
    at = public["item"]
    assert linear.ease(x, ridge)[np.ix_(at, at)] == pytest.approx(public["weights"], abs=2e-6)
    table = llmhd.interactions({"user": user.tolist(), "item": item.tolist()})
    model = llmhd.fit(table, "ease", set=[f"ridge={ridge}", "neighbours=120"])
    rows = model.users.find(public["user"].tolist())
    columns = model.items.find(public["item"].tolist())
    ours = ranker_of(model).scores(rows)[:, columns]
    assert ours == pytest.approx(public["score"], abs=2e-5)
