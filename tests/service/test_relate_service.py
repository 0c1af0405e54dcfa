"""``relate`` as a process against a scripted server: prompts, answers out of form, batches, dry run."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from fault_server import FaultServer, answer_to, completion, response

from llmhd_tools.files.ids import Ids
from llmhd_tools.files.tensors import Tensors, write_tensors

USERS, ITEMS = 4, 8


@pytest.fixture
def words(tmp_path, monkeypatch):
    """The words of a call on a world where user u likes items 2u..2u+3 and scores item n by how near n is to 2u."""
    monkeypatch.chdir(tmp_path)

    def write(name, records):
        Path(name).write_text("".join(json.dumps(record) + "\n" for record in records))

    write("train.jsonl", ({"user": f"u{u}", "item": f"i{(2 * u + n) % ITEMS}"} for u in range(USERS) for n in range(4)))
    write("profiles.jsonl", ({"user": f"u{u}", "profile": f"Likes number {u}. <s>10</s>"} for u in range(USERS)))
    write("items.jsonl", ({"item": f"i{n}", "profile": f"A book about {n}.\n[INST]"} for n in range(ITEMS)))
    distance = np.abs(np.arange(ITEMS) - 2 * np.arange(USERS)[:, None])
    scores = -np.minimum(distance, ITEMS - distance) - np.arange(ITEMS) / 100
    arrays = {"user": scores.astype(np.float32), "item": np.eye(ITEMS, dtype=np.float32)}
    ids = Ids([f"u{u}" for u in range(USERS)]), Ids([f"i{n}" for n in range(ITEMS)])
    write_tensors("emb.npz", Tensors("embeddings", arrays, *ids))
    inputs = ["emb.npz", "--train", "train.jsonl", "--profiles", "profiles.jsonl", "--items", "items.jsonl"]
    return ["relate", *inputs, "--lowest", "0.25", "--domain", "books", "--shown", "2"]


def rows_of(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class Scripted(FaultServer):
    """A server whose good answers are given by a function of the prompt."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def __enter__(self):
        super().__enter__()
        self.routes["/v1/chat/completions"] = self._reply
        return self

    def _reply(self, _line, body):
        request = json.loads(body)
        self.bodies.append(request)
        return response(completion(self.answer(request["messages"][1]["content"])))


def view(content):
    return "item_view" if "The book in question" in content else "user_view"


def test_two_questions_a_pair_and_hard_only_if_both_are_high(words, llmhd):
    def answer(content):
        high = "about 3." in content.rpartition("\n")[2] or view(content) == "user_view"
        return f"<relevance>{'High' if high else 'Mid'}</relevance>"

    with Scripted(answer) as server:
        rows = rows_of(llmhd(*words, server=server))
        again = llmhd(*words, server=server)
        assert len(server.bodies) == 2 * len(rows) and [json.loads(line) for line in again.stdout.splitlines()] == rows
    assert [(row["user"], row["item"], row["label"]) for row in rows[:2]] == [("u0", "i3", 1), ("u0", "i7", 0)]
    assert rows[0]["verdict"] == "hard" and rows[1]["verdict"] == "noisy" and rows[1]["item_view"] == "Mid"
    assert all(row["user_view"] == "High" and row["model"] == "openai:m" for row in rows)
    prompts = [body["messages"][1]["content"] for body in server.bodies]
    mine = [text for text in prompts if view(text) == "item_view" and text.endswith('"A book about 3. (INST)"')]
    assert any('1. "A book about 0. (INST)"\n2. "A book about 1. (INST)"' in text for text in mine)  # best first
    assert not any("<s>" in text or "[INST]" in text for text in prompts)


def test_an_item_never_stands_for_the_user_that_it_is_judged_for(words, llmhd):
    with Scripted(lambda content: "High") as server:
        rows_of(llmhd(*words[:-1], "9", "--lowest", "1", server=server))
    for body in server.bodies:
        content = body["messages"][1]["content"]
        if view(content) == "item_view":
            *shown, item = [line.partition(". ")[2] or line for line in content.split("\n") if "A book about" in line]
            assert len(shown) in (3, 4) and content.rpartition("\n")[2] not in shown and item


def test_an_answer_out_of_form_is_asked_for_again_and_then_an_error(words, llmhd):
    def answer(content):
        if view(content) == "item_view" and content.endswith('"A book about 3. (INST)"'):
            return "Well, High or Mid, I would say."
        return "<relevance>High</relevance>"

    with Scripted(answer) as server:
        done = llmhd(*words, "--usage", "usage.jsonl", server=server)
        rows = rows_of(done)
    bad = [row for row in rows if row["item"] == "i3"]
    assert bad and all(
        "item_view: no <relevance>" in row["error"] and "verdict" not in row and row["user_view"] == "High"
        for row in bad
    )
    assert all(row["verdict"] == "hard" for row in rows if row["item"] != "i3")
    usage = {row["template"]: row for row in map(json.loads, Path("usage.jsonl").read_text().splitlines())}
    assert usage["relate-item"]["again"] == len(bad) and usage["relate-user"]["sent"] == len(rows)
    assert usage["relate-user"]["prompt_tokens"] == 100 * len(rows)


@pytest.mark.parametrize("fault", ["length", "refusal", "400"])
def test_no_answer_is_no_verdict(fault, words, llmhd):
    with FaultServer(lambda body, number: fault) as server:
        done = llmhd(*words, server=server)
    assert done.returncode == 1
    assert all("error" in row and "verdict" not in row for row in map(json.loads, done.stdout.splitlines()))


def test_dry_run_and_batch_round_trip(words, llmhd):
    plan = llmhd(*words, "--dry-run", "--price-in", "1", "--price-out", "1", server="http://h/v1")
    assert plan.returncode == 0 and plan.stdout == "" and "16 requests: 0 duplicate" in plan.stderr
    assert llmhd(*words, "--requests", "r.jsonl", server="http://h/v1").returncode == 0
    requests = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    assert len(requests) == 16 and requests[0]["url"] == "/v1/chat/completions"
    lines = [
        {"custom_id": r["custom_id"], "error": None,
         "response": {"status_code": 200, "body": completion(answer_to(r["body"]))}}
        for r in requests
    ]  # fmt: skip
    random.Random(1).shuffle(lines)
    Path("a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[1:]))
    batched = rows_of(llmhd(*words, "--responses", "a.jsonl", server="http://h/v1"))
    assert sum("error" in row for row in batched) == 1
    with FaultServer() as server:  # asked live it is the same
        live = rows_of(llmhd(*words, "--cache", "other", server=server))
    whole = [row for row in batched if "error" not in row]
    assert all(row in live for row in whole) and {row["verdict"] for row in live} <= {"hard", "noisy"}
