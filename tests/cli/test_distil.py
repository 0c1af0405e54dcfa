"""``distil`` and ``--llm distilled:FILE``: what the scorer gives is a regression, by whatever way it is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import read_jsonl, write_jsonl

from llmhd_tools.cli.app import main
from llmhd_tools.files.tensors import read_tensors

N_USERS, N_ITEMS = 30, 40
QUALITY = np.random.default_rng(0).normal(size=N_ITEMS)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Everybody touched 12 items; a judge's score is an item's quality and a little of its own."""
    rng = np.random.default_rng(1)
    rows = [(u, i) for u in range(N_USERS) for i in sorted(rng.choice(N_ITEMS, 12, replace=False).tolist())]
    write_jsonl(tmp_path / "train.jsonl", [{"user": f"u{u}", "item": i} for u, i in rows])
    write_jsonl(tmp_path / "appraisals.jsonl", [{"item": i, "score": 3 * q + 6} for i, q in enumerate(QUALITY)])
    judged = [rows[n] for n in rng.choice(len(rows), 120, replace=False)]
    scores = [float(np.clip(5.5 + 2 * QUALITY[i] + rng.normal(scale=0.3), 1, 10)) for _, i in judged]
    scored = [{"user": f"u{u}", "item": i, "score": s} for (u, i), s in zip(judged, scores, strict=True)]
    write_jsonl(tmp_path / "scored.jsonl", scored)
    return tmp_path


def llmhd(shop: Path, line: str) -> int:
    return main([str(shop / word[1:]) if word[0] == "@" else word.replace("@", f"{shop}/") for word in line.split()])


DISTIL = "distil @scored.jsonl --train @train.jsonl -o @scorer.npz"


def test_the_scorer_imitates_and_scores_every_pair(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert llmhd(shop, f"{DISTIL} --appraisals @appraisals.jsonl") == 0
    assert "imitates 120 scores" in capfd.readouterr().err
    assert llmhd(shop, "score @train.jsonl --llm distilled:@scorer.npz -o @all.jsonl") == 0
    assert "not a language model" in capfd.readouterr().err
    rows = read_jsonl(shop / "all.jsonl")
    scorer = read_tensors(str(shop / "scorer.npz"), "embeddings")
    by_hand = [
        np.clip(
            float(
                scorer.arrays["user"][scorer.users.index[str(r["user"])]].astype(float)
                @ scorer.arrays["item"][scorer.items.index[str(r["item"])]].astype(float)
            ),
            1,
            10,
        )
        for r in rows
    ]
    assert len(rows) == N_USERS * 12 and [r["score"] for r in rows] == pytest.approx(by_hand, abs=1e-3)
    truth = [np.clip(5.5 + 2 * QUALITY[int(r["item"])], 1, 10) for r in rows]
    assert np.corrcoef(truth, by_hand)[0, 1] > 0.95
    assert {r["model"] for r in rows} == {"distilled/unknown"} and not any(r["cut"] for r in rows)


def test_what_it_is_not_told_it_cannot_imitate(shop: Path) -> None:
    """Without appraisals nothing here tells of quality; the file says how well it does."""
    assert llmhd(shop, f"{DISTIL} -q") == 0
    poor = read_tensors(str(shop / "scorer.npz"), "embeddings").meta["distilled"]
    assert llmhd(shop, f"{DISTIL} --appraisals @appraisals.jsonl -q") == 0
    good = read_tensors(str(shop / "scorer.npz"), "embeddings").meta["distilled"]
    assert poor["r"] < 0.4 < 0.9 < good["r"] and good["error"] < poor["error"] and good["pairs"] == 120


def test_texts_and_predictions_count_too(shop: Path) -> None:
    """Vectors that hold the quality do what appraisals do; a model's predictions go in; same input, same bytes."""
    texts = [{"item": i, "profile": ("fine " if q > 0 else "dull ") + f"book {i % 7}"} for i, q in enumerate(QUALITY)]
    write_jsonl(shop / "items.jsonl", texts)
    assert llmhd(shop, "embed @items.jsonl --llm lexical --width 16 -o @vectors.npz -q") == 0
    assert llmhd(shop, "fit popularity @train.jsonl -o @popularity.npz -q") == 0
    made = []
    for name in ("scorer.npz", "again.npz"):
        line = (
            f"distil @scored.jsonl --train @train.jsonl --vectors @vectors.npz --embeddings @popularity.npz -o @{name}"
        )
        assert llmhd(shop, f"{line} -q") == 0
        made.append((shop / name).read_bytes())
    assert made[0] == made[1]
    assert read_tensors(str(shop / "scorer.npz"), "embeddings").meta["distilled"]["r"] > 0.6
    assert llmhd(shop, "evaluate @scorer.npz @train.jsonl --at 5 -o @metrics.jsonl -q") == 0
    assert len(read_jsonl(shop / "metrics.jsonl")) == 2


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("score @train.jsonl --llm distilled:@popularity.npz -o @o.jsonl", 1, "whose products are no scores"),
        (
            "score @train.jsonl --llm distilled:@scorer.npz --items @items.jsonl -o @o.jsonl",
            2,
            "goes by ids; leave out --items",
        ),
        ("score @train.jsonl --llm distilled:@scorer.npz --together 4 -o @o.jsonl", 2, "goes by ids"),
        (
            "score @train.jsonl --llm distilled:@scorer.npz --profiles @p.jsonl -o @o.jsonl",
            2,
            "goes by ids; leave out --items, --profiles",
        ),
        ("score @train.jsonl --llm distilled: -o @o.jsonl", 2, "is not known; it is one of: lexical, embed:MODEL"),
        (
            "summarize @train.jsonl --items @items.jsonl --llm distilled:@scorer.npz -o @o.jsonl",
            2,
            "answers nothing else",
        ),
        ("score @train.jsonl --profiles @p.jsonl -o @o.jsonl", 2, "give --items"),
        ("distil @few.jsonl --train @train.jsonl -o @o.npz", 1, "has 20 scored pairs"),
        ("distil @scored.jsonl --train @train.jsonl -o @o.jsonl", 1, "name it .npz"),
        (
            "distil @scored.jsonl --train @train.jsonl --appraisals @others.jsonl -o @o.npz",
            1,
            "appraises none of the items",
        ),
    ],
)
def test_refused(shop: Path, capfd: pytest.CaptureFixture[str], line: str, code: int, message: str) -> None:
    write_jsonl(shop / "items.jsonl", [{"item": i, "profile": f"book {i}"} for i in range(N_ITEMS)])
    write_jsonl(shop / "p.jsonl", [{"user": "u1", "profile": "likes books"}])
    write_jsonl(shop / "few.jsonl", read_jsonl(shop / "scored.jsonl")[:20])
    write_jsonl(shop / "others.jsonl", [{"item": "z", "score": 3}])
    assert llmhd(shop, "fit popularity @train.jsonl -o @popularity.npz -q") == 0 and llmhd(shop, f"{DISTIL} -q") == 0
    capfd.readouterr()
    assert llmhd(shop, line) == code
    out, err = capfd.readouterr()
    assert not out and message in err.splitlines()[-1] and not (shop / "o.jsonl").exists()


def test_pairs_it_does_not_know_get_an_error(shop: Path) -> None:
    assert llmhd(shop, f"{DISTIL} -q") == 0
    write_jsonl(shop / "new.jsonl", [{"user": "u1", "item": "new"}, {"user": "u1", "item": 3}])
    assert llmhd(shop, "score @new.jsonl --llm distilled:@scorer.npz -o @o.jsonl -q") == 0
    rows = read_jsonl(shop / "o.jsonl")
    assert rows[0]["error"] == "item 'new' is unknown to the distilled scorer" and 1 <= rows[1]["score"] <= 10
