"""``report``: the page says what the JSON says, fetches nothing, runs nothing, and is the same bytes each time."""

from __future__ import annotations

import json
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from helpers import write_jsonl

import llmhd_tools as llmhd
from llmhd_tools.cli.app import main
from llmhd_tools.report.alerts import _of_methods

HOSTILE = "</td></style><script>alert(1)</script><img src=http://x/ onerror=alert(2)>\x1b[31m"


class Page(HTMLParser):
    """Elements with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def folder(tiny_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain run, one that denoises, and rows that a model scored, on data with known noise and a hostile title."""
    place = Path(shutil.copytree(tiny_once, tmp_path_factory.mktemp("report") / "a<b>"))
    items = list(map(json.loads, (place / "items.jsonl").read_text().splitlines()))
    write_jsonl(place / "items.jsonl", [{"title": HOSTILE, **item} for item in items])
    at = {name: str(place / f"{name}.jsonl") for name in ("train", "noise", "valid", "test", "items", "profiles")}
    assert main(["inject-noise", at["train"], "--ratio", "0.1", "-o", at["noise"], "-q"]) == 0
    small = [at["noise"], "--valid", at["valid"], "--test", at["test"], "--dim", "8", "--batch", "64", "--epochs", "3"]
    assert main(["run", *small, "-o", str(place / "plain-1"), "-q"]) == 0
    texts = ["--items", at["items"], "--profiles", at["profiles"], "--denoise", "llmhd", "--alpha", "2"]
    assert main(["run", *small, *texts, "-o", str(place / "llmhd-1"), "-q"]) == 0
    rows = list(map(json.loads, (place / "noise.jsonl").read_text().splitlines()))
    scored = [{"user": r["user"], "item": r["item"], "score": 9, "cut": n < 4, "reason": HOSTILE}
              for n, r in enumerate(rows)]  # fmt: skip
    write_jsonl(place / "scored.jsonl", scored)
    return place


def test_the_page_holds_the_figures_of_its_json(folder: Path, tmp_path: Path) -> None:
    line = ["report", str(folder), "-o", str(tmp_path / "r.html"), "--json", str(tmp_path / "r.json")]
    assert main(line) == 0
    facts, page = json.loads((tmp_path / "r.json").read_text()), Page((tmp_path / "r.html").read_text())
    assert [run["folder"] for run in facts["runs"]] == ["llmhd-1", "plain-1"]
    for run in facts["runs"]:
        metrics = map(json.loads, (folder / run["folder"] / "metrics.jsonl").read_text().splitlines())
        tested = {f"{r['metric']}@{r['k']}": r["value"] for r in metrics if r["split"] == "test"}
        assert run["test"] == tested and all(f"{value:.4g}" in page.text for value in tested.values())
    one = next(one for one in facts["issues"] if one["file"] == "scored.jsonl")
    assert one["dropped"] == 4 and one["auc"] == 0.5 and one["vouched"] == 1.0
    noise = list(map(json.loads, (folder / "noise.jsonl").read_text().splitlines()))
    assert one["precision"] == sum(bool(r["noise"]) for r in noise[:4]) / 4
    assert sum(rows for _, _, rows in one["histogram"]) == one["rows"] == len(noise)
    assert all(row["dropped"] for row in one["worst"][:4]) and not one["worst"][4]["dropped"]
    assert any("vouches for 100%" in text for text in facts["alerts"])
    assert any("AUC 0.50" in text for text in facts["alerts"])
    assert all(text in page.text for text in facts["alerts"]) and facts["script"] in page.text


def test_what_is_hostile_stays_text(folder: Path) -> None:
    html = llmhd.report_of(str(folder)).html
    page = Page(html)
    assert "<script>alert(1)</script><img src=http://x/ onerror=alert(2)>" in page.text and "\x1b" not in html
    allowed = (
        "html head meta title style body header h1 nav ul li a main section h2 div table caption thead tbody tr th td"
    )
    allowed += " dl dt dd span pre p details summary figure figcaption svg defs g path use rect text clippath"
    assert {tag for tag, _ in page.found} <= set(allowed.split())
    for _, attributes in page.found:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "action")]
        assert all((attributes.get(name) or "#").startswith("#") for name in ("href", "xlink:href"))
    policy = [a["content"] for tag, a in page.found if tag == "meta" and "http-equiv" in a]
    assert policy and "default-src 'none'" in str(policy[0]) and "url(http" not in html and "@import" not in html
    ids = [a["id"] for _, a in page.found if "id" in a]
    assert len(ids) == len(set(ids))


def test_the_same_bytes_each_time(folder: Path) -> None:
    one, two = llmhd.report_of(str(folder)), llmhd.report_of(str(folder))
    assert one.html == two.html and one.facts == two.facts


def test_the_script_makes_a_run_again(folder: Path, tmp_path: Path) -> None:
    """Its lines are the command's own words, with the metrics that it had."""
    lines = [
        shlex.split(line) for line in llmhd.report_of(str(folder)).facts["script"].splitlines() if "llmhd run" in line
    ]
    for number, words in enumerate(lines):
        before = Path(words[-1]) / "metrics.jsonl"
        assert main([*words[1:-1], str(tmp_path / str(number)), "-q"]) == 0
        assert (tmp_path / str(number) / "metrics.jsonl").read_bytes() == before.read_bytes()


def test_a_folder_without_anything_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in (tmp_path, tmp_path / "missing"):
        assert main(["report", str(place), "-o", str(tmp_path / "r.html")]) == 1
        told = capsys.readouterr().err
        assert str(place) in told and len(told.splitlines()) == 1
    assert not list(tmp_path.iterdir())
    assert main(["report", str(tmp_path), "-o", "-", "--json", "-"]) == 2


def test_a_file_that_cannot_be_read_is_named(folder: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(folder, tmp_path / "copy"))
    (place / "odd.jsonl").write_text("{\n")
    facts = llmhd.report_of(str(place)).facts
    assert any(text.startswith("Not read: odd.jsonl:1: is not a JSON record") for text in facts["alerts"])


def test_a_run_below_ease_is_told_and_release_is_no_ease() -> None:
    def run(name: str, value: float) -> dict:
        return {"folder": name, "name": name, "method": "none", "test": {"ndcg@10": value}}

    def told(*runs: dict) -> list[str]:
        return [line for line in _of_methods(list(runs)) if "below EASE" in line]

    assert told(run("EASE-1", 0.3), run("bpr", 0.2)) == ["bpr: is below EASE (ndcg@10 0.3000)."]
    assert told(run("release-2", 0.3), run("bpr", 0.2)) == []
