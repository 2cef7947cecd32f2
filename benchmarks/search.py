"""Neighbours under a filter: the embedded store against FAISS, hnswlib and the local mode.

    python -m benchmarks search [--references 100000] [--queries 100]

Every engine gets the same queries in turns, in one process, and answers with k = 20. The
library's answers carry ids and labels; FAISS and hnswlib answer with row numbers. FAISS has
no filter on metadata: it fetches twice what the filter should leave, more where that was not
enough, and drops the rest (post-filter). hnswlib filters through a Python callback.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks import synthetic
from benchmarks.harness import Result, Series, benchmark, in_turns
from benchmarks.synthetic import Synthetic
from holotype.references import EVERYTHING, Reference, Vectors, Where

if TYPE_CHECKING:
    from holotype.store.port import VectorStore

K = 20
BATCH = 32
IN_A_ROW = 50
"""Queries that an engine answers one after the other, before the next has its turn: the median is
then that of an engine at work, not of one whose vectors another has just pushed out of the
cache."""
EF_CONSTRUCT, M, EF = 128, 16, 256
"""hnswlib gets the graph that the embedded engine gets."""
WARM_UP = 1_000
"""Other queries that an index answers first. It is mapped from its file, and a page that no query
has touched yet costs more than the search: the first 200 queries of a process take half as long
again. The other engines have made theirs in this process and touched everything."""
LOCAL_MODE_REFERENCES = 10_000
"""The client's local mode takes minutes to fill at 100,000 and answers in seconds."""

EXACT, INDEXED, FLAT = "embedded, exact", "embedded, indexed", "FAISS flat"

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter in the store's words and in row numbers (`synthetic.references` sets both)."""

    name: str
    where: Where
    share: float
    """Of the references that pass."""
    passes: Callable[[Rows], npt.NDArray[np.bool_]]


FILTERS = (
    Filter("none", EVERYTHING, 1.0, lambda rows: rows >= 0),
    Filter("half of all", Where.equal("meta.half", "a"), 0.5, lambda rows: rows % 2 == 0),
    Filter("a tenth", Where.equal("meta.tenth", "3"), 0.1, lambda rows: rows % 10 == 3),
)

Search = Callable[[Vectors, Filter], list[list[int]]]
"""(Q, D) queries to Q lists of row numbers, nearest first."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--references", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument(
        "--exact-only", action="store_true", help="no index: it takes minutes to build"
    )
    options = parser.parse_args()
    with benchmark("search", options) as result:
        if not options.exact_only:
            against_local_mode(result)
        against_libraries(result, options)


def against_libraries(result: Result, options: argparse.Namespace) -> None:
    """FAISS, hnswlib, and what a whole answer costs."""
    with ExitStack() as opened:
        data = synthetic.make(options.references)
        queries = synthetic.make(max(options.queries, BATCH), seed=1).vectors
        exact = opened.enter_context(synthetic.opened(synthetic.gallery(len(data))))
        stores = {"exact": exact}
        engines: dict[str, Search] = {
            EXACT: of_store(exact, data),
            FLAT: of_faiss(data.vectors),
        }
        if not options.exact_only:
            settings = synthetic.gallery(len(data), indexed=True)
            stores["indexed"] = opened.enter_context(synthetic.opened(settings))
            for query in synthetic.make(WARM_UP, seed=2).vectors:
                stores["indexed"].neighbours(query[None], k=K)
            engines |= {
                INDEXED: of_store(stores["indexed"], data),
                "hnswlib": of_hnswlib(data.vectors),
            }
        for chosen in FILTERS:
            measure(result, engines, queries, chosen)
        in_batches(result, engines, queries)
        with_metric(result, stores, data, queries)


def measure(result: Result, engines: dict[str, Search], queries: Vectors, chosen: Filter) -> None:
    """One query at a time under one filter."""
    series = in_turns(
        {
            name: lambda i, search=search: search(queries[i % len(queries)][None], chosen)
            for name, search in engines.items()
        },
        rounds=len(queries),
        in_a_row=IN_A_ROW,
        warm=1,
    )
    right = engines[FLAT](queries, chosen)
    recalls = {name: recall(search(queries, chosen), right) for name, search in engines.items()}
    result.table(
        f"One query, filter: {chosen.name}",
        [row(name, series, recalls[name]) for name in engines],
    )
    exact = series[EXACT].over(series[FLAT])
    result.target(
        f"exact search against FAISS flat, filter: {chosen.name}",
        reach="p50 at most 2x",
        got=f"{exact:.2f}x ({series[EXACT].work_over(series[FLAT]):.2f}x by processor time)",
        met=exact <= 2,
    )
    if INDEXED not in series:
        return
    indexed = series[INDEXED].p50
    found = recalls[INDEXED]
    result.target(
        f"indexed search, filter: {chosen.name}",
        reach="p50 at most 3 ms at recall@20 of 0.99",
        got=f"{1000 * indexed:.2f} ms ({1000 * series[INDEXED].work:.2f} ms of processor) "
        f"at {found:.4f}",
        met=indexed <= 0.003 and found >= 0.99,
    )


def row(name: str, series: dict[str, Series], found: float) -> dict[str, Any]:
    """A line of the table."""
    mine = series[name]
    return {
        "engine": name,
        "p50 ms": 1000 * mine.p50,
        "p95 ms": 1000 * mine.p95,
        "processor ms": 1000 * mine.work,
        "x FAISS flat": mine.over(series[FLAT]),
        "recall@20": round(found, 4),
    }


def in_batches(result: Result, engines: dict[str, Search], queries: Vectors) -> None:
    """32 queries in one call, half of the references."""
    some = queries[:BATCH]
    series = in_turns(
        {n: lambda _, search=search: search(some, FILTERS[1]) for n, search in engines.items()},
        rounds=7,
    )
    result.table(
        f"{BATCH} queries in one call, filter: {FILTERS[1].name}",
        [
            {
                "engine": name,
                "p50 ms": 1000 * mine.p50,
                "processor ms": 1000 * mine.work,
                "x FAISS flat": mine.over(series[FLAT]),
            }
            for name, mine in series.items()
        ],
    )


def against_local_mode(result: Result) -> None:
    """The pure-Python engine of qdrant-client, at a size that it can be filled with."""
    data = synthetic.make(LOCAL_MODE_REFERENCES)
    queries = synthetic.make(10, seed=1).vectors
    chosen = FILTERS[1]
    with synthetic.opened(synthetic.gallery(len(data))) as store:
        engines = {EXACT: of_store(store, data), "qdrant-client local": of_local_mode(data)}
        series = in_turns(
            {
                name: lambda i, search=search: search(queries[i][None], chosen)
                for name, search in engines.items()
            },
            rounds=len(queries),
        )
    ratio = series["qdrant-client local"].over(series[EXACT])
    result.table(
        f"One query among {len(data):,}, filter: {chosen.name}",
        [{"engine": name, "p50 ms": 1000 * mine.p50} for name, mine in series.items()],
    )
    print(f"\nlocal mode takes {ratio:.0f} times as long")


def with_metric(
    result: Result, stores: dict[str, VectorStore], data: Synthetic, queries: Vectors
) -> None:
    """A whole k-NN answer with the learned metric against the plain search."""
    from classify.answering.classifier import Classifier
    from classify.answering.modes import MetricName
    from classify.answering.options import QueryOptions
    from classify.service.linear_algebra import hold_to_one_thread

    hold_to_one_thread()  # as the service does
    where = FILTERS[1].where
    learned = QueryOptions(where=where, metric=MetricName.LEARNED)
    plain = QueryOptions(where=where, metric=MetricName.COSINE)
    rows = []
    for name, store in stores.items():
        publish_metric(store, data)
        classifier = Classifier(store)
        series = in_turns(
            {
                "plain search": lambda i, s=store: whole_references(s, queries[i], where),
                "ids and labels alone": lambda i, s=store: s.neighbours(
                    queries[i][None], k=K, where=where
                ),
                "100 vectors fetched": lambda i, s=store: s.neighbours(
                    queries[i][None], k=100, where=where, with_vectors=True
                ),
                "plain answer": lambda i, c=classifier: c.classify(queries[i][None], plain),
                "answer with metric": lambda i, c=classifier: c.classify(queries[i][None], learned),
            },
            rounds=min(50, len(queries)),
            warm=3,
        )
        rows += [
            {
                "store": name,
                "what": what,
                "p50 ms": 1000 * mine.p50,
                "processor ms": 1000 * mine.work,
                "x plain search": mine.over(series["plain search"]),
            }
            for what, mine in series.items()
        ]
        ratio = series["answer with metric"].over(series["plain search"])
        work = series["answer with metric"].work_over(series["plain search"])
        result.target(
            f"answer with the learned metric, {name} search",
            reach="at most 2.5x the plain search",
            got=f"{ratio:.2f}x ({work:.2f}x by processor time)",
            met=ratio <= 2.5,
        )
    result.table("A k-NN answer: search, fetch 100 vectors, rank again, vote", rows)


def whole_references(store: VectorStore, query: Vectors, where: Where) -> list[Reference]:
    """What a plain search gives a user: the 20 nearest references, as they are stored."""
    [found] = store.neighbours(query[None], k=K, where=where)
    return store.get([neighbour.id for neighbour in found])


def publish_metric(store: VectorStore, data: Synthetic) -> None:
    """Make a head with the metric of these references active."""
    from head.fit.features import FeatureMap
    from head.fit.lda import discriminants
    from head.fit.statistics import gather, within_class
    from head.fit.whitening import Metric
    from head.versions import registry
    from head.versions.head import Head
    from holotype.heads import HeadRecord

    codes = data.codes
    moments = gather(
        data.vectors, codes, np.zeros(len(codes), np.int64), n_classes=synthetic.CLASSES
    )
    within = within_class(moments[0], data.vectors, codes)
    assert within is not None
    within = within.shrunk_at_least(0.5)
    layer = discriminants(within)
    labels = tuple(f"class{code:04}" for code in range(synthetic.CLASSES))
    record = HeadRecord("benchmark", "2026-11-01T12:00:00+00:00", "ready", labels, report={})
    head = Head(
        record=record,
        labels=labels,
        weights=layer.weights.astype(np.float32),
        bias=layer.bias.astype(np.float32),
        metric=Metric.of(within, FeatureMap.PLAIN),
    )
    store.save_head(head.to_stored())
    registry.promote(store, head.version)


def recall(found: Sequence[Sequence[int]], right: Sequence[Sequence[int]]) -> float:
    """Mean share of the right rows that were found."""
    return statistics.mean(
        len({*mine} & {*theirs}) / len(theirs) for mine, theirs in zip(found, right, strict=True)
    )


# -- the engines ------------------------------------------------------------------------


def of_store(store: VectorStore, data: Synthetic) -> Search:
    """The embedded store, through its port."""
    row_of = synthetic.rows_by_id(data)

    def search(queries: Vectors, chosen: Filter) -> list[list[int]]:
        answers = store.neighbours(queries, k=K, where=chosen.where)
        return [[row_of[neighbour.id] for neighbour in found] for found in answers]

    return search


def of_faiss(vectors: Vectors) -> Search:
    """FAISS IndexFlatIP and a filter afterwards."""
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    cores = faiss.omp_get_max_threads()

    def search(queries: Vectors, chosen: Filter) -> list[list[int]]:
        # One query is one thread's work; others would only spin while it is done.
        faiss.omp_set_num_threads(1 if len(queries) == 1 else cores)
        fetch = K if chosen.share == 1 else int(2 * K / chosen.share)
        while True:
            _, rows = index.search(queries, fetch)
            found = [one[chosen.passes(one)][:K].tolist() for one in rows]
            if fetch >= len(vectors) or all(len(one) == K for one in found):
                return found
            fetch = min(2 * fetch, len(vectors))

    return search


def of_hnswlib(vectors: Vectors) -> Search:
    """Hnswlib with its filter callback."""
    import hnswlib

    index = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(len(vectors), ef_construction=EF_CONSTRUCT, M=M)
    index.add_items(vectors)
    index.set_ef(EF)
    index.set_num_threads(1)  # a callback into Python from several threads would deadlock

    def search(queries: Vectors, chosen: Filter) -> list[list[int]]:
        passes = None if chosen.share == 1 else lambda row: bool(chosen.passes(row))
        rows, _ = index.knn_query(queries, k=K, filter=passes)
        return [one.tolist() for one in rows.astype(np.int64)]

    return search


def of_local_mode(data: Synthetic) -> Search:
    """The pure-Python engine of qdrant-client."""
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    client.create_collection(
        "all", models.VectorParams(size=data.vectors.shape[1], distance=models.Distance.COSINE)
    )
    payloads = [{"half": "ab"[i % 2], "label": int(code)} for i, code in enumerate(data.codes)]
    client.upload_collection("all", data.vectors, payloads, ids=range(len(data)))

    def search(queries: Vectors, chosen: Filter) -> list[list[int]]:
        half = models.FieldCondition(key="half", match=models.MatchValue(value="a"))
        condition = models.Filter(must=[half]) if chosen is FILTERS[1] else None
        answers = client.query_batch_points(
            "all",
            [
                models.QueryRequest(
                    query=query.tolist(), filter=condition, limit=K, with_payload=True
                )
                for query in queries
            ],
        )
        return [[int(point.id) for point in answer.points] for answer in answers]

    return search


if __name__ == "__main__":
    main()
