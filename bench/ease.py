"""EASE beside numpy's few lines and beside Cornac's, each in a process of its own. Called by ``bin/bench ease``.

Usage: ease.py [TRAIN] [--ridge 50] [--threads 2]      TRAIN are interactions; without it, random pairs of Amazon-book's size.

Cornac is measured where LLMHD_CORNAC_PYTHON names a Python that has it (``pip install cornac``). Reading is not timed, and the
peak is the whole process's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp

USERS, ITEMS, PAIRS = 11_000, 9_332, 120_464  # Amazon-book's


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", nargs="?")
    parser.add_argument("--ridge", type=float, default=50.0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    asked = parser.parse_args()
    sides = {"ours": sys.executable, "numpy": sys.executable, "cornac": os.environ.get("LLMHD_CORNAC_PYTHON", "")}
    with tempfile.TemporaryDirectory() as folder:
        pairs = Path(folder) / "pairs.npz"
        shape = _write(pairs, asked.train)
        print(f"{shape[2]:,} pairs of {shape[0]:,} users and {shape[1]:,} items, {asked.threads} threads, "
              f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
        print("| EASE by | s | CPU s | peak MiB | largest difference of a weight |")
        print("|---|---|---|---|---|")
        for side, python in sides.items():
            if python:
                print(_row(side, python, pairs, asked.ridge, asked.threads), flush=True)
    return 0


def _write(path: Path, train: str | None) -> tuple[int, int, int]:
    """The pairs as arrays; how many users, items and pairs there are."""
    if train:
        from llmhd_tools.stages.dataset import read_dataset

        graph = read_dataset(train).graph
        user, item, shape = graph.user, graph.item, (graph.n_users, graph.n_items)
    else:
        rng, shape = np.random.default_rng(1), (USERS, ITEMS)
        key = rng.choice(USERS * ITEMS, PAIRS, replace=False)
        user, item = np.divmod(key, ITEMS)
    np.savez(path, user=user, item=item, shape=np.array(shape))
    return *shape, len(user)


def _row(side: str, python: str, pairs: Path, ridge: float, threads: int) -> str:
    """One side's line."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    words = [python, __file__, "--side", side, str(pairs), str(ridge)]
    done = subprocess.run(words, env=os.environ | dict.fromkeys(names, str(threads)), capture_output=True, text=True)
    if done.returncode:
        return f"| {side} | failed: {(done.stderr.strip().splitlines() or ['killed'])[-1]} | | | |"
    found = json.loads(done.stdout.splitlines()[-1])
    return f"| {side} | {found['wall']:.1f} | {found['cpu']:.1f} | {found['peak']:,.0f} | {found['apart']} |"


def _ours(x: sp.csr_array, ridge: float) -> Callable[[], np.ndarray]:
    from llmhd_tools.core import linear

    return lambda: linear.ease(x, ridge)


def _numpy(x: sp.csr_array, ridge: float) -> Callable[[], np.ndarray]:
    def fit() -> np.ndarray:
        b = np.linalg.inv((x.T @ x).toarray() + ridge * np.eye(x.shape[1], dtype=np.float32))
        b /= -b.diagonal()
        np.fill_diagonal(b, 0)
        return b

    return fit


def _cornac(x: sp.csr_array, ridge: float) -> Callable[[], np.ndarray]:
    from cornac.data import Dataset
    from cornac.models import EASE

    user, item = x.nonzero()
    data = Dataset.from_uir([(int(u), int(i), 1.0) for u, i in zip(user, item, strict=True)], seed=1)

    def fit() -> np.ndarray:
        model = EASE(lamb=ridge, posB=False, verbose=False).fit(data)
        known = np.array(list(data.item_ids))
        found = np.zeros((x.shape[1], x.shape[1]), dtype=np.float32)
        found[np.ix_(known, known)] = model.B
        return found

    return fit


def side(name: str, path: str, ridge: str) -> None:
    """Fit once and print what it took; numpy and Cornac are held against some of ours afterwards."""
    arrays = np.load(path)
    ones = np.ones(len(arrays["user"]), dtype=np.float32)
    x = sp.csr_array((ones, (arrays["user"], arrays["item"])), shape=tuple(arrays["shape"]))
    fit = {"ours": _ours, "numpy": _numpy, "cornac": _cornac}[name](x, float(ridge))
    wall, cpu = time.perf_counter(), time.process_time()
    found = fit()
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    took["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    kept, apart = Path(path).with_suffix(".ours.npy"), ""
    if name == "ours":
        np.save(kept, found)
    else:
        apart = f"{np.abs(found - np.load(kept, mmap_mode='r')).max():.1e}"
    print(json.dumps(took | {"apart": apart}))


if __name__ == "__main__":
    sys.exit(side(*sys.argv[2:]) if sys.argv[1:2] == ["--side"] else main())
