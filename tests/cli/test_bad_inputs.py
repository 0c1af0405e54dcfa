"""Every command against bad inputs: one line on stderr that names the file, the documented exit code, no half output."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from llmhd_tools.cli.app import GROUPS, main

# Each command as it works on the trained data; @ marks a file of the folder, out* is what the command makes.
LINES = {
    "import": "csv @clicks.csv --user user --item item -o @out",
    "inject-noise": "@train.jsonl --ratio 0.1 --against @valid.jsonl -o @out.jsonl",
    "convert": "@train.jsonl @out.npz",
    "distil": "@scored.jsonl --train @train.jsonl -o @out.npz",
    "judge": "@scored.jsonl --noise @noise.jsonl -o @out.jsonl",
    "validate": "@train.jsonl @model-3.npz",
    "view": "@train.jsonl --limit 3 -o @out.jsonl",
    "embed": "@items.jsonl @profiles.jsonl -o @out.npz",
    "summarize": "@train.jsonl --items @items.jsonl -o @out.jsonl",
    "score": "@noisy-3.jsonl --profiles @profiles.jsonl --items @items.jsonl -o @out.jsonl",
    "appraise": "@stars.csv --item sku --column stars -o @out.jsonl",
    "update-profiles": "@profiles.jsonl --train @train.jsonl --items @items.jsonl --model @model-3.npz --flags @flags.npz"
    " --history @emb-2.npz --history @emb-3.npz -o @out.jsonl",
    "train-epoch": "@train.jsonl --from @model-2.npz --samples @samples-3.npz --judged @judged-3.jsonl -o @out.npz"
    " --drop @suspects.jsonl --relations @relations.jsonl --embeddings @out-emb.npz"
    " --next @out-next.npz --verdicts @out-verdicts.jsonl",
    "relate": "@emb-3.npz --train @train.jsonl --profiles @profiles.jsonl --items @items.jsonl -o @out.jsonl",
    "align": "@vectors.npz @train.jsonl --valid @valid.jsonl --test @test.jsonl --dim 4 --epochs 2 -o @out.npz"
    " --auc @out-auc.jsonl",
    "prune": "@samples-3.npz --history @emb-1.npz --history @emb-2.npz --alpha 2 --max-noise 0.3 -o @out.jsonl",
    "suspect": "@train.jsonl --history @emb-2.npz --history @emb-3.npz --scores @suspects.jsonl --vectors @vectors.npz"
    " --appraisals @appraisals.jsonl"
    " --drop @drop.npz -o @out.jsonl",
    "denoise": "@train.jsonl --items @items.jsonl -o @out.jsonl",
    "fit": "l3ae @train.jsonl --items @items.jsonl --drop @drop.npz --set neighbours=5 -o @out.npz",
    "blend": "@emb-2.npz @emb-3.npz --exclude @train.jsonl --valid @valid.jsonl --prior @appraisals.jsonl"
    " --disliked @disliked.jsonl -o @out.npz",
    "tune": "@train.jsonl --valid @valid.jsonl --fit l3ae --items @items.jsonl --try pull=50 -o @out",
    "run": "@train.jsonl --valid @valid.jsonl --test @test.jsonl --items @items.jsonl --profiles @profiles.jsonl"
    " --disliked @disliked.jsonl --denoise llmhd --negatives semantic --aligned @vectors.npz --epochs 1 --dim 8"
    " --batch 64 -o @out",
    "evaluate": "@emb-3.npz @test.jsonl --exclude @valid.jsonl --noise @noise.jsonl --verdicts @verdicts-3.jsonl"
    " --disliked @disliked.jsonl --drop @drop.npz -o @out.jsonl",
    "recommend": "@emb-3.npz --exclude @train.jsonl --items @items.jsonl --all --why -o @out.jsonl",
    "diagnose": "@noise.jsonl --history @emb-1.npz --history @emb-2.npz --held-out @test.jsonl --profiles @profiles.jsonl"
    " --items @items.jsonl -o @out.jsonl",
}
NAMES = list(LINES)
INPUTS = [
    (name, word[1:]) for name, line in LINES.items() for word in line.split() if word[0] == "@" and word[1:4] != "out"
]
TEXTS = [pair for pair in INPUTS if pair[1].endswith(".jsonl")]
ARRAYS = [pair for pair in INPUTS if pair[1].endswith(".npz")]


@pytest.fixture(scope="module")
def shared(trained_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained data with a CSV and with noise marks; each test checks that it left the folder as it was."""
    folder = Path(shutil.copytree(trained_once, tmp_path_factory.mktemp("matrix") / "data"))
    (folder / "clicks.csv").write_text("user,item\n" + "".join(f"u{n % 5},i{n}\n" for n in range(20)))
    (folder / "stars.csv").write_text("sku,stars\n" + "".join(f"i{n},{n % 5 + 1}\n" for n in range(20)))
    low = ({"user": f"u{n}", "item": f"i{(7 * n + 3) % 20}", "rating": 1} for n in range(30))
    (folder / "disliked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in low))
    noisy = ["inject-noise", str(folder / "train.jsonl"), "--ratio", "0.1", "-o", str(folder / "noise.jsonl"), "-q"]
    assert main(noisy) == 0
    pairs = map(json.loads, (folder / "train.jsonl").read_text().splitlines())
    (folder / "scored.jsonl").write_text("".join(json.dumps(row | {"score": 7}) + "\n" for row in pairs))
    stars = ({"item": f"i{n}", "score": n % 10 + 1} for n in range(20))
    (folder / "appraisals.jsonl").write_text("".join(json.dumps(row) + "\n" for row in stars))
    suspect = ["suspect", str(folder / "train.jsonl"), "--history", str(folder / "emb-1.npz")]
    for name in ("suspects.jsonl", "drop.npz"):
        assert main([*suspect, "-o", str(folder / name), "-q"]) == 0
    texts = [word for name in ("items", "profiles") for word in (f"--{name}", str(folder / f"{name}.jsonl"))]
    relate = ["relate", str(folder / "emb-1.npz"), "--train", str(folder / "train.jsonl"), *texts]
    assert main([*relate, "-o", str(folder / "relations.jsonl"), "-q"]) == 0
    return folder


@pytest.fixture
def folder(shared: Path) -> Path:
    for path in shared.glob("out*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (shared / "bad.jsonl").unlink(missing_ok=True)
    (shared / "bad.npz").unlink(missing_ok=True)
    return shared


def words(folder: Path, name: str, **swap: str | Path) -> list[str]:
    """The command line of a command; ``swap`` maps an input (dots and dashes as _) to what stands in its place."""
    line = [name]
    for word in LINES[name].split():
        key = word[1:].replace(".", "_").replace("-", "_")
        line.append(str(swap.pop(key, folder / word[1:])) if word[0] == "@" else word)
    assert not swap
    return line


def swapped(folder: Path, name: str, file: str, other: str | Path) -> list[str]:
    return words(folder, name, **{file.replace(".", "_").replace("-", "_"): other})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fails(capfd: pytest.CaptureFixture[str], folder: Path, line: list[str], named: object, code: int = 1) -> str:
    """Run a command that must fail as documented; returns its one line."""
    before = contents(folder)
    got = main(line)
    out, err = capfd.readouterr()
    notes = [text for text in err.splitlines() if ": lexical is a word-overlap stand-in" not in text]
    assert (got, len(notes)) == (code, 1) or (line[0] == "validate" and got == code and notes), (
        err
    )  # that tells each line
    assert notes[0].startswith(f"llmhd {line[0]}: ") and str(named) in notes[0], err
    assert "internal error" not in err and "Traceback" not in err
    if line[0] == "validate":  # tells about the good files
        assert all(": interactions, " in text or ": model, " in text for text in out.splitlines())
    else:
        assert out == ""
    made = {path: data for path, data in contents(folder).items() if before.get(path) != data}
    assert not any(Path(path).name.startswith(".") for path in made), "a temporary file is left"
    if line[0] == "run":  # its folder says that a run began
        shutil.rmtree(folder / "out", ignore_errors=True)
    else:
        assert not made
    return notes[0]


def test_every_command_is_here() -> None:
    # tests/service has three; four read folders of runs; test_stat and test_doctor have those that write to stdout alone
    others = {"prompts", "cache", "batch", "compare", "plot", "report", "explain", "stat", "doctor"}
    assert sorted([*NAMES, *others]) == sorted(name for group in GROUPS.values() for name in group)


@pytest.mark.parametrize("name", NAMES)
def test_the_lines_work(capfd: pytest.CaptureFixture[str], folder: Path, name: str) -> None:
    flags = (folder / "flags.npz").read_bytes()
    assert main([*words(folder, name), "-q"]) == 0
    (folder / "flags.npz").write_bytes(flags)
    assert capfd.readouterr().err == ""
    assert name == "validate" or list(folder.glob("out*"))


def drop_field(text: bytes) -> bytes:
    """The second record without its first field (user, item, row): always a required one."""
    lines = text.splitlines(keepends=True)
    return b"".join([lines[0], b"{" + lines[1].split(b", ", 1)[1], *lines[2:]])


TEXT_FAULTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut last line": (lambda text: text[:-9], "is not a JSON record"),
    "missing column": (drop_field, ":2: field '"),
    "NaN": (lambda text: text.replace(b"}\n", b', "x": NaN}\n', 1), ":1: is not a JSON record (NaN is not JSON)"),
    "bad UTF-8": (lambda text: text.replace(b'"', b'"\xff', 1), ":1: is not UTF-8"),
    "key twice": (lambda text: b'{"user": 1, "user": 2}\n' + text, ":1: is not a JSON record (a key stands twice)"),
    "a list": (lambda text: b"[1, 2]\n" + text, ":1: is not a JSON object"),
    "wrong kind": (lambda text: b'{"epoch": 1, "what": "no kind"}\n', ""),
    "binary": (lambda text: bytes(range(256)), ":1: is not"),
}


@pytest.mark.parametrize("fault", TEXT_FAULTS)
@pytest.mark.parametrize(("name", "file"), TEXTS, ids=map(" ".join, TEXTS))
def test_damaged_text(capfd: pytest.CaptureFixture[str], folder: Path, name: str, file: str, fault: str) -> None:
    damage, message = TEXT_FAULTS[fault]
    bad = folder / "bad.jsonl"
    bad.write_bytes(damage((folder / file).read_bytes()))
    if fault == "missing column" and (name, file) == ("train-epoch", "judged-3.jsonl"):
        pytest.skip("row is optional in judged")
    if fault == "missing column" and name in ("validate", "convert"):
        message = ""  # may fit another kind
    assert message in fails(capfd, folder, swapped(folder, name, file, bad), bad)


@pytest.mark.parametrize(("name", "file"), INPUTS, ids=map(" ".join, INPUTS))
def test_missing_folder_or_empty(capfd: pytest.CaptureFixture[str], folder: Path, name: str, file: str) -> None:
    bad = folder / f"bad{Path(file).suffix}"
    if file != "flags.npz":
        fails(capfd, folder, swapped(folder, name, file, bad), bad)
    fails(capfd, folder, swapped(folder, name, file, folder), folder)
    bad.touch()
    line = swapped(folder, name, file, bad)
    if Path(file).stem in ("noisy-3", "judged-3", "verdicts-3", "suspects", "relations"):  # nothing to judge or to drop
        assert main([*line, "-q"]) == 0
    else:
        fails(capfd, folder, line, bad)


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


ARRAY_FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[: len(data) // 2],
    "last byte gone": lambda data: data[:-1],
    "one bit": flip,
    "text": lambda data: b'{"user": 1, "item": 2}\n',
}


@pytest.mark.parametrize("fault", [*ARRAY_FAULTS, "wrong kind"])
@pytest.mark.parametrize(("name", "file"), ARRAYS, ids=map(" ".join, ARRAYS))
def test_damaged_arrays(capfd: pytest.CaptureFixture[str], folder: Path, name: str, file: str, fault: str) -> None:
    bad = folder / "bad.npz"
    if fault == "wrong kind":
        if name == "validate":
            pytest.skip("validate takes any kind")
        other = "emb-1.npz" if not file.startswith("emb") else "model-1.npz"
        shutil.copy(folder / other, bad)
        assert "is wanted here" in fails(capfd, folder, swapped(folder, name, file, bad), bad)
        return
    bad.write_bytes(ARRAY_FAULTS[fault]((folder / file).read_bytes()))
    fails(capfd, folder, swapped(folder, name, file, bad), bad)


@pytest.mark.parametrize(
    ("name", "file", "record", "message"),
    [
        ("evaluate", "test.jsonl", {"user": "nobody", "item": "i1"}, ":2: user 'nobody' has no embedding"),
        ("evaluate", "test.jsonl", {"user": "u1", "item": "nothing"}, ":2: item 'nothing' has no embedding"),
        ("run", "valid.jsonl", {"user": "u1", "item": "nothing"}, ":2: item 'nothing' has no embedding"),
        ("run", "test.jsonl", {"user": "nobody", "item": "i1"}, ":2: user 'nobody' has no embedding"),
        (
            "train-epoch",
            "judged-3.jsonl",
            {"batch": 0, "user": "nobody", "item": "i1", "negative": "i2", "loss": 1, "candidate": False, "row": 0},
            ':2: user "nobody" is unknown here',
        ),
        ("score", "items.jsonl", {"item": "i0", "profile": "again"}, ":2: item 'i0' stands twice"),
        ("score", "profiles.jsonl", {"user": "u0", "profile": "again"}, ":2: user 'u0' stands twice"),
        ("update-profiles", "profiles.jsonl", {"user": "u0", "profile": "again"}, ":2: user 'u0' stands twice"),
        ("embed", "profiles.jsonl", {"user": "u0", "profile": "again"}, ":2: user 'u0' stands twice"),
        ("relate", "items.jsonl", {"item": "i0", "profile": "again"}, ":2: item 'i0' stands twice"),
    ],
)
def test_a_record_that_does_not_belong(
    capfd: pytest.CaptureFixture[str], folder: Path, name: str, file: str, record: dict[str, object], message: str
) -> None:
    import json

    lines = (folder / file).read_text().splitlines()
    bad = folder / "bad.jsonl"
    bad.write_text("\n".join([lines[0], json.dumps(record), *lines[1:]]) + "\n")
    assert message in fails(capfd, folder, swapped(folder, name, file, bad), bad)


def test_unknown_ids_in_binary_files(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    """Embeddings of fewer items, samples and models of another graph."""
    few = folder / "bad.jsonl"
    few.write_text("".join(f'{{"user": "u{n}", "item": "i{n % 3}"}}\n' for n in range(30)))
    out = ["-o", str(folder / "bad.npz"), "-q"]
    assert main(["train-epoch", str(few), "--dim", "8", "--embeddings", str(folder / "out-emb.npz"), *out]) == 0
    other = folder / "out-emb.npz"
    assert "has no embedding of item" in fails(capfd, folder, swapped(folder, "prune", "emb-1.npz", other), other)
    model = folder / "bad.npz"
    line = swapped(folder, "train-epoch", "model-2.npz", model)
    assert "was trained on other interactions" in fails(capfd, folder, line, model)
    line = swapped(folder, "update-profiles", "model-3.npz", model)
    assert "was trained on other interactions" in fails(capfd, folder, line, model)
    line = words(folder, "train-epoch", samples_3_npz=folder / "samples-2.npz")
    assert "holds the samples of epoch 2, but epoch 3" in fails(capfd, folder, line, folder / "samples-2.npz")
    line = words(folder, "train-epoch", train_jsonl=few)
    for option in ("--drop", "--relations"):  # whose pairs are checked against the training file first
        at = line.index(option)
        del line[at : at + 2]
    fails(capfd, folder, line, folder / "model-2.npz")


# ---- outputs


OUTPUTS = [
    (name, word[1:]) for name, line in LINES.items() for word in line.split() if word.startswith("@out") and "." in word
]


@pytest.mark.parametrize(("name", "file"), OUTPUTS, ids=map(" ".join, OUTPUTS))
def test_unwritable_output(capfd: pytest.CaptureFixture[str], folder: Path, name: str, file: str) -> None:
    main_input = str(folder / next(word for word in LINES[name].split() if word[0] == "@")[1:])
    for target, message in (
        (folder, "is a folder; name a file"),
        (folder / "none" / "a.npz", "does not exist; create it first"),
        (Path(main_input), "is named twice"),
        (
            Path(
                "/proc/a.npz"
                if name in ("train-epoch", "embed", "align", "fit", "blend", "distil")
                else "/proc/a.jsonl"
            ),
            "cannot be written",
        ),
    ):
        assert message in fails_but_others(capfd, folder, swapped(folder, name, file, target), target)
    fails_but_others(capfd, folder, swapped(folder, name, file, "/dev/full"), "/dev/full: cannot be written: no space")
    assert Path("/dev/full").is_char_device()


def fails_but_others(capfd: pytest.CaptureFixture[str], folder: Path, line: list[str], named: object) -> str:
    """As ``fails``, for a command of several outputs: those before the bad one are there, whole."""
    before = contents(folder)
    assert main([*line, "-q"]) == 1
    out, err = capfd.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and err.startswith(f"llmhd {line[0]}: ") and str(named) in err
    for path, data in contents(folder).items():
        if before.get(path) != data:
            assert Path(path).name.startswith("out") and main(["validate", path]) == 0
            Path(path).unlink()
    capfd.readouterr()
    return err


@pytest.mark.parametrize("name", ["import", "run"])
def test_unwritable_folder(capfd: pytest.CaptureFixture[str], folder: Path, name: str) -> None:
    fails(capfd, folder, words(folder, name, out=folder / "train.jsonl"), folder / "train.jsonl")
    fails(capfd, folder, words(folder, name, out="/proc/none"), "/proc/none")


def test_outputs_that_name_one_file(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    line = words(folder, "train-epoch", out_emb_npz=folder / "out.npz")
    assert "is named twice" in fails(capfd, folder, line, folder / "out.npz")
    line = words(folder, "update-profiles", flags_npz=folder / "out.jsonl")
    assert "is named twice" in fails(capfd, folder, line, folder / "out.jsonl")


# ---- usage


@pytest.mark.parametrize("name", NAMES)
def test_usage(capfd: pytest.CaptureFixture[str], folder: Path, name: str) -> None:
    line = words(folder, name)
    fails(capfd, folder, [*line, "--nonsense"], "No such option: --nonsense", code=2)
    fails(capfd, folder, [name], "Missing", code=2)
    if name in ("prune", "suspect", "update-profiles", "embed", "diagnose", "blend"):  # further words are further files
        fails(capfd, folder, [*line, "one-too-many"], "one-too-many", code=1)
    else:
        fails(capfd, folder, [*line, "one-too-many"] if name != "validate" else [*line, "--kind", "x"], "", code=2)


@pytest.mark.parametrize(
    ("name", "words_", "named"),
    [
        ("inject-noise", "--ratio nan", "--ratio"),
        ("inject-noise", "--ratio inf", "--ratio"),
        ("inject-noise", "--ratio -1", "--ratio"),
        ("inject-noise", "--seed -1", "--seed"),
        ("inject-noise", "--seed 1.5", "--seed"),
        ("train-epoch", "--lr nan", "--lr"),
        ("train-epoch", "--reg inf", "--reg"),
        ("train-epoch", "--loss hinge", "'hinge' is unknown; choose from bpr, bce"),
        ("train-epoch", "--backbone gcn", "'gcn' is unknown; choose from lightgcn"),
        ("train-epoch", "--epochs 0", "--epochs"),
        ("train-epoch", "--epochs 2", "belong to one epoch"),
        ("train-epoch", "--dim 16", "--dim 16 contradicts"),
        ("train-epoch", "--rule agree", "--rule agree is not for --loss bpr"),
        ("train-epoch", "--device moon", "--device moon"),
        ("prune", "--alpha nan", "--alpha"),
        ("suspect", "--share 1.5", "--share"),
        ("suspect", "--text-weight -1", "--text-weight"),
        ("prune", "--alpha 0", "--alpha"),
        ("prune", "--max-noise 1.5", "--max-noise"),
        ("prune", "--candidates nan", "--candidates"),
        ("prune", "--schedule never", "choose from ramp, cap, count"),
        ("evaluate", "--at 0", "--at '0' is not a list"),
        ("evaluate", "--at five", "--at 'five' is not a list"),
        ("evaluate", "--metrics fame", "--metrics 'fame' is unknown"),
        ("evaluate", "--unknown perhaps", "choose from error, miss, skip"),
        ("embed", "--llm oracle", "--llm 'oracle' is not known"),
        ("embed", "--llm embed:x --width 3", "--width is lexical's"),
        ("embed", "--dry-run", "--dry-run needs --llm openai:MODEL"),
        ("embed", "@profiles.jsonl", "both hold profiles; give one file of each"),
        ("align", "--temperature 0", "--temperature"),
        ("align", "--lr nan", "--lr"),
        ("align", "--held-out 0", "--held-out"),
        ("relate", "--lowest 1.1", "--lowest"),
        ("relate", "--expected-score", "No such option"),
        ("score", "--llm oracle", "--llm 'oracle' is not known"),
        ("summarize", "--llm lexical:x", "--llm 'lexical:x' is not known"),
        ("update-profiles", "--scope some", "choose from noisy, all"),
        ("convert", "--kind spells", "--kind spells is unknown"),
        ("import", "--split 1:2", "--split '1:2' is not three shares"),
        ("import", "--split-by luck", "--split-by 'luck' is unknown"),
        ("import", "--min-rating 3", "--min-rating needs ratings"),
        ("import", "--min-rating nan", "--min-rating"),
        ("run", "--select fame@10", "fame"),
        ("run", "--select ndcg", "--select 'ndcg'"),
        ("run", "--config @none.toml", "none.toml: no such file"),
    ],
)
def test_bad_options(capfd: pytest.CaptureFixture[str], folder: Path, name: str, words_: str, named: str) -> None:
    extra = [str(folder / word[1:]) if word[0] == "@" else word for word in words_.split()]
    fails(capfd, folder, [*words(folder, name), *extra], named, code=2)


def test_no_command_and_unknown_command(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("Usage: llmhd") and "inject-noise" in err
    assert main(["conjure"]) == 2
    err = capfd.readouterr().err
    assert err.startswith("llmhd: No such command 'conjure'.") and err.endswith("(see --help)\n")


# ---- what is not an error


def test_nothing_noisy_flows_through_the_pipe(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    """At --max-noise 0 no row is noisy: empty streams are judged, in both forms, and nothing is dropped."""
    noisy, judged = folder / "bad.jsonl", folder / "out-judged"
    prune = ["prune", str(folder / "samples-3.npz"), "--max-noise", "0", "-q"]
    assert main([*prune, "-o", str(noisy)]) == 0 and noisy.read_bytes() == b""
    for end in (".jsonl", ".npz"):
        assert main([*swapped(folder, "score", "noisy-3.jsonl", noisy)[:-1], f"{judged}{end}", "-q"]) == 0
        assert main([*swapped(folder, "train-epoch", "judged-3.jsonl", f"{judged}{end}"), "-q"]) == 0
    assert main([*prune, "-o", str(folder / "bad.npz")]) == 0
    assert main([*swapped(folder, "train-epoch", "judged-3.jsonl", folder / "bad.npz"), "-q"]) == 0


def test_metrics_per_user_are_a_table_like_any_other(folder: Path) -> None:
    for end in ("jsonl", "npz"):
        line = words(folder, "evaluate", out_jsonl=folder / f"out.{end}")
        assert main([*line, "--per-user", "-q"]) == 0
        assert main(["validate", "--kind", "metrics", str(folder / f"out.{end}"), "-q"]) == 0
    assert main(["convert", str(folder / "out.npz"), str(folder / "out-2.jsonl")]) == 0
    import json

    assert [json.loads(line) for line in (folder / "out-2.jsonl").open()] == [
        json.loads(line) for line in (folder / "out.jsonl").open()
    ]


def test_nobody_left_to_measure_is_no_zero(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    bad = folder / "bad.jsonl"
    bad.write_text('{"user": "nobody", "item": "i1"}\n')
    line = [*swapped(folder, "evaluate", "test.jsonl", bad), "--unknown", "skip"]
    assert "nothing to measure" in fails(capfd, folder, line, bad)


def test_history_must_be_oldest_first(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    for older, newer in ((2, 1), (2, 2)):
        history = ["--history", str(folder / f"emb-{older}.npz"), "--history", str(folder / f"emb-{newer}.npz")]
        assert main(["prune", str(folder / "samples-3.npz"), *history]) == 1
        assert f"emb-{newer}.npz: holds epoch {newer}, but" in capfd.readouterr().err


def test_tensors_are_not_written_under_a_text_s_name(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    words = ["train-epoch", str(folder / "train.jsonl"), "-o", str(folder / "new.npz")]
    assert main([*words, "--embeddings", str(folder / "new.jsonl")]) == 1
    assert "new.jsonl: .jsonl is no form that this is written in" in capfd.readouterr().err
    assert not list(folder.glob("new.*"))


def test_samples_of_other_interactions_are_refused(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    """The same ids with other pairs among them: nothing but the graph's digest tells them apart."""
    lines = (folder / "train.jsonl").read_text().splitlines(keepends=True)
    (folder / "other.jsonl").write_text("".join(reversed(lines)))
    start = ["train-epoch", str(folder / "other.jsonl"), "--dim", "8", "--batch", "64", "-o", str(folder / "o.npz")]
    assert main([*start, "--next", str(folder / "o-2.npz")]) == 0
    words = ["train-epoch", str(folder / "train.jsonl"), "--from", str(folder / "model-1.npz"), "-o", "-"]
    assert main([*words, "--samples", str(folder / "o-2.npz")]) == 1
    assert "o-2.npz: holds samples of other interactions" in capfd.readouterr().err


def test_a_text_where_an_npz_is_wanted(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main(["evaluate", str(folder / "test.jsonl"), str(folder / "emb-3.npz")]) == 1
    assert "test.jsonl: is not an NPZ file; is it the file that was meant?" in capfd.readouterr().err


OTHER_FORMS = {
    "gzip": (gzip.compress, "is compressed by gzip; name it .gz"),
    "zip": (lambda text: b"PK\x03\x04" + text, "if it is an NPZ, name it .npz"),
    "UTF-16": (lambda text: text.decode().encode("utf-16"), "is UTF-16; save it as UTF-8"),
}


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_another_form_under_a_text_name(capfd: pytest.CaptureFixture[str], folder: Path, form: str) -> None:
    make, message = OTHER_FORMS[form]
    bad = folder / "bad.jsonl"
    bad.write_bytes(make((folder / "train.jsonl").read_bytes()))
    assert message in fails(capfd, folder, swapped(folder, "train-epoch", "train.jsonl", bad), bad)


@pytest.mark.parametrize(
    ("name", "file", "other", "message"),
    [
        (
            "train-epoch",
            "train.jsonl",
            "items.jsonl",
            "'user' is missing (these are items, but interactions are wanted",
        ),
        ("score", "profiles.jsonl", "items.jsonl", "(these are items, but profiles are wanted here)"),
        ("score", "noisy-3.jsonl", "items.jsonl", "(these are items, but noisy are wanted here)"),
    ],
)
def test_text_of_another_kind_says_which(
    capfd: pytest.CaptureFixture[str], folder: Path, name: str, file: str, other: str, message: str
) -> None:
    bad = folder / "bad.jsonl"
    shutil.copy(folder / other, bad)
    assert message in fails(capfd, folder, swapped(folder, name, file, bad), f"{bad}:1")


def test_columns_of_ones_own(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    bad = folder / "bad.jsonl"
    bad.write_text('{"sku": "i1", "description": "of bees"}\n')
    told = fails(capfd, folder, swapped(folder, "score", "items.jsonl", bad), bad)
    assert "field 'item' is missing (there is sku, description)" in told
    table = folder / "out.csv"
    table.write_text("item,profile\ni1,of bees\n")
    assert "`llmhd import` reads it" in fails(capfd, folder, swapped(folder, "score", "items.jsonl", table), table)
