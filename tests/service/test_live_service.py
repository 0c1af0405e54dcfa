"""``train-epoch --live`` with a service: asked in the steps, paid once, and stopped without half an output."""

from __future__ import annotations

import pytest
from fault_server import FaultServer

PRUNING = ["--alpha", "2", "--max-noise", "0.3"]


@pytest.fixture
def live(trained_once, tmp_path):
    """The command's words, up to the output; each of the two steps asks."""
    files = {name: str(trained_once / name) for name in ("train.jsonl", "profiles.jsonl", "items.jsonl", "model-2.npz")}
    words = ["train-epoch", files["train.jsonl"], "--from", files["model-2.npz"], "--live", *PRUNING]
    words += [word for n in (1, 2) for word in ("--history", str(trained_once / f"emb-{n}.npz"))]
    words += ["--profiles", files["profiles.jsonl"], "--items", files["items.jsonl"]]
    return [*words, "--cache", str(tmp_path / "cache"), "--record", str(tmp_path / "judged.jsonl")]


def test_the_scores_are_those_of_the_staged_stage_and_are_paid_once(trained_once, tmp_path, live, llmhd):
    with FaultServer() as server:
        first = llmhd(*live, "-o", str(tmp_path / "a.npz"), server=server)
        sent = len(server.times)
        assert first.returncode == 0 and sent > 10, first.stderr
        made = (tmp_path / "judged.jsonl").read_bytes()
        second = llmhd(*live, "-o", str(tmp_path / "b.npz"), "--offline", server=server)
        texts = ["--profiles", str(trained_once / "profiles.jsonl"), "--items", str(trained_once / "items.jsonl")]
        again = llmhd(
            "score", str(tmp_path / "judged.jsonl"), *texts, "--cache", str(tmp_path / "other"), server=server
        )
        assert second.returncode == 0, second.stderr
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert (tmp_path / "judged.jsonl").read_bytes() == made == again.stdout.encode()


def test_a_service_that_gives_up_leaves_nothing_but_its_answers(tmp_path, live, llmhd):
    refusing = True
    with FaultServer(lambda body, number: "401" if refusing and number > 20 else None) as server:
        stopped = llmhd(*live, "-o", str(tmp_path / "a.npz"), server=server)
        assert stopped.returncode == 3
        assert not (tmp_path / "a.npz").exists() and not (tmp_path / "judged.jsonl").exists()
        refusing = False
        before = len(server.times)
        assert llmhd(*live, "-o", str(tmp_path / "a.npz"), server=server).returncode == 0
        asked_again = len(server.times) - before
        afresh = [word if word != str(tmp_path / "cache") else str(tmp_path / "new") for word in live]
        assert llmhd(*afresh, "-o", str(tmp_path / "b.npz"), server=server).returncode == 0
        assert 0 < asked_again <= len(server.times) - before - asked_again - 20
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
