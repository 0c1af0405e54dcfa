"""Records as JSON Lines, under whatever names their fields have."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from llmhd_tools.importers.text import Lines, shown


def parse(line: str) -> dict[str, Any]:
    """The JSON object of a line. Raises ValueError for anything else, a field that stands twice, and what JSON cannot hold."""
    try:
        record = json.loads(line, object_pairs_hook=_object, parse_constant=_constant, parse_float=_finite)
        if "\\u" in line:  # an escaped half of a surrogate pair could not be written again
            json.dumps(record, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("is nested too deep") from None
    except ValueError as err:
        raise ValueError(f"not a JSON record: {getattr(err, 'msg', err)}") from None
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    return record


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a field is there twice")
    return record


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text} is out of range")
    return value


def objects(lines: Lines) -> Iterator[dict[str, Any]]:
    """The records of a file, one a line; a line that holds none is bad, blank ones are counted."""
    for line in lines:
        if line.isspace():
            lines.blank += 1
            continue
        try:
            record = parse(line)
        except ValueError as err:
            if lines.number == 1 and line.lstrip()[:1] in ("[", "{") and (way := _way_out(line)):
                raise lines.error(f"is not one JSON object a line; {way} makes it so") from None
            lines.bad(str(err))
            continue
        yield record


def _way_out(line: str) -> str:
    """For a file that is one JSON value, what turns it into lines."""
    if line.lstrip().startswith("["):
        return "`jq -c '.[]'`"
    return "`jq -c .`" if line.strip() == "{" else ""


def records(lines: Lines, names: Sequence[str]) -> Iterator[list[Any]]:
    """The named fields of every record, of which the first two are ids: strings, integers as strings."""
    for record in objects(lines):
        if missing := [name for name in names if record.get(name) is None]:
            is_ = "null" if missing[0] in record else f"not among {', '.join(map(shown, [*record][:20]))}"
            lines.bad(f"field '{missing[0]}' is {is_}")
            continue
        values = [record[name] for name in names]
        if odd := [k for k in (0, 1) if type(values[k]) not in (str, int)]:
            lines.bad(f"'{names[odd[0]]}' is {shown(values[odd[0]])}, ids must be strings or integers")
            continue
        yield [str(values[0]), str(values[1]), *values[2:]]


def text_of(value: Any) -> str:
    """A field as a text: of lists the elements, one behind the other."""
    if isinstance(value, list):
        return " ".join(text.strip() for text in map(text_of, value) if text.strip())
    return "" if value is None or isinstance(value, bool | dict) else str(value)
