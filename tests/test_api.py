"""The public names, and that Python gives the bytes that the command line gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import llmhd_tools as llmhd
from llmhd_tools.cli.app import main

SMALL = {"dim": 8, "batch": 64, "layers": 2, "lr": 0.05, "seed": 1}


def test_every_public_name_is_there_and_documented():
    assert set(llmhd.__all__) == {*llmhd.PUBLIC, "settings"} and len(set(llmhd.__all__)) == len(llmhd.__all__)
    for name in llmhd.PUBLIC:
        assert getattr(llmhd, name).__doc__, name
    assert set(llmhd.__all__) <= set(dir(llmhd))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        llmhd.nothing  # noqa: B018


def test_importing_loads_nothing_heavy():
    code = "import sys, llmhd_tools as llmhd; llmhd.__version__; print({'numpy', 'torch', 'scipy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_the_loop_by_hand_is_the_pipe(trained_once: Path, tmp_path: Path):
    """The three epochs that the commands made in ``trained_once``, in Python."""
    train, items, profiles = (llmhd.read(f"{trained_once}/{name}.jsonl") for name in ("train", "items", "profiles"))
    data = llmhd.dataset(train)
    model = llmhd.Model(data, **SMALL)
    history = [model.train(), model.train()]
    samples = model.draw()
    picked = llmhd.prune(samples, history, alpha=2, max_noise=0.3)
    with llmhd.open_provider("lexical", items) as provider:
        judged = llmhd.score(picked, profiles, items, provider)
    history.append(model.train(samples, judged))
    for name, made in (("samples-3", samples), ("model-3", model.file()), ("emb-3", history[-1])):
        llmhd.write(str(tmp_path / f"{name}.npz"), made)
        assert (tmp_path / f"{name}.npz").read_bytes() == (trained_once / f"{name}.npz").read_bytes(), name
    llmhd.write(str(tmp_path / "judged-3.jsonl"), judged)
    assert (tmp_path / "judged-3.jsonl").read_bytes() == (trained_once / "judged-3.jsonl").read_bytes()


def test_a_run_from_python_is_the_command_s(tiny: Path, capsys: pytest.CaptureFixture[str]):
    names = ("train", "valid", "test", "items")
    words = [str(tiny / f"{name}.jsonl") if n == 0 else w for n, name in enumerate(names) for w in
             ([f"--{name}", str(tiny / f"{name}.jsonl")] if n else [""])]  # fmt: skip
    more = ["--denoise", "llmhd", "--alpha", "4", "--epochs", "4", "--device", "cpu", "--threads", "1", "--keep"]
    small = [w for k, v in SMALL.items() for w in (f"--{k}", str(v))]
    assert main(["run", *words, *more, *small, "-q", "-o", str(tiny / "command")]) == 0
    told = capsys.readouterr().out
    tables = {name: llmhd.read(str(tiny / f"{name}.jsonl")) for name in names}
    with llmhd.open_provider("lexical", tables["items"]) as provider:
        found = llmhd.run(
            *(tables[name] for name in names[:3]), items=tables["items"], provider=provider, folder=str(tiny / "python"),
            denoise="llmhd", alpha=4, epochs=4, device="cpu", threads=1, keep=True, **SMALL,
        )  # fmt: skip
    assert [json.loads(line) for line in told.splitlines()] == found.to_pandas().to_dict("records")
    files = sorted(path.relative_to(tiny / "command") for path in (tiny / "command").rglob("*") if path.is_file())
    assert len(files) > 20
    for path in files:
        assert (tiny / "command" / path).read_bytes() == (tiny / "python" / path).read_bytes(), path


def test_nothing_is_printed_and_bad_choices_are_told_in_python_s_words(tiny: Path, capfd: pytest.CaptureFixture[str]):
    train, valid = (llmhd.read(str(tiny / f"{name}.jsonl")) for name in ("train", "valid"))
    llmhd.run(train, valid, folder=str(tiny / "run"), epochs=1, device="cpu", threads=1, **SMALL)
    assert capfd.readouterr() == ("", "")
    for choices, told in (
        ({"max_noise": 2}, "`max_noise` 2 is above 1"),
        ({"lerning_rate": 1}, "there is no choice 'lerning_rate' of a run"),
        ({"denoise": "llmhd"}, "`denoise` llmhd judges texts; give the items' with `items`"),
        ({"epochs": 0}, "`epochs` 0 is below 1"),
        ({"select": "best"}, "`select` 'best' is not"),
    ):
        with pytest.raises(llmhd.LlmhdError, match=told):
            llmhd.run(train, valid, folder=str(tiny / "other"), **choices)
    assert not (tiny / "other").exists()


def test_a_preset_is_choices_by_name():
    paper = llmhd.preset("paper")
    assert paper["denoise"] == "llmhd" and paper["rule"] == "gap-above,disagree"
    with pytest.raises(llmhd.LlmhdError, match="there is no preset 'worst'; choose from paper, best"):
        llmhd.preset("worst")


def test_frames_matrices_and_columns_become_interactions_and_back():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"who": ["007", "b", "b"], "what": [1, 2, 1], "stars": [5.0, np.nan, 3.0]})
    table = llmhd.interactions(frame, user="who", item="what", rating="stars")
    wanted = {"user": ["007", "b", "b"], "item": [1, 2, 1], "rating": [5, None, 3]}
    assert table.to_columns() == wanted
    assert llmhd.interactions(wanted).digest() == table.digest()
    assert llmhd.interactions(table.to_pandas()).digest() == table.digest()
    matrix = table.to_matrix()
    assert matrix.shape == (2, 2) and matrix.toarray().tolist() == [[1, 0], [1, 1]]
    again = llmhd.interactions(sp.csr_matrix(matrix))
    assert again.to_columns() == {"user": [0, 1, 1], "item": [0, 0, 1]}
    with pytest.raises(llmhd.LlmhdError, match="column 'item' is not among who, what, stars"):
        llmhd.interactions(frame, user="who")
    with pytest.raises(llmhd.LlmhdError, match=r"row 1: 'user' is 1\.5, must be a string or an integer"):
        llmhd.interactions({"user": ["a", 1.5], "item": ["x", "y"]})


def test_polars_frames(tmp_path: Path):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"user": ["a", "b"], "item": ["01", "1"], "timestamp": [1, None]})
    table = llmhd.interactions(frame)
    assert table.to_columns() == {"user": ["a", "b"], "item": ["01", "1"], "timestamp": [1, None]}
    assert table.to_polars().equals(frame)


def test_the_notebook_gives_the_bytes_of_the_pipe(tmp_path: Path):
    pytest.importorskip("pandas")
    examples, shop = Path(__file__).parents[1] / "examples", tmp_path / "shop"
    for script, *words in (
        (examples / "bookshop" / "make_bookshop.py", shop, "--seed", "2"),
        (examples / "notebook.py", shop),
    ):
        done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "noise-auc" in done.stdout and "suspicion" in done.stdout

    def run(line: str) -> None:
        assert main([str(shop / w[1:]) if w.startswith("@") else w for w in line.split()] + ["-q"]) == 0, line

    run("inject-noise @train.jsonl --ratio 0.2 --seed 7 --against @valid.jsonl --against @test.jsonl -o @noisy.npz")
    run("summarize @noisy.npz --items @items.jsonl -o @profiles.jsonl")
    first = "train-epoch @noisy.npz --dim 16 --layers 2 --batch 256 --lr 0.01 --seed 1"
    run(f"{first} -o @m-1.npz --embeddings @e-1.npz")
    run("train-epoch @noisy.npz --from @m-1.npz -o @m-2.npz --embeddings @e-2.npz --next @s-3.npz")
    for epoch in range(3, 7):
        history = " ".join(f"--history @e-{n}.npz" for n in range(max(1, epoch - 5), epoch))
        run(f"prune @s-{epoch}.npz {history} --alpha 40 --max-noise 0.1 --seed 0 -o @n.jsonl")
        run("score @n.jsonl --profiles @profiles.jsonl --items @items.jsonl -o @j.jsonl")
        made = f"-o @m-{epoch}.npz --embeddings @e-{epoch}.npz --next @s-{epoch + 1}.npz"
        run(
            f"train-epoch @noisy.npz --from @m-{epoch - 1}.npz --samples @s-{epoch}.npz --judged @j.jsonl --rule band"
            f" --alpha 40 {made}"
        )
    run(f"suspect @noisy.npz {' '.join(f'--history @e-{n}.npz' for n in range(1, 7))} --share 0.1 -o @drop.npz")
    assert (shop / "m-6.npz").read_bytes() == (shop / "notebook-model.npz").read_bytes()
    assert (shop / "drop.npz").read_bytes() == (shop / "notebook-suspects.npz").read_bytes()
