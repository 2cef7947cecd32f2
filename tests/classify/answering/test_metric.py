"""k-NN by the learned metric: a long list by cosine, ranked again where it was whitened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from classify.answering.classifier import Classifier
from classify.answering.modes import MetricName, Vote
from classify.answering.options import QueryOptions
from head.fit.whitening import Metric
from head.versions.registry import promote
from holotype.errors import NoActiveHead
from holotype.references import Vectors
from holotype.store.port import VectorStore
from tests.classify.conftest import ColourGallery, Run, picture, publish_head


def _publish_metric(store: VectorStore, seed: int = 5) -> Metric:
    """Make a head active whose metric stretches the space at random."""
    head = publish_head(store, "red", "green", "blue")
    D = store.fingerprint.dimension
    random = np.random.default_rng(seed)
    metric = Metric(
        matrix=random.normal(size=(D, D)).astype(np.float32),
        centre=random.normal(size=D, scale=0.1).astype(np.float32),
    )
    stored = replace(head, metric=metric).to_stored()
    record = replace(stored.record, version="20260303-000000-cccc")
    store.save_head(replace(stored, record=record))
    promote(store, record.version)
    return metric


@pytest.fixture
def store(own_gallery: ColourGallery) -> Iterator[VectorStore]:
    """Eighteen references, open for changing."""
    with own_gallery.open() as opened:
        yield opened


@pytest.fixture
def query(own_gallery: ColourGallery) -> Vectors:
    """(1, D) a red query."""
    return own_gallery.embed(picture("red", 77))[None]


def test_learned__ranks_as_brute_force_does(store: VectorStore, query: Vectors) -> None:
    """Every reference whitened and compared one by one gives the same order and numbers."""
    metric = _publish_metric(store)
    (answer,) = Classifier(store).classify(query, QueryOptions(k=18))
    rows = {
        id_: vector
        for batch in store.export()
        for id_, vector in zip(batch.ids, batch.vectors, strict=True)
    }

    def cosine(a: Vectors, b: Vectors) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    q = (query[0] - metric.centre) @ metric.matrix
    by_hand = {id_: cosine(q, (v - metric.centre) @ metric.matrix) for id_, v in rows.items()}
    plain = {id_: cosine(query[0], v) for id_, v in rows.items()}
    assert answer.metric is MetricName.LEARNED
    assert [n.id for n in answer.neighbours] == sorted(by_hand, key=lambda i: -by_hand[i])
    for n in answer.neighbours:
        assert n.learned_similarity == pytest.approx(by_hand[n.id], abs=1e-5)
        assert n.similarity == pytest.approx(plain[n.id], abs=1e-5)


def test_learned__votes_weigh_what_it_measured(store: VectorStore, query: Vectors) -> None:
    """Weighted votes are softmax(learned similarity / 0.07), not of the plain cosine."""
    _publish_metric(store)
    (answer,) = Classifier(store).classify(query, QueryOptions(k=6, vote=Vote.WEIGHTED))
    expected = np.exp(np.array([n.learned_similarity for n in answer.neighbours], float) / 0.07)
    weights = [n.weight for n in answer.neighbours]
    assert weights == pytest.approx((expected / expected.sum()).tolist(), rel=1e-4)


def test_rerank__only_the_nearest_by_cosine_are_considered(store: VectorStore) -> None:
    """With R = 7 the three that vote are among the seven nearest by cosine."""
    _publish_metric(store)
    query = np.random.default_rng(8).normal(size=(1, store.fingerprint.dimension))
    query = (query / np.linalg.norm(query)).astype(np.float32)
    classifier = Classifier(store)
    (plain,) = classifier.classify(query, QueryOptions(k=7, metric=MetricName.COSINE))
    nearest = {n.id for n in plain.neighbours}
    chosen = [
        {n.id for n in classifier.classify(query, options)[0].neighbours}
        for options in (QueryOptions(k=3, rerank=7), QueryOptions(k=3, rerank=18))
    ]
    assert chosen[0] <= nearest
    assert not chosen[1] <= nearest


def test_cosine__on_request_leaves_the_metric_aside(store: VectorStore, query: Vectors) -> None:
    """--metric cosine answers as before the metric was trained."""
    classifier = Classifier(store)
    (before,) = classifier.classify(query, QueryOptions(k=5))
    _publish_metric(store)
    (after,) = classifier.classify(query, QueryOptions(k=5, metric=MetricName.COSINE))
    assert before.metric is after.metric is MetricName.COSINE
    assert after.neighbours == before.neighbours
    assert all(n.learned_similarity is None for n in after.neighbours)


def test_learned__asked_for_without_a_head(store: VectorStore, query: Vectors) -> None:
    """Nothing trained, or trained without a metric: the remedy is named."""
    options = QueryOptions(metric=MetricName.LEARNED)
    with pytest.raises(NoActiveHead, match=r"no learned metric: run `retrain`"):
        Classifier(store).classify(query, options)
    publish_head(store, "red", "green", "blue")
    with pytest.raises(NoActiveHead, match=r"no learned metric: run `retrain`"):
        Classifier(store).classify(query, options)


def test_output__has_both_similarities_and_the_name_of_the_metric(
    own_gallery: ColourGallery, run: Run, tmp_path: Path
) -> None:
    """Numbers are in the JSON; people are told which metric ranked, and shown what is near."""
    with own_gallery.open() as store:
        _publish_metric(store)
    path = tmp_path / "query.png"
    path.write_bytes(picture("red", 77))
    (answer,) = run("query", path, "--k", "2", "--json").lines
    first = answer["neighbours"][0]
    assert answer["metric"] == "learned"
    assert first["learned_similarity"] != first["similarity"]
    table = run("query", path, "--k", "2").out
    assert "(k-NN, 2 neighbours, learned metric, not calibrated)" in table
    assert f"{first['similarity']:.3f}" not in table
    assert first["source"] in table


def test_balance__classes_of_unequal_size(own_gallery: ColourGallery) -> None:
    """Eighteen greens, six reds, six blues, all equally near: balanced, each has a third."""
    greens = (picture("green", seed) for seed in range(20, 32))
    own_gallery.fill(*(own_gallery.reference(data, "green") for data in greens))
    query = own_gallery.embed(picture("red", 77))[None]
    level = QueryOptions(k=30, temperature=1e6)
    with own_gallery.open() as store:
        (plain,) = Classifier(store).classify(query, level)
        (even,) = Classifier(store).classify(query, replace(level, balance=1.0))
    shares = [{s.label: s.score for s in answer.scores} for answer in (plain, even)]
    assert shares[0] == pytest.approx({"red": 0.2, "green": 0.6, "blue": 0.2}, abs=1e-4)
    assert shares[1] == pytest.approx({"red": 1 / 3, "green": 1 / 3, "blue": 1 / 3}, abs=1e-4)


def test_kriging__is_the_default_by_the_learned_metric(store: VectorStore, query: Vectors) -> None:
    """All that were ranked again vote, with weights that solve the kriging system by hand."""
    metric = _publish_metric(store)
    (answer,) = Classifier(store).classify(query, QueryOptions(evidence=100))
    rows = {
        id_: vector
        for batch in store.export()
        for id_, vector in zip(batch.ids, batch.vectors, strict=True)
    }
    z = metric.whiten(np.stack([rows[n.id] for n in answer.neighbours])).astype(float)
    q = metric.whiten(query)[0].astype(float)
    system = np.exp(z @ z.T - 1) + 0.3 * np.eye(18)
    w, u = np.linalg.solve(system, np.exp(z @ q - 1)), np.linalg.solve(system, np.ones(18))
    w += u * (1 - w.sum()) / u.sum()
    assert answer.voted == 18
    assert [n.weight for n in answer.neighbours] == pytest.approx(w.tolist(), abs=1e-4)
    assert answer.label == "red"


def test_kriging__by_plain_cosine_on_request(store: VectorStore, query: Vectors) -> None:
    """It needs no head: neighbours' vectors come with the search."""
    options = QueryOptions(vote=Vote.KRIGING, k=12)
    (answer,) = Classifier(store).classify(query, options)
    assert answer.metric is MetricName.COSINE
    assert answer.label == "red"
    assert sum(n.weight for n in answer.neighbours) == pytest.approx(1)
