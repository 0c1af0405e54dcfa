"""Several processes make what one makes: the same files within float tolerance, 1/P of the rows each, one line of error."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from llmhd_tools.cli.app import main
from llmhd_tools.core.graph import Graph
from llmhd_tools.errors import UsageError
from llmhd_tools.train.config import Config
from llmhd_tools.train.distributed.trainer import check

SETTINGS = ["--dim", "8", "--layers", "3", "--batch", "64", "--lr", "0.02", "--seed", "3"]
OUTPUTS = ("model", "embeddings", "next", "verdicts")


def _environment(**more):
    kept = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    return kept | {"OMP_NUM_THREADS": "1", **more}


def _processes(size, command):
    """Start ``command`` as torchrun would; (exit code, stdout, stderr) of each rank."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(size)}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [
        subprocess.Popen([sys.executable, *command], env=_environment(RANK=str(rank), **place), **pipes)
        for rank in range(size)
    ]
    try:
        told = [process.communicate(timeout=120) for process in started]
    finally:
        for process in started:
            process.kill()
    return [(process.returncode, *text) for process, text in zip(started, told, strict=True)]


def _files(folder, names=OUTPUTS):
    options = {"model": "-o", "embeddings": "--embeddings", "next": "--next", "verdicts": "--verdicts"}
    return [word for name in names for word in (options[name], str(folder / f"{name}.npz"))]


def _same(ours, theirs):
    """Two files hold the same but for rounding, and for how they were made."""
    ours, theirs = np.load(ours), np.load(theirs)
    assert ours.files == theirs.files
    for name in ours.files:
        if ours[name].dtype.kind == "f":
            scale = max(np.abs(theirs[name]).max(), 1e-30)
            np.testing.assert_allclose(ours[name] / scale, theirs[name] / scale, rtol=0, atol=2e-5)
        elif name != "meta":
            assert (ours[name] == theirs[name]).all(), name


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """61 users and 40 items, some of them in one interaction only."""
    rng = np.random.default_rng(5)
    user = np.concatenate([np.arange(61), rng.integers(0, 61, 500)])
    item = np.concatenate([np.arange(61) % 40, np.minimum(rng.geometric(0.08, 500), 40) - 1])
    pairs = dict.fromkeys(zip(user.tolist(), item.tolist(), strict=True))
    path = tmp_path_factory.mktemp("data") / "train.jsonl"
    path.write_text("".join(json.dumps({"user": f"u{u}", "item": i}) + "\n" for u, i in pairs))
    return path


@pytest.fixture(scope="module")
def alone(train, tmp_path_factory):
    """Two epochs in one process."""
    folder = tmp_path_factory.mktemp("alone")
    names = OUTPUTS[:3]
    assert main(["train-epoch", str(train), *SETTINGS, "-q", "--epochs", "2", *_files(folder, names)]) == 0
    return folder


def test_torchrun_equals_one_process_and_its_model_goes_on_alone(train, alone, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = ["-m", "llmhd_tools", "train-epoch", str(train), *SETTINGS, "--epochs", "2", *_files(tmp_path, OUTPUTS[:3])]
    done = subprocess.run([*torchrun, *words], env=_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("train-epoch: epoch 2, loss") == 1 and done.stdout == ""
    for name in OUTPUTS[:3]:
        _same(tmp_path / f"{name}.npz", alone / f"{name}.npz")
    for folder in (tmp_path, alone):
        words = ["train-epoch", str(train), "-q", "--from", f"{folder}/model.npz", "-o", f"{folder}/third.npz"]
        assert main(words) == 0
    _same(tmp_path / "third.npz", alone / "third.npz")


def test_judged_samples_from_a_single_process_model(train, alone, tmp_path):
    samples = ["--from", str(alone / "model.npz"), "--samples", str(alone / "next.npz")]
    judged = tmp_path / "judged.jsonl"
    noisy = ["--history", str(alone / "embeddings.npz"), "--alpha", "5", "--max-noise", "0.3", "-q", "-o", str(judged)]
    assert main(["prune", str(alone / "next.npz"), *noisy]) == 0
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir(), two.mkdir()
    words = ["train-epoch", str(train), *samples, "--judged", str(judged)]
    assert main([*words, "-q", *_files(one)]) == 0
    ranks = _processes(2, ["-m", "llmhd_tools", *words, *_files(two)])
    assert [code for code, _, _ in ranks] == [0, 0], ranks
    assert "kept, 0 dropped" not in ranks[0][2] and "dropped" in ranks[0][2] and ranks[1][1:] == ("", "")
    for name in OUTPUTS:
        _same(two / f"{name}.npz", one / f"{name}.npz")


SHARES = """
import json, sys
import numpy as np
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.sampling import draw_samples
from llmhd_tools.train.config import Config
from llmhd_tools.cli.torchrun import one_of_several

def work():
    from llmhd_tools.train.distributed.trainer import ShardedTrainer
    from llmhd_tools.train.devices import pick_device
    from llmhd_tools.train.trainer import Trainer
    rng = np.random.default_rng(1)
    graph = Graph.of(*rng.integers(0, [[50], [90]], (2, 600)).astype(np.int32), 50, 90)
    config = Config(loss="bce", dim=4, layers=2, batch=100, lr=0.01)
    ours, theirs = ShardedTrainer(config, graph, "cpu", 1, None), Trainer(config, graph, pick_device("cpu"))
    samples = draw_samples(graph, "bce", 100, 0, 1)
    keep = rng.random(len(samples)) < 0.8
    loss = ours.train(samples, keep) - theirs.train(samples, keep)
    z = [float(np.abs(a - b).max()) for a, b in zip(ours.embeddings(), theirs.embeddings())]
    each = float(np.abs(ours.losses(samples) - theirs.losses(samples)).max())
    json.dump({"sizes": ours.sizes(), "edges": len(graph), "off": [abs(loss), *z, each]}, sys.stdout)

sys.exit(one_of_several("train-epoch", "shares", work))
"""


def test_each_rank_holds_its_share_where_items_are_the_larger_side():
    ranks = _processes(3, ["-c", SHARES])
    assert [code for code, _, _ in ranks] == [0, 0, 0], ranks
    told = json.loads(ranks[0][1])
    assert [size["rows"] for size in told["sizes"]] == [47, 47, 46]  # of 140
    assert sum(size["entries"] for size in told["sizes"]) == told["edges"]
    assert max(size["entries"] for size in told["sizes"]) < 0.5 * told["edges"]
    assert all(size["halo"] <= 34 for size in told["sizes"])  # users, the smaller side, of the other ranks
    assert max(told["off"]) < 1e-5


def test_bad_input_is_one_line_and_one_exit_code(tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"user": 1, "item": 2}\n{"user": 1}\n')
    ranks = _processes(2, ["-m", "llmhd_tools", "train-epoch", str(tmp_path / "bad.jsonl"), "-o", f"{tmp_path}/m.npz"])
    assert [code for code, _, _ in ranks] == [1, 1]
    assert ranks[0][2].count("\n") == 1 and "bad.jsonl:2" in ranks[0][2] and ranks[1][2] == ""


def test_a_diverging_loss_ends_all_ranks(train, tmp_path):
    words = ["-m", "llmhd_tools", "train-epoch", str(train), "--lr", "1e30", "-o", str(tmp_path / "m.npz")]
    ranks = _processes(2, [*words, "--batch", "64"])
    assert [code for code, _, _ in ranks] == [1, 1]
    (line,) = (ranks[0][2] + ranks[1][2]).splitlines()
    assert "lower --lr" in line and not list(tmp_path.iterdir())


LOST = """
import os, sys
from llmhd_tools.cli.torchrun import one_of_several
from llmhd_tools.train.distributed import ranks, trainer

def work():
    with ranks.Ranks.here.order("tables"):
        ranks.Ranks.here.collect(__import__("numpy").zeros(3, "float32"))

def follow(here):
    {fate}

trainer.follow = follow
sys.exit(one_of_several("train-epoch", "llmhd train-epoch", work))
"""


@pytest.mark.parametrize(
    ("fate", "codes", "said"),
    [("raise MemoryError", [4, 4], "out of memory"), ("os._exit(9)", [4, 9], "another process of this run was lost")],
)
def test_a_follower_that_fails_ends_all(fate, codes, said):
    ranks = _processes(2, ["-c", LOST.replace("{fate}", fate)])
    assert [code for code, _, _ in ranks] == codes, ranks
    (line,) = (ranks[0][2] + ranks[1][2]).splitlines()
    assert line.startswith("llmhd train-epoch: ") and said in line


def test_what_does_not_run_in_several_processes_is_refused():
    graph = Graph.of(np.arange(3, dtype=np.int32), np.arange(3, dtype=np.int32), 3, 3)
    with pytest.raises(UsageError, match="`backbone` ngcf"):
        check(Config(backbone="ngcf"), graph, "cpu", 2)
    with pytest.raises(UsageError, match="`device` cuda:1"):
        check(Config(), graph, "cuda:1", 2)
    with pytest.raises(UsageError, match="4 processes are too many"):
        check(Config(), graph, "cpu", 4)


def test_other_commands_are_refused(tmp_path):
    ranks = _processes(2, ["-m", "llmhd_tools", "validate", str(tmp_path)])
    assert [code for code, _, _ in ranks] == [2, 2]
    assert "only train-epoch" in ranks[0][2] and ranks[1][2] == ""
