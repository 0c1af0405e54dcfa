"""How replies end, in the spellings of many servers."""

from __future__ import annotations

import pytest

from llmhd_tools.llm.endings import fault_of, is_broken, is_stopped

ENDS = [
    "stop", "STOP", "Stop", "stop_sequence", "eos", "eos_token", "EOS_TOKEN", "end", "end_turn", "endTurn", "complete",
    "COMPLETE", "completed", "finish", "finished", "done", "FinishReason.STOP", "FINISH_REASON_STOP", "stop_str",
    "tool_calls", "function_call", "pause_turn", "something_new", "1",
]  # fmt: skip
CUT = [
    "length", "LENGTH", "max_tokens", "MAX_TOKENS", "maxTokens", "max_length", "model_length", "max_output_tokens",
    "token_limit", "incomplete",
]  # fmt: skip
WITHHELD = [
    "content_filter", "CONTENT_FILTER", "contentFilter", "content-filter", "SAFETY", "RECITATION", "blocklist", "sensitive",
    "moderation",
]  # fmt: skip
BROKEN = [
    "error", "ERROR", "abort", "aborted", "cancelled", "canceled", "failed", "timeout", "timed_out", "network_error",
    "server_error", "unavailable", "insufficient_system_resource",
]  # fmt: skip


@pytest.mark.parametrize("finish", ENDS)
def test_an_unknown_name_is_an_end(finish):
    assert fault_of(finish, "<s>8</s>") is None and not is_broken(finish) and not is_stopped(finish)


@pytest.mark.parametrize(
    ("names", "said"), [(CUT, "cut off"), (WITHHELD, "content filter"), (BROKEN, "broke off"), (["refusal"], "refusal")]
)
def test_the_abnormal_ends(names, said):
    for finish in names:
        assert said in (fault_of(finish, "") or ""), finish
        assert is_broken(finish) == (names is BROKEN) and is_stopped(finish) == (names in (CUT, WITHHELD))


def test_a_reply_that_holds_something_else_than_text():
    for finish in ("reasoning", "tool_calls", "empty", "refusal"):
        assert fault_of(finish, " \n") and fault_of(finish, "<s>8</s>") is None
