"""The query command through a running service: the same answers, from its warm encoder."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from classify.answering.answers import Answer, QueryResult, answer_from
from classify.answering.options import query_options
from holotype.client import Outgoing, ServiceClient
from holotype.errors import BrokenImage
from holotype.uploads import IMAGES_PER_REQUEST, PARALLEL, fits, requests, too_large

if TYPE_CHECKING:
    from classify.answering.options import QueryOptions
    from classify.answering.queries import QueryFile
    from holotype.references import Vectors


def classify_remotely(
    sources: Iterable[QueryFile], client: ServiceClient, options: QueryOptions
) -> Iterator[QueryResult]:
    """Classify images; one result per source, in order.

    An image that cannot be read or sent is a result with its problem; it stops nothing.

    Raises:
        HolotypeError: what the service says of these options; or it does not answer.
    """
    ask = partial(_ask, client=client, options=options)
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="upload") as pool:
        waiting: deque[Future[list[QueryResult]]] = deque()
        try:
            for chunk in _chunks(iter(sources)):
                waiting.append(pool.submit(ask, chunk))
                if len(waiting) > PARALLEL:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def classify_vectors_remotely(
    vectors: Vectors, client: ServiceClient, options: QueryOptions
) -> list[Answer]:
    """Classify vectors of the gallery's space; one answer each, in order.

    Args:
        vectors: (Q, D) float32, unit rows.
        client: of the service.
        options: apply to all of them.

    Raises:
        HolotypeError: what the service says of these options; or it does not answer.
    """
    found = client.classify_vectors(vectors, _body(options))
    return [answer_from(one["answer"]) for one in found]


def _body(options: QueryOptions) -> dict[str, Any]:
    """The options as JSON; what is None is left out."""
    chosen = {option.name: getattr(options, option.name) for option in query_options()}
    chosen["where"] = options.where.expressions()
    return {name: value for name, value in chosen.items() if value is not None}


def _form(options: QueryOptions) -> dict[str, str | list[str]]:
    """The same as fields of a form."""
    return {
        name: value if isinstance(value, list) else json.dumps(value).strip('"')
        for name, value in _body(options).items()
    }


def _chunks(sources: Iterator[QueryFile]) -> Iterator[list[QueryFile]]:
    while chunk := list(islice(sources, IMAGES_PER_REQUEST)):
        yield chunk


def _ask(
    sources: Sequence[QueryFile], client: ServiceClient, options: QueryOptions
) -> list[QueryResult]:
    read = [_read(source, client) for source in sources]
    sound = [image for image in read if isinstance(image, Outgoing)]
    answered = (
        QueryResult(image.name, answer_from(found["answer"]))
        if found["error"] is None
        else QueryResult(image.name, problem=found["error"]["detail"])
        for request in requests(sound, client.limits)
        for image, found in zip(request, client.classify(request, _form(options)), strict=True)
    )
    return [next(answered) if isinstance(image, Outgoing) else image for image in read]


def _read(source: QueryFile, client: ServiceClient) -> Outgoing | QueryResult:
    try:
        data = source.read()
    except BrokenImage as error:
        return QueryResult(source.name, problem=error.reason)
    if not fits(data, client.limits):
        return QueryResult(source.name, problem=too_large(data, client.limits))
    return Outgoing(source.name, data)
