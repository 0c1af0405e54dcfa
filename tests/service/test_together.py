"""Several candidates in a call, a user's own items for a profile, repeats and limits, against a server on loopback."""

from __future__ import annotations

import json
import re

from fault_server import FaultServer, answer_to, completion, response


def rows(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_users_candidates_share_a_call_and_keep_their_scores(llmhd, shop):
    """The server scores each line by its text: in which call or place an item stands changes nothing."""
    with FaultServer() as server:
        few = rows(llmhd(*shop(60), "--together", "3", server=server))
        alone = len(server.bodies)
        many = rows(llmhd(*shop(60), "--together", "10", server=server))
        assert [row["score"] for row in few] == [row["score"] for row in many]
        assert alone == 20 and len(server.bodies) - alone == 10
        first = server.bodies[0]["messages"][1]["content"]
        assert first.count("A book about") == 3 and first.count("Likes number") == 1


def test_a_part_is_asked_again_and_what_is_missing_stays_an_error(llmhd, shop):
    with FaultServer() as server:

        def reply(_line, body):
            request = json.loads(body)
            server.bodies.append(request)
            whole = answer_to({"messages": request["messages"][:2]})
            cut = re.sub(r"\n2: \S+", "", whole)
            again = len(request["messages"]) > 2
            extra = "" if again else "\n99: 4\n</scores>"
            return response(completion(cut.replace("\n</scores>", extra) if not again else cut))

        server.routes["/v1/chat/completions"] = reply
        found = rows(llmhd(*shop(30), "--together", "3", server=server))
        assert sum("score" in row for row in found) == 20
        assert {row["error"] for row in found if "error" in row} == {
            "the answer has no single score from 1 to 10 for number 2"
        }
        asked = [body["messages"][-1]["content"] for body in server.bodies if len(body["messages"]) > 2]
        assert len(asked) == 10 and all("number 2; number 99 was not asked for" in text for text in asked)


def test_own_items_in_the_place_of_a_profile(llmhd, shop, tmp_path):
    words = shop(40)
    profiles = words.index("--profiles")
    train = ({"user": f"u{u}", "item": f"i{(u + 10 * n) % 40}"} for u in range(10) for n in range(4))
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in train))
    words = [
        *words[:profiles],
        *words[profiles + 2 :],
        "--train",
        str(tmp_path / "train.jsonl"),
        "--history-items",
        "2",
    ]
    with FaultServer() as server:
        assert len(rows(llmhd(*words, "--together", "2", server=server))) == 40
        for body in server.bodies:
            known, judged = body["messages"][1]["content"].split("The items to judge:")
            shown = set(re.findall(r"about (\d+)", known)), set(re.findall(r"about (\d+)", judged))
            assert len(shown[0]) == len(shown[1]) == 2 and not shown[0] & shown[1]
    assert llmhd(*words, "--expected-score", server="http://127.0.0.1:9/v1").returncode == 2
    assert llmhd(*words[:-2], server="http://127.0.0.1:9/v1").returncode == 2


def test_repeats_are_asked_anew_and_kept_apart(llmhd, shop):
    with FaultServer() as server:
        replies = iter(range(10**6))

        def reply(_line, body):
            server.bodies.append(json.loads(body))
            return response(completion(f"<s>{1 + next(replies) % 3}</s>"))

        server.routes["/v1/chat/completions"] = reply
        (row,) = rows(llmhd(*shop(1, users=1), "--repeat", "3", server=server))
        assert (row["score"], row["spread"]) == (2, 1) and len(server.bodies) == 3
        assert rows(llmhd(*shop(1, users=1), "--repeat", "3", server=server)) == [row] and len(server.bodies) == 3


def test_a_limit_asks_the_first_and_says_so_of_the_rest(llmhd, shop):
    with FaultServer() as server:
        found = rows(llmhd(*shop(30), "--limit", "4", server=server))
        assert len(server.bodies) == 4 == sum("score" in row for row in found)
        assert {row["error"] for row in found if "score" not in row} == {"not asked: beyond `limit`"}


def test_the_plan_counts_the_tokens_of_both_ways(llmhd, shop):
    def tokens(*more):
        told = llmhd(*shop(200), "--dry-run", *more, server="http://127.0.0.1:9/v1").stderr
        return [int(part.replace(",", "")) for part in re.findall(r"([\d,]+) (?:tokens in|out )", told)]

    (one_in, one_out), (all_in, all_out) = tokens(), tokens("--together", "20")
    assert all_in < one_in / 4 and (one_out, all_out) == (200 * 8, 200 * 6)


def test_appraisals_by_a_service(llmhd, shop, tmp_path):
    items = shop(50)[-1]
    with FaultServer() as server:
        done = llmhd("appraise", items, "--domain", "books", server=server)
        found = rows(done)
        assert [row["item"] for row in found] == [f"i{n}" for n in range(50)] and all(
            1 <= r["score"] <= 10 for r in found
        )
        assert len(server.bodies) == 3 and "place in the call against score" in done.stderr
        requests = tmp_path / "requests.jsonl"
        assert llmhd("appraise", items, "--requests", str(requests), server=server).returncode == 0
        assert len(requests.read_text().splitlines()) == 3
