"""``llmhd batch``: hand request files to a batch service, and fetch the answers when they are there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmhd_tools.cli.options import Out, one_of
from llmhd_tools.errors import LlmhdError, ServiceError

if TYPE_CHECKING:
    from llmhd_tools.llm.service.client import BatchService

_ENDED = ("completed", "failed", "expired", "cancelled")


def command(
    action: Annotated[
        str,
        typer.Argument(help="submit, status or fetch.", callback=one_of("submit", "status", "fetch"), metavar="ACTION"),
    ],
    names: Annotated[list[str], typer.Argument(help="Request files (submit), or batch ids.", metavar="FILE|ID...")],
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="The service's address. [$OPENAI_BASE_URL]", metavar="URL")
    ] = None,
    api_key_file: Annotated[
        str | None, typer.Option("--api-key-file", help="Read the key from a file, not OPENAI_API_KEY.", metavar="FILE")
    ] = None,
    key_header: Annotated[
        str | None,
        typer.Option(
            "--key-header", help="Send the key in this header, such as api-key. [Authorization]", metavar="NAME"
        ),
    ] = None,
    header_file: Annotated[
        str | None, typer.Option("--header-file", help="More headers, 'Name: value' a line.", metavar="FILE")
    ] = None,
    output: Out = "-",
) -> int:
    """Submit requests to a batch service and fetch its answers.

    submit uploads files that --requests wrote and prints a record for each batch; status prints how far they are; fetch
    writes the answers and the errors of ended batches as one file for --responses, and exits 1 while one is running.

    \b
    Examples:
      llmhd score noisy.jsonl --profiles p.jsonl --items items.jsonl --llm openai:gpt-x --requests requests.jsonl
      llmhd batch submit requests.jsonl
      llmhd batch fetch batch_abc123 -o answers.jsonl
    """
    from llmhd_tools.cli import console
    from llmhd_tools.files.jsonl import write_records
    from llmhd_tools.files.streams import check_output, open_out
    from llmhd_tools.llm.service.client import BatchService
    from llmhd_tools.llm.service.endpoint import open_endpoint

    check_output(output, names if action == "submit" else [])
    service = BatchService(open_endpoint(base_url, api_key_file, key_header, header_file))
    if action == "submit":
        return _submit(service, names, output)
    batches = [service.status(name) for name in names]
    if action == "status":
        write_records(output, map(_described, batches))
        return 0
    running = [batch for batch in batches if batch.get("status") not in _ENDED]
    if running:
        console.say(f"batch: {len(running)} of {len(batches)} batches are still running; fetch again later")
        return 1
    files = [batch[side] for batch in batches for side in ("output_file_id", "error_file_id") if batch.get(side)]
    if not files:
        raise ServiceError(f"the batches ended without any answer: {_described(batches[0])}")
    with open_out(output) as out:
        for name in files:
            content = service.content(name)
            out.write(content if content.endswith(b"\n") or not content else content + b"\n")
    return 0


def _submit(service: BatchService, names: list[str], output: str) -> int:
    """Submit the files in turn. What is submitted runs and costs, so its records are written whatever happens after."""
    from llmhd_tools import notes
    from llmhd_tools.files.jsonl import Record, write_records

    done: list[str] = []
    stopped: list[BaseException] = []

    def records() -> Iterator[Record]:
        for name in names:
            try:
                batch = _described(service.submit(name)) | {"requests": name}
            except BaseException as error:
                if not done:
                    raise
                stopped.append(error)
                return
            done.append(name)
            notes.note(f"{name} is batch {batch['id']} ({batch['status']})")
            yield batch

    write_records(output, records())
    for error in stopped:
        rest = ", ".join(names[len(done) :])
        if isinstance(error, LlmhdError):
            raise type(error)(
                f"{error}; {', '.join(done)} {'is' if len(done) == 1 else 'are'} submitted: submit only {rest}"
            )
        raise error
    return 0


def _described(batch: dict[str, Any]) -> dict[str, Any]:
    """What a person wants to know of a batch."""
    counts = batch.get("request_counts") or {}
    errors = [error.get("message") for error in (batch.get("errors") or {}).get("data") or []]
    record = {
        "id": batch.get("id"),
        "status": batch.get("status"),
        **{k: v for k, v in counts.items() if v is not None},
    }
    return record | ({"errors": errors[:5]} if errors else {})
