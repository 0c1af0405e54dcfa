"""From the choices of ``settings.Service`` to what asks a service: its questions, and the provider that has them answered."""

from __future__ import annotations

from llmhd_tools.errors import UsageError
from llmhd_tools.files.jsonl import read_records
from llmhd_tools.llm.cache import Cache
from llmhd_tools.llm.calls import host_of
from llmhd_tools.llm.prompts import DOMAINS, load_templates
from llmhd_tools.llm.service.asking import Asker, Asks
from llmhd_tools.llm.service.batch import Responses
from llmhd_tools.llm.service.client import Client
from llmhd_tools.llm.service.endpoint import address, open_endpoint
from llmhd_tools.llm.service.limits import Limits
from llmhd_tools.llm.service.params import parse_params
from llmhd_tools.llm.service.provider import ServiceProvider
from llmhd_tools.llm.service.vectors import TextAsker
from llmhd_tools.settings import Service


def asker_of(how: Service, model: str) -> Asker:
    """How requests become calls to a service's model. Raises UsageError and InputError where choices are no good."""
    if how.domain not in DOMAINS:
        raise UsageError(f"`domain` '{how.domain}' is unknown; choose from {', '.join(DOMAINS)}")
    return Asker(
        model,
        host_of(address(how.base_url)[0]),
        load_templates(how.templates or how.domain),
        parse_params(how.param, how.expected_score),
        how.budget,
        how.expected_score,
        not how.no_system,
    )


def text_asker_of(how: Service, model: str) -> TextAsker:
    """How texts become calls for vectors."""
    return TextAsker(model, host_of(address(how.base_url)[0]), parse_params(how.param))


def open_service(how: Service, asker: Asks) -> ServiceProvider | Responses:
    """The provider that answers from the cache and the service, or from a batch's files; close it when done.

    The address and the key that the choices lack are those of OPENAI_BASE_URL and OPENAI_API_KEY.
    """
    if how.responses:
        lines = ((path, number, record) for path in how.responses for number, record in read_records(path))
        return Responses(asker, Cache(how.cache), lines)
    client = None
    if not how.offline:
        endpoint = open_endpoint(how.base_url, how.api_key_file, how.key_header, how.header_file)
        client = Client(endpoint, deadline=how.deadline, most=how.max_in_flight)
    limits = Limits(how.max_in_flight, how.rpm, how.tpm)
    return ServiceProvider(asker, Cache(how.cache), client, limits, how.attempts)
