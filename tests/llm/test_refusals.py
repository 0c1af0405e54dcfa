"""What services say when they do not answer: found in every shape, and understood where it is about money or moderation."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmhd_tools.llm.service.refusals import words_of

USED_UP = [
    (402, {}),
    (402, "<html>Payment Required</html>"),
    (402, {"error": {"message": "Insufficient Balance", "type": "unknown_error", "code": "invalid_request_error"}}),
    (
        429,
        {
            "error": {
                "message": "You exceeded your current quota",
                "type": "insufficient_quota",
                "code": "insufficient_quota",
            }
        },
    ),
    (429, {"error": {"message": "no", "type": "insufficient_quota", "code": None}}),
    (429, {"error": {"message": "Your account is suspended", "type": "exceeded_current_quota_error"}}),
    (429, {"error": {"code": "1113", "message": "您的账户已欠费"}}),
    (
        403,
        {
            "error": {
                "code": "AllocationQuota.FreeTierOnly",
                "message": "The free tier of the model has been exhausted.",
            }
        },
    ),
    (403, {"code": "Arrearage", "message": "Access denied, is your account in good standing?"}),
    (403, {"error": {"code": "AccountOverdueError", "message": "overdue"}}),
    (403, {"error": {"message": "Key limit exceeded (total limit). Manage it using the site", "code": 403}}),
    (403, {"error": {"code": "insufficient_user_quota", "message": "用户额度不足"}}),
    (403, {"error": "Your newly created team doesn't have any credits yet. You can purchase credits at our site"}),
    (
        400,
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "Your credit balance is too low to go on."},
        },
    ),
    (
        400,
        {"error": {"message": "Budget has been exceeded! Current cost: 2, Max budget: 1", "type": "budget_exceeded"}},
    ),
    (400, {"error": {"code": "billing_hard_limit_reached", "message": "Billing hard limit has been reached"}}),
    (403, {"detail": "You have exceeded your monthly included credits for Inference Providers."}),
    (503, {"message": "Not enough credits. Please top up."}),
    (401, {"error": {"code": "InsufficientBalance"}}),
    (400, {"error": {"code": "BalanceNotEnough"}}),
    (403, {"message": "Account suspended due to an unpaid invoice"}),
    (429, {"error": {"message": "You have reached your specified API usage limits."}}),
]
OTHERS = [
    (429, {"error": {"code": "rate_limit_exceeded", "message": "Rate limit reached for requests; limit 3 a minute"}}),
    (
        429,
        {
            "error": {
                "code": 429,
                "status": "RESOURCE_EXHAUSTED",
                "message": "You exceeded your current quota, please wait",
            }
        },
    ),
    (429, {"error": {"code": "tokens", "message": "Need more tokens? Upgrade at https://x/settings/billing"}}),
    (429, {"error": {"code": "Throttling.AllocationQuota", "message": "Allocated quota exceeded, wait"}}),
    (400, {"error": {"code": "context_length_exceeded", "message": "This exceeds the maximum of 8192 tokens"}}),
    (400, {"error": {"message": "max_tokens exceeded the thinking budget"}}),
    (500, {"error": {"message": "insufficient memory"}}),
    (503, {}),
]


@pytest.mark.parametrize(("status", "body"), USED_UP)
def test_used_up_credit_in_its_many_spellings(status, body):
    assert words_of(json.dumps(body).encode() if isinstance(body, dict) else body.encode()).used_up(status)


@pytest.mark.parametrize(("status", "body"), OTHERS)
def test_what_a_wait_or_another_request_helps_is_not_that(status, body):
    assert not words_of(json.dumps(body).encode()).used_up(status)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"error": {"code": "x_y", "message": "too long", "type": "t"}}, "x_y: too long"),
        ({"error": {"code": 400, "message": "too long", "type": "bad_request"}}, "bad_request: too long"),
        ({"error": "too long"}, "too long"),
        ([{"error": {"code": 400, "message": "too long", "status": "INVALID_ARGUMENT"}}], "INVALID_ARGUMENT: too long"),
        ({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}, "BadRequestError: too long"),
        ({"message": "too long"}, "too long"),
        ({"msg": "too long", "code": 40010}, "40010: too long"),
        ({"error_code": 336003, "error_msg": "too long"}, "336003: too long"),
        ({"detail": "too long"}, "too long"),
        ({"detail": {"message": "too long"}}, "too long"),
        ({"detail": [{"loc": ["body", "top_p"], "msg": "must be 1"}, {"loc": [], "msg": "b"}]}, "top_p: must be 1; b"),
        ({"errors": [{"message": "too long", "code": 7}]}, "too long"),
        ({"fault": {"faultstring": "too long"}}, "too long"),
        ({"error": {"message": "upstream fault", "metadata": {"raw": "too\nlong"}}}, "upstream fault (too long)"),
        ({"success": False}, "'{\"success\": false}'"),
        ({}, "'{}'"),
    ],
)  # fmt: skip
def test_words_of_many_shapes(body, told):
    assert words_of(json.dumps(body).encode()).told(400) == told


def test_what_is_no_json_is_shown_by_its_first_bytes():
    assert words_of(b"upstream \x1b[31m died" + b"!" * 500).told() == ascii(("upstream \x1b[31m died" + "!" * 500)[:80])
    assert words_of(b" \n").told() == words_of(b"").told() == "no reason given"


@pytest.mark.parametrize(
    ("error", "flagged"),
    [
        ({"message": "no", "metadata": {"reasons": ["violence"], "flagged_input": "..."}}, True),
        ({"message": "Your input was flagged", "code": 403}, True),
        ({"code": "content_policy_violation"}, True),
        ({"code": "data_inspection_failed"}, True),
        ({"message": "Input may contain inappropriate content"}, True),
        ({"message": "You are not allowed to sample from this model"}, False),
        ({"code": "unsupported_country_region_territory"}, False),
        ({}, False),
    ],
)
def test_moderation(error, flagged):
    assert words_of(json.dumps({"error": error}).encode()).flagged() == flagged


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["error", "message", "detail", "code", "type", "metadata", "loc", "msg", "x"]), inner
            )
        ),
    )
)
def test_any_body_is_told_in_few_words(value):
    words = words_of(json.dumps(value).encode())
    assert 0 < len(words.told(400)) < 400 and isinstance(words.used_up(400), bool) and isinstance(words.flagged(), bool)
