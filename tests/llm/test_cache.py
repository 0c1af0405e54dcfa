"""The cache: what is in it comes back, what is damaged does not, and several processes may use it."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys

import pytest

from llmhd_tools.errors import InputError
from llmhd_tools.llm.cache import Cache
from llmhd_tools.llm.calls import Call, Reply, key_of


def call(number: int, **params: object) -> Call:
    body = {"model": "m", "messages": [{"role": "user", "content": f"question {number}"}], **params}
    return Call("score", body, key_of("h", body))


def fill(path, numbers) -> None:
    cache = Cache(path)
    for n in numbers:
        cache.put(call(n), Reply(f"<s>{n}</s>", expected=n / 3), "h")
    cache.close()


def test_answers_come_back_whole(tmp_path):
    fill(tmp_path / "c", range(5))
    cache = Cache(tmp_path / "c")
    assert cache.get(call(3).key) == Reply("<s>3</s>", expected=1.0) and cache.get(call(9).key) is None
    assert [row[0] for row in cache.rows()] == sorted(call(n).key for n in range(5))
    cache.put(call(9), Reply("new"), "h")
    assert cache.get(call(9).key) == Reply("new")  # before it is committed, too


def test_the_key_holds_what_an_answer_depends_on():
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    keys = {
        key_of("h", body), key_of("g", body), key_of("h", body | {"model": "n"}), key_of("h", body | {"temperature": 0}),
        key_of("h", body | {"messages": []}), key_of("h", body, sample=1),
    }  # fmt: skip
    assert len(keys) == 6
    assert key_of("h", dict(reversed(body.items()))) == key_of("h", body)


def test_altered_and_foreign_rows_are_passed_over(tmp_path, caplog):
    caplog.set_level("INFO", logger="llmhd")
    fill(tmp_path / "c", range(3))
    database = sqlite3.connect(tmp_path / "c")
    database.execute("UPDATE answers SET reply = replace(reply, '<s>1', '<s>9')")
    database.execute("INSERT INTO answers VALUES ('k', 'h', 'm', 'score', '[1]', x'00', 1)")
    database.execute("INSERT INTO answers VALUES ('n', NULL, NULL, NULL, NULL, NULL, NULL)")
    database.commit()
    cache = Cache(tmp_path / "c")
    assert [cache.get(call(n).key) for n in range(3)] == [
        Reply("<s>0</s>", expected=0.0),
        None,
        Reply("<s>2</s>", expected=2 / 3),
    ]
    assert len(list(cache.rows())) == 2
    assert caplog.text.count("passed over") == 1


def test_a_cache_cut_anywhere_is_refused_or_right(tmp_path):
    fill(tmp_path / "whole", range(40))
    whole = (tmp_path / "whole").read_bytes()
    for size in [*range(0, 200), *range(200, len(whole), 211)]:
        path = tmp_path / "cut"
        for suffix in ("", "-wal", "-shm"):
            (tmp_path / f"cut{suffix}").unlink(missing_ok=True)
        path.write_bytes(whole[:size])
        with contextlib.suppress(InputError):
            cache = Cache(path)
            for n in range(40):
                assert cache.get(call(n).key) in (None, Reply(f"<s>{n}</s>", expected=n / 3))
            cache.close()


@pytest.mark.parametrize("content", [b"not a database", b"x" * 5000])
def test_another_file_is_refused_and_left_alone(content, tmp_path):
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(InputError, match="`cache`"):
        Cache(tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == content


def test_another_programs_database_is_refused(tmp_path):
    database = sqlite3.connect(tmp_path / "c")
    database.execute("CREATE TABLE mine (x)")
    database.commit()
    with pytest.raises(InputError, match="another program"):
        Cache(tmp_path / "c")


def test_processes_share_a_cache(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[3])\n"
        "from test_cache import Cache, Reply, call\n"
        "cache = Cache(sys.argv[1])\n"
        "for n in range(int(sys.argv[2]), 200, 3):\n"
        "    cache.put(call(n), Reply(f'<s>{n}</s>'), 'h'); cache.commit()\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "c")]
    writers = [subprocess.Popen([*words, str(n), __file__.rsplit("/", 1)[0]]) for n in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    cache = Cache(tmp_path / "c")
    assert all(cache.get(call(n).key) == Reply(f"<s>{n}</s>") for n in range(200))
