"""An epoch flags once: update-profiles refuses flag counts that hold the model's epoch already."""

from llmhd_tools.cli.app import main
from llmhd_tools.files.npz import read_arrays, unpack_json


def test_the_same_epoch_is_not_counted_twice(trained, tmp_path, capfd):
    flags = tmp_path / "flags.npz"
    words = ["update-profiles", str(trained / "profiles.jsonl"), "--train", str(trained / "train.jsonl")]
    words += ["--items", str(trained / "items.jsonl"), "--model", str(trained / "model-3.npz"), "--flags", str(flags)]
    words += [
        "--history",
        *(str(trained / f"emb-{epoch}.npz") for epoch in (1, 2, 3)),
        "--alpha",
        "5",
        "--max-noise",
        "0.3",
    ]
    assert main([*words, "-o", str(tmp_path / "p.jsonl")]) == 0
    before = flags.read_bytes()
    meta = unpack_json(read_arrays(str(flags))["meta"], str(flags), "meta")
    assert meta["epoch"] == 3 and meta["made"]["command"] == "update-profiles"
    assert main([*words, "-o", str(tmp_path / "q.jsonl")]) == 1
    assert "counts epoch 3 already" in capfd.readouterr().err
    assert flags.read_bytes() == before and not (tmp_path / "q.jsonl").exists()
