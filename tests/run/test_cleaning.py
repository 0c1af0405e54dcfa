"""Pairs that leave the graph: by hand, by ``suspect`` and ``score``, and in ``run``, which makes the files of the pipe."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import THRESHOLDS

from llmhd_tools.files.tables import read_table
from llmhd_tools.files.tensors import read_tensors

ON = ["--device", "cpu", "--threads", 1]
TRAINING = ["--dim", 8, "--layers", 2, "--batch", 64, "--lr", 0.02, "--seed", 3]
TEXTS = ["--profiles", "profiles.jsonl", "--items", "items.jsonl"]
AT, SHARE, WINDOW = (2, 4), 0.1, 3  # two cleanings: the second sees epochs 3 and 4, trained without what the first cut


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def first(*more):
    return ["train-epoch", "train.jsonl", *ON, *TRAINING, *more, "-o", "model-1.npz", "--embeddings", "emb-1.npz"]


def go_on(epoch, *more):
    """An epoch after ``first``; what it makes is named by the epoch."""
    files = ["-o", f"model-{epoch}.npz", "--embeddings", f"emb-{epoch}.npz", "--next", f"samples-{epoch + 1}.npz"]
    return ["train-epoch", "train.jsonl", *ON, "--from", f"model-{epoch - 1}.npz", *more, *files]


def arrays(folder, name, kind="model"):
    return read_tensors(str(folder / name), kind).arrays


def meta(folder, name, kind="model"):
    return read_tensors(str(folder / name), kind).meta


def cleaned(stages, texts, vectors):
    """The pipe with the stages of two cleanings in it: each before the epoch that follows."""
    out, drop = [], []
    for pipe in stages:
        words = pipe[-1]
        made = words[words.index("-o") + 1] if "-o" in words else ""
        following = [at for at in AT if made in (f"epoch-{at + 1}-judged.jsonl", f"epoch-{at + 1}-model.npz")]
        if following and not (drop and drop[1] == f"drop-{following[0]}.npz"):
            at = following[0]
            since = range(1, 3) if at == 2 else range(3, 5)
            suspect = ["suspect", "train.jsonl", *drop, *vectors]
            suspect += [word for epoch in since for word in ("--history", f"epoch-{epoch}-embeddings.npz")]
            if texts:
                out.append([[*suspect, "--share", 2 * SHARE, "-o", f"suspects-{at}.jsonl"]])
                profiles = f"profiles-{at}.jsonl"
                score = ["score", f"suspects-{at}.jsonl", "--profiles", profiles, "--items", "items.jsonl"]
                out.append([[*score, "-o", f"scored-{at}.jsonl"]])
                suspect += ["--scores", f"scored-{at}.jsonl"]
            drop = ["--drop", f"drop-{at}.npz"]
            out.append([[*suspect, "--share", SHARE, "-o", drop[1]]])
        out.append([[*command, *drop] if command[0] == "train-epoch" else command for command in pipe])
    return out


@pytest.mark.parametrize(
    ("loss", "denoise", "texts", "more"),
    [
        ("bpr", "none", False, []),
        ("bce", "none", True, []),
        ("bpr", "none", True, ["--vectors", "vectors.npz"]),
        ("bpr", "loss", False, []),
        ("bpr", "llmhd", True, []),
        ("bce", "llmhd", True, ["--vectors", "vectors.npz"]),
    ],
)
def test_the_commands_and_run_make_the_same_files(llmhd, words, stages, loss, denoise, texts, more):
    llmhd("embed", "items.jsonl", "--llm", "lexical", "-o", "vectors.npz")
    if texts and denoise == "none":
        for epoch in AT:
            llmhd("summarize", "train.jsonl", "--items", "items.jsonl", "-o", f"profiles-{epoch}.jsonl")
    llmhd.stages(cleaned(stages(loss, denoise, epochs=5), texts, more))
    more = [*more, "--clean", "graph", "--clean-at", "2,4", "--clean-share", SHARE, "--epochs", 5, "--keep", "--noise"]
    weight = [] if texts else ["--text-weight", 0]
    llmhd(*words(loss, denoise), *more, *weight, "-o", "run")
    files = [path for pattern in ("*.npz", "s*-?.jsonl") for path in (llmhd.folder / "run").rglob(pattern)]
    made = [path for path in files if path.name not in ("best.npz", "flags.npz")]
    for path in made:
        flat = path.name if path.parent.name == "run" else f"{path.parent.name}-{path.name}"
        assert (llmhd.folder / flat).read_bytes() == path.read_bytes(), path
    assert len([path for path in made if path.parent.name == "run"]) == (6 if texts else 2)
    assert {path.name for path in made} >= {"model.npz", "embeddings.npz", "drop-2.npz", "drop-4.npz"}
    check_records(llmhd.folder)


def check_records(folder):
    """metrics.jsonl tells how many pairs are cut and how well they match the marks, from the epoch after on."""
    found = {(r["epoch"], r["metric"]): r["value"] for r in lines(folder / "run" / "metrics.jsonl") if "k" not in r}
    noisy = {(r["user"], r["item"]) for r in lines(folder / "train.jsonl") if r["noise"]}
    for epoch, at in ((3, 2), (4, 2), (5, 4)):
        table = read_table(str(folder / "run" / f"drop-{at}.npz"), "suspects")
        rows = table["cut"] == 1
        cut = set(zip(table.users.take(table["user"][rows]), table.items.take(table["item"][rows]), strict=True))
        assert found[epoch, "cut"] == len(cut) == int(SHARE * len(table))
        assert found[epoch, "cut-precision"] == len(cut & noisy) / len(cut)
        assert found[epoch, "cut-recall"] == len(cut & noisy) / len(noisy)
    assert not {(epoch, "cut") for epoch in (1, 2)} & found.keys()


def test_evaluate_measures_what_left_the_graph_as_run_does(llmhd, words):
    clean = ["--clean", "graph", "--clean-at", 2, "--clean-share", SHARE, "--text-weight", 0, "--noise", "--keep"]
    llmhd(*words("bpr", "none"), *clean, "-o", "run")
    folder = llmhd.folder / "run"
    evaluate = ["evaluate", folder / "epoch-3" / "embeddings.npz", "test.jsonl"]
    out = llmhd(*evaluate, "--noise", "train.jsonl", "--drop", folder / "drop-2.npz")
    cut = [json.loads(line) for line in out.splitlines() if b'"cut' in line]
    recorded = [r for r in lines(folder / "metrics.jsonl") if r["epoch"] == 3 and r["metric"].startswith("cut")]
    assert cut == recorded and [r["metric"] for r in cut] == ["cut", "cut-precision", "cut-recall"]
    assert "--drop is measured against" in llmhd.refused(2, *evaluate, "--drop", folder / "drop-2.npz")


def test_run_without_cleaning_and_a_drop_of_nothing_change_nothing(llmhd):
    """But for the provenance of a file that was given."""
    llmhd(*first())
    llmhd(*go_on(2))
    plain = arrays(llmhd.folder, "model-2.npz")
    whole = llmhd.folder / "model-2.npz"
    bytes_before = whole.read_bytes()
    llmhd("suspect", "train.jsonl", "--history", "emb-1.npz", "--share", 0, "-o", "nothing.npz")
    (llmhd.folder / "empty.jsonl").write_text("")
    for drop in ("nothing.npz", "empty.jsonl"):
        llmhd(*go_on(2, "--drop", drop))
        assert all(np.array_equal(plain[name], array) for name, array in arrays(llmhd.folder, "model-2.npz").items())
    llmhd(*go_on(2))
    assert whole.read_bytes() == bytes_before


def removable(rows, count):
    """Pairs whose user and item came before: without them, all others keep their codes."""
    users, items, found = set(), set(), []
    for row in rows:
        if row["user"] in users and row["item"] in items and len(found) < count:
            found.append((row["user"], row["item"]))
        users.add(row["user"])
        items.add(row["item"])
    assert len(found) == count
    return found


def epoch_of(rows, loss):
    """Samples of an epoch in batches of 60 rows, each pair once, the next item by number that is free as negative."""
    held = {(row["user"], row["item"]) for row in rows}
    drawn = []
    for number, (user, item) in enumerate(sorted(held, key=str)):
        free = next(j % 40 for j in range(item + 1, item + 40) if (user, j % 40) not in held)
        head = {"batch": number // 60, "user": user, "item": item, "loss": 0.5}
        drawn += (
            [head | {"negative": free}] if loss == "bpr" else [head | {"label": 1}, head | {"item": free, "label": 0}]
        )
    return drawn


@pytest.mark.parametrize("loss", ["bpr", "bce"])
def test_a_dropped_pair_has_no_influence(llmhd, loss):
    """An epoch with --drop is one on a training file that never had the pairs, with the same samples but theirs."""
    rows, folder = lines(llmhd.folder / "train.jsonl"), llmhd.folder
    gone = removable(rows, 60)
    drawn = epoch_of(rows, loss)
    kept = [row for row in drawn if row.get("label") == 0 or (row["user"], row["item"]) not in gone]
    write(folder / "drop.jsonl", ({"user": user, "item": item, "cut": True} for user, item in gone))
    write(folder / "clean.jsonl", (row for row in rows if (row["user"], row["item"]) not in gone))
    write(folder / "samples.jsonl", drawn)
    write(folder / "kept.jsonl", kept)
    llmhd(*first("--loss", loss, "--samples", "samples.jsonl", "--drop", "drop.jsonl"))
    ours, z = arrays(folder, "model-1.npz"), arrays(folder, "emb-1.npz", "embeddings")
    llmhd("train-epoch", "clean.jsonl", *first("--loss", loss, "--samples", "kept.jsonl")[2:])
    theirs = arrays(folder, "model-1.npz")
    assert ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)
    twin = arrays(folder, "emb-1.npz", "embeddings")
    assert np.array_equal(z["user"], twin["user"]) and np.array_equal(z["item"], twin["item"])
    llmhd(*first("--loss", loss, "--samples", "samples.jsonl"))
    assert not np.array_equal(arrays(folder, "model-1.npz")["param.embedding"], ours["param.embedding"])


def positives(folder, name):
    table = read_table(str(folder / name), "samples")
    rows = table["label"] == 1 if "label" in table else np.ones(len(table), bool)
    return sorted(zip(table.users.take(table["user"][rows]), table.items.take(table["item"][rows]), strict=True))


@pytest.mark.parametrize("loss", ["bpr", "bce"])
def test_a_cut_is_taken_back_by_the_next_epoch_without_it(llmhd, loss):
    folder = llmhd.folder
    rows = lines(folder / "train.jsonl")
    held = sorted({(row["user"], row["item"]) for row in rows})
    gone = removable(rows, 30)
    write(folder / "drop.jsonl", ({"user": user, "item": item, "cut": True} for user, item in gone))
    llmhd(*first("--loss", loss))
    llmhd(*go_on(2, "--drop", "drop.jsonl"))
    assert positives(folder, "samples-3.npz") == sorted(set(held) - set(gone))
    assert meta(folder, "model-2.npz")["graph"] == meta(folder, "model-1.npz")["graph"]
    assert "drop" in meta(folder, "model-2.npz")["made"]["inputs"]
    assert "30 pairs left out" in llmhd.err
    llmhd(*go_on(3))
    assert positives(folder, "samples-4.npz") == held
    z, model = arrays(folder, "emb-3.npz", "embeddings"), arrays(folder, "model-3.npz")["param.embedding"]
    assert np.concatenate([z["user"], z["item"]]) == pytest.approx(propagated(folder, held, model), abs=1e-5)


def propagated(folder, held, ego):
    """z of LightGCN with two layers over all pairs, in double precision."""
    z = read_tensors(str(folder / "emb-3.npz"), "embeddings")
    size, n = len(ego), len(z.users)
    a = np.zeros((size, size))
    for user, item in held:
        u, i = z.users.index[str(user)], n + z.items.index[str(item)]
        a[u, i] = a[i, u] = 1.0
    scale = 1 / np.sqrt(a.sum(0))
    matrix = scale[:, None] * a * scale
    return (ego + matrix @ ego + matrix @ matrix @ ego) / 3


def test_flags_of_enough_epochs_are_dropped_too(llmhd):
    folder = llmhd.folder
    (user, item), (other, its) = removable(lines(folder / "train.jsonl"), 2)
    flag = {"user": user, "item": item, "label": 1, "count": 2, "sent": False}
    negative = {"user": user, "item": next(i for i in range(40) if i != item), "label": 0, "count": 9, "sent": True}
    write(folder / "flags.jsonl", [flag, flag | {"user": other, "item": its, "count": 3}, negative])
    llmhd(*first())
    for confidence, gone in (([], {(other, its)}), (["--confidence", 2], {(user, item), (other, its)})):
        llmhd(*go_on(2, "--drop", "flags.jsonl", *confidence))
        held = {(row["user"], row["item"]) for row in lines(folder / "train.jsonl")}
        assert set(positives(folder, "samples-3.npz")) == held - gone


def test_a_judged_row_of_a_dropped_pair_is_dropped(llmhd, stages):
    """Whatever its scores say; and the rows of other pairs are judged as without --drop."""
    llmhd.stages(stages("bpr", "llmhd", epochs=3))
    folder = llmhd.folder
    before = lines(folder / "epoch-3-verdicts.jsonl")
    hard = [row for row in before if row["verdict"] == "hard"]
    gone = {(row["user"], row["item"]) for row in hard[:2]}
    write(folder / "drop.jsonl", ({"user": user, "item": item, "cut": True} for user, item in gone))
    train = ["train-epoch", "train.jsonl", *ON, "--from", "epoch-2-model.npz", "--samples", "epoch-3-samples.npz"]
    train += ["--judged", "epoch-3-judged.jsonl", *THRESHOLDS, "--verdicts", "verdicts.jsonl"]
    llmhd(*train, "--drop", "drop.jsonl", "-o", "model.npz")
    wanted = [row | {"verdict": "dropped"} if (row["user"], row["item"]) in gone else row for row in before]
    assert hard and lines(folder / "verdicts.jsonl") == wanted


def test_what_the_llm_vouches_for_comes_back(llmhd):
    """Only what is cut is scored; scores that say yes free a pair, and others take its place."""
    folder = llmhd.folder
    llmhd("summarize", "train.jsonl", "--items", "items.jsonl", "-o", "profiles.jsonl")
    llmhd(*first())
    llmhd(*go_on(2))
    suspect = ["suspect", "train.jsonl", "--history", "emb-1.npz", "emb-2.npz"]
    scored = llmhd("score", "-", *TEXTS, stdin=llmhd(*suspect, "--share", 0.2))
    (folder / "scored.jsonl").write_bytes(scored)
    rows = [json.loads(line) for line in scored.splitlines()]
    assert [("score" in row) for row in rows] == [row["cut"] for row in rows]
    assert {row["model"] for row in rows if row["cut"]} == {"lexical/1"} and sum(row["cut"] for row in rows) > 50
    for row in rows:
        row["score"] = 10 if row["item"] % 2 else 1
        if not row["cut"]:
            del row["score"]
    write(folder / "opinion.jsonl", rows)

    def cut(*more):
        return {
            (row["user"], row["item"]) for row in map(json.loads, llmhd(*suspect, *more).splitlines()) if row["cut"]
        }

    alone, judged = cut("--share", 0.1), cut("--share", 0.1, "--scores", "opinion.jsonl", "--text-weight", 9)
    assert any(item % 2 for _, item in alone) and not any(item % 2 for _, item in judged)
    assert len(judged) == len(alone) and judged <= {(row["user"], row["item"]) for row in rows if row["cut"]}
    assert cut("--share", 0.1, "--scores", "opinion.jsonl", "--text-weight", 0) == alone


def test_suspects_are_twins_in_text_and_binary_and_so_is_what_comes_of_them(llmhd):
    folder = llmhd.folder
    llmhd("summarize", "train.jsonl", "--items", "items.jsonl", "-o", "profiles.jsonl")
    llmhd(*first())
    for end in ("jsonl", "npz"):
        suspect = ["suspect", "train.jsonl", "--history", "emb-1.npz"]
        llmhd(*suspect, "--share", 0.2, "-o", f"s.{end}")
        llmhd("score", f"s.{end}", *TEXTS, "-o", f"scored.{end}")
        llmhd(*suspect, "--share", 0.1, "--scores", f"scored.{end}", "-o", f"drop-{end}.npz")
    assert (folder / "drop-jsonl.npz").read_bytes() == (folder / "drop-npz.npz").read_bytes()
    llmhd("convert", "scored.npz", "twin.jsonl")
    assert (folder / "twin.jsonl").read_bytes() == (folder / "scored.jsonl").read_bytes()
    llmhd("validate", "s.npz", "s.jsonl", "scored.npz", "scored.jsonl")


@pytest.mark.parametrize("loss", ["bpr", "bce"])
def test_judged_rows_of_the_loop_are_scores_too(llmhd, stages, loss):
    """Those of positives; a negative that was judged is no training pair."""
    llmhd.stages(stages(loss, "llmhd", epochs=3))
    suspect = ["suspect", "train.jsonl", "--history", "epoch-3-embeddings.npz", "--scores", "epoch-3-judged.jsonl"]
    llmhd(*suspect, "-o", "s.jsonl")
    judged = [row for row in lines(llmhd.folder / "epoch-3-judged.jsonl") if "score" in row and row.get("label") != 0]
    found = {(row["user"], row["item"]): row["score"] for row in lines(llmhd.folder / "s.jsonl") if "score" in row}
    assert found == {(row["user"], row["item"]): row["score"] for row in judged} and found


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"user": "u1", "item": 99, "cut": True}, "drop.jsonl:2: item 99 is unknown here"),
        ({"user": "u1", "item": None, "cut": True}, "drop.jsonl:2: field 'item' is missing"),
        ({"user": "u0", "item": 1, "cut": False}, "drop.jsonl:2: user 'u0' with item '1' is no training pair"),
    ],
)
def test_pairs_that_are_not_in_training(llmhd, record, message):
    held = {(row["user"], row["item"]) for row in lines(llmhd.folder / "train.jsonl")}
    if record["item"] == 1:
        record["item"] = next(item for item in range(40) if ("u0", item) not in held)
        message = message.replace("'1'", f"'{record['item']}'")
    user, item = min(held)
    write(llmhd.folder / "drop.jsonl", [{"user": user, "item": item, "cut": True}, record])
    assert message in llmhd.refused(1, *first("--drop", "drop.jsonl"))
    llmhd(*first())
    assert message in llmhd.refused(1, "suspect", "train.jsonl", "--history", "emb-1.npz", "--scores", "drop.jsonl")


def test_nothing_left_to_learn_is_refused(llmhd):
    folder = llmhd.folder
    pairs = {(row["user"], row["item"]) for row in lines(folder / "train.jsonl")}
    write(folder / "drop.jsonl", ({"user": user, "item": item, "cut": True} for user, item in sorted(pairs)))
    assert "drop.jsonl: drops every training pair" in llmhd.refused(1, *first("--drop", "drop.jsonl"))
    write(folder / "drop.jsonl", ({"user": user, "item": item, "cut": True} for user, item in sorted(pairs)[1:]))
    user, item = sorted(pairs)[1]
    free = next(j for j in range(40) if (user, j) not in pairs)
    write(folder / "samples.jsonl", [{"batch": 0, "user": user, "item": item, "negative": free, "loss": 1}])
    message = llmhd.refused(1, *first("--drop", "drop.jsonl", "--samples", "samples.jsonl"))
    assert "samples.jsonl: holds no sample of a pair that is not dropped" in message


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--clean-at", "0"], "--clean-at '0' is not a list of epochs"),
        (["--clean-at", "two"], "--clean-at 'two' is not a list of epochs"),
        (["--clean-at", "4"], "--clean-at 4 leaves no epoch on the clean graph within --epochs 4"),
        (["--clean-share", "2"], "--clean-share"),
        (["--text-weight", "nan"], "--text-weight"),
        (["--clean", "all"], "choose from none, graph"),
    ],
)
def test_bad_options_of_a_run(llmhd, words, more, message):
    assert message in llmhd.refused(2, *words("bpr", "none"), "--clean", "graph", *more, "-o", "run")
    assert not (llmhd.folder / "run").exists()
