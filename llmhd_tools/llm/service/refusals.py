"""What a service says instead of an answer: its words, whatever their shape, and what two kinds of them mean.

Bodies seen in the field: ``{"error": {...}}``, ``{"error": "text"}``, the same in a list, ``{"message": ...}`` at the top,
``{"detail": "text"}`` or a list of faults with places (FastAPI), ``{"errors": [...]}``, plain text, a proxy's HTML.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

SHOWN = 300  # characters of a service's own words
_MESSAGES = (
    "message", "msg", "detail", "error_msg", "error_message", "errorMessage", "faultstring", "reason", "description", "title",
    "error",
)  # fmt: skip
_CODES = ("code", "error_code", "errorCode", "errcode", "type", "error_type", "status")

_CREDIT_CODE = re.compile(
    r"""
      insufficient_?(?:user_)?(?:quota|balance|credit|fund|money) | exceeded?_(?:your_)?current_quota | quota_exhausted
    | (?:out_of|no|low|not_enough|negative|zero)_(?:credit|balance|fund|quota)
    | (?:credit|balance|fund)s?_?(?:exhausted|depleted|limit|not_enough|insufficient)
    | billing | arrear | overdue | payment_required
    | budget_?exceeded | exceeded_?budget | (?:spend|spending|hard)_?limit | free_?tier_?only | ^1113$
    """,
    re.VERBOSE,
)
_CREDIT_WORDS = re.compile(
    r"""
      (?:insufficient|not\ enough|no\ more|(?:ran\ |run\ )?out\ of|lack\ of)\ (?:\w+\ ){0,2}(?:balance|credits?|funds?|quota)\b
    | \b(?:balance|credits?|funds?|quota)\ (?:\w+\ ){0,3}
      (?:not\ enough|too\ low|insufficient|exhausted|depleted|used\ up|negative|ran\ out|below\ zero)
    | (?:used|exceeded|reached|exhausted|depleted)\ (?:\w+\ ){0,4}(?:credits|spending|spend\ limit|(?:monthly|credit)\ limit)
    | \b(?:credit|spend(?:ing)?|budget|monthly\ usage|key)\ limit\ (?:\w+\ ){0,2}(?:exceeded|reached)
    | exceeded\ your\ (?:\w+\ )?budget | budget\ has\ been\ exceeded | exceededbudget
    | (?:have|has)\ no\ (?:\w+\ ){0,2}credits? | doesn['’]t\ have\ any\ credits | requires\ (?:\w+\ ){0,2}more\ credits
    | payment\ required | unpaid\ (?:invoice|bill|balance) | specified\ (?:api\ )?usage\ limits
    | in\ arrears | overdue\ (?:payment|balance|bill) | (?:please|to)\ (?:recharge|top\ ?up)
    | (?:add|buy|purchase)\ (?:\w+\ ){0,3}credits | can\ only\ afford
    | 余额不足 | 额度不足 | 欠费 | 充值
    """,
    re.IGNORECASE | re.VERBOSE,
)
_QUOTA = re.compile(r"exceeded your current quota|quota_exceeded|exceeded_quota|quota exceeded", re.IGNORECASE)
_FLAGGED = re.compile(
    r"moderat|flagged|content[ _-]?(?:policy|filter|safety|management|violation)|safety|inappropriate|unsafe|harmful"
    r"|prohibited|sensitive|violat|data_?inspection|guardrail",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Words:
    """The words of an error; empty ones where a service gave none."""

    codes: tuple[str, ...] = ()  # code, type, status: the most telling first
    message: str = ""
    flagged_by: str = ""  # what its metadata says of a moderation

    def told(self, status: int | None = None) -> str:
        """In a few words, for a person: the code unless it repeats the status, and the message."""
        named = [code for code in self.codes if code != str(status) and code.lower() not in ("error", "fail", "failed")]
        code = next((code for code in named if not code.isdigit()), (named or [""])[0])
        told = ": ".join(part for part in (code[:60], self.message[:SHOWN]) if part)
        return told or "no reason given"

    def used_up(self, status: int | None = None) -> bool:
        """Whether the account's credit is used up, in one of its many spellings."""
        if status == 402 or "402" in self.codes:
            return True
        if any(_CREDIT_CODE.search(_plain(code)) for code in self.codes):
            return True
        if _CREDIT_WORDS.search(self.message):
            return True
        of_a_minute = status in (429, None)  # some say "quota" of the calls of a minute too
        return not of_a_minute and any(_QUOTA.search(text) for text in (*map(_plain, self.codes), self.message))

    def flagged(self) -> bool:
        """Whether a moderation objects to this one input."""
        return bool(self.flagged_by or any(_FLAGGED.search(text) for text in (*self.codes, self.message)))


def words_of(body: bytes) -> Words:
    """The words of an error response."""
    try:
        found = words_in(json.loads(body))
    except (ValueError, RecursionError):
        found = Words()
    return found if found.message or found.codes else Words(message=sample(body) if body.strip() else "")


def words_in(value: Any) -> Words:
    """The words in a JSON value that holds an error."""
    if isinstance(value, list):
        return words_in(value[0]) if value else Words()
    if not isinstance(value, dict):
        return Words(message=_line(value)) if isinstance(value, str) else Words()
    inner = value.get("error") or value.get("fault")
    if isinstance(inner, dict):
        found, outer = words_in(inner), _flat(value)
        return Words(found.codes or outer.codes, found.message or outer.message, found.flagged_by)
    return _flat(value)


def _flat(value: dict[str, Any]) -> Words:
    codes = tuple(str(value[name]) for name in _CODES if isinstance(value.get(name), str | int) and value[name] != "")
    message = next((text for name in _MESSAGES if (text := _line(value.get(name)))), "") or _line(value.get("errors"))
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        return Words(codes, message)
    raw = _line(metadata.get("raw"))  # what a router was told in turn
    return Words(
        codes, f"{message} ({raw})" if raw else message, _line(metadata.get("reasons") or metadata.get("flagged_input"))
    )


def _line(value: Any) -> str:
    """A text on one line, or those of an object or a list (of FastAPI's faults, say)."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, dict):
        place = value.get("loc")
        where = ".".join(str(part) for part in place if part != "body") if isinstance(place, list) else ""
        return ": ".join(part for part in (where, _flat(value).message) if part)
    return "; ".join(filter(None, map(_line, value[:3]))) if isinstance(value, list) else ""


def _plain(code: str) -> str:
    """``InsufficientBalance`` and ``insufficient-balance`` as ``insufficient_balance``."""
    return re.sub(r"[\s.-]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", code)).lower()


def sample(body: bytes) -> str:
    """The first bytes of a body, safe to print."""
    return ascii(body[:80].decode(errors="replace")) if body else "an empty body"
