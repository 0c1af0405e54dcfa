"""Who answers prompts, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass

from llmhd_tools.settings.declare import Section, choice


@dataclass(frozen=True)
class Service(Section):
    """Who answers, and how it is asked. All but ``llm`` and ``cache`` count for ``openai:MODEL`` only."""

    title = "Language model"

    llm: str = choice(
        "lexical",
        "Who answers: lexical (word overlap, not an LLM), embed:MODEL (local sentence embeddings), distilled:FILE (of "
        "`distil`; scores alone), openai:MODEL (any "
        "OpenAI-compatible service; OPENAI_API_KEY, OPENAI_BASE_URL).",
    )
    base_url: str | None = choice(
        None, "The service's address.", metavar="URL", usual="$OPENAI_BASE_URL", decides=False
    )
    api_key_file: str | None = choice(
        None, "Read the key from a file, not OPENAI_API_KEY.", metavar="FILE", decides=False
    )
    key_header: str | None = choice(
        None,
        "Send the key in this header, such as api-key (Azure).",
        metavar="NAME",
        usual="Authorization",
        decides=False,
    )
    header_file: str | None = choice(
        None, "More headers, 'Name: value' a line; none is ever shown.", metavar="FILE", decides=False
    )
    domain: str = choice("generic", "Wording of the prompts: books, restaurants, games, movies, generic.")
    templates: str | None = choice(None, "Your own nine templates instead.", metavar="FOLDER")
    no_system: bool = choice(
        False,
        "Send the role inside the user message: for models without a system message.",
        words="--no-system",
    )
    param: tuple[str, ...] = choice(
        (), "Sent as it is, such as temperature=0; repeat it. Nothing is sent unasked.", metavar="NAME=V"
    )
    budget: int | None = choice(None, "Tokens of a prompt; a longer history loses items, counted and told.", low=200)
    expected_score: bool = choice(
        False, "Score by the mean over the answer's token probabilities.", words="--expected-score"
    )
    cache: str | None = choice(
        None, "Keep answers here.", metavar="FILE", usual="$XDG_CACHE_HOME/llmhd/answers.sqlite", decides=False
    )
    offline: bool = choice(
        False, "Answer from the cache alone; fail where it lacks one.", words="--offline", decides=False
    )
    max_in_flight: int = choice(64, "At most so many calls at a time.", low=1, high=4096, decides=False)
    rpm: float | None = choice(None, "At most so many requests a minute.", low=0, above=True, decides=False)
    tpm: float | None = choice(None, "At most so many tokens a minute.", low=0, above=True, decides=False)
    deadline: float = choice(
        60.0, "Seconds for a call, once those before it are answered.", low=0, above=True, decides=False
    )
    attempts: int = choice(5, "At most so many attempts at one call.", low=1, high=10, decides=False)
    usage: str | None = choice(
        None,
        "Write calls and tokens per template (JSONL); estimates without a service.",
        metavar="FILE",
        decides=False,
        strict=True,
    )
    limit: int | None = choice(
        None,
        "Ask only so many questions, the first; rows without one get an `error`.",
        metavar="N",
        low=0,
        decides=False,
    )
    dry_run: bool = choice(False, "Ask nothing; say what would be asked and cost.", words="--dry-run", decides=False)
    price_in: float | None = choice(None, "Price of a million prompt tokens.", low=0, decides=False)
    price_out: float | None = choice(None, "Price of a million answer tokens.", low=0, decides=False)
    requests: str | None = choice(None, "Ask nothing; write batch requests instead.", metavar="FILE", decides=False)
    responses: tuple[str, ...] = choice(
        (), "Take answers from a batch's files; repeat it.", metavar="FILE", decides=False
    )


ONE_BY_ONE = (
    "limit",
    "dry_run",
    "price_in",
    "price_out",
    "requests",
    "responses",
)  # make no sense where answers steer the work
