"""Classes that came after the head was trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from head.choice.cross_validation import within_everything
from head.data.training_set import TrainingSet
from head.fit.features import FeatureMap
from head.fit.lda import discriminants
from head.fit.whitening import Metric
from head.job import retrain
from head.train import train
from head.trust.flats import Flats, spanned
from head.trust.gate import Gate, Gated, Landmarks
from head.versions import registry
from head.versions.class_means import NewClass, extend, keep, newer, with_classes
from head.versions.head import ClassMeans, Head
from head.versions.newer_classes import NewerClasses
from holotype.heads import HeadRecord
from holotype.references import Vectors, Where
from holotype.store.port import VectorStore
from tests.head.conftest import SIZES, Clouds
from tests.references import Pictures, picture_id


@pytest.fixture
def trained(store: VectorStore, clouds: Clouds, pictures: Pictures) -> VectorStore:
    """A gallery of three classes with its head."""
    store.add(clouds.references(SIZES, pictures))
    retrain(store)
    return store


def active(store: VectorStore) -> Head:
    """The active head."""
    head = registry.active(store)
    assert head is not None
    return head


def today(head: Head, store: VectorStore) -> Head:
    """The head for the labels of today."""
    counts = store.counts()
    classes = NewerClasses(store, head)
    new = classes.read(newer(head, counts, classes.touched(head)), seconds=30)
    return extend(head, counts, new)


def lda_head(data: TrainingSet) -> Head:
    """A head that is LDA, temperature and all."""
    within = within_everything(data, FeatureMap.PLAIN)
    assert within is not None
    layer = discriminants(within)
    return Head(
        record=HeadRecord("lda", "2026-11-01T12:00:00+00:00", "ready", data.labels),
        labels=data.labels,
        weights=layer.weights.astype(np.float32),
        bias=layer.bias.astype(np.float32),
        temperature=1.7,
        lda_temperature=1.7,
        metric=Metric.of(within, FeatureMap.PLAIN),
        class_means=ClassMeans(within.means.astype(np.float32), within.counts.astype(np.float32)),
    )


class Kinds:
    """Classes as an encoder gives them: they have much in common, and the same poses."""

    def __init__(self, *labels: str) -> None:
        self._rng = np.random.default_rng(2)
        everything, own = self._rng.normal(size=32), self._rng.normal(size=(len(labels), 32))
        self._poses = 0.3 * self._rng.normal(size=(4, 32))
        self._middles = dict(zip(labels, everything + 0.6 * own, strict=True))

    def of(self, label: str, count: int) -> Vectors:
        """(count, 32) more unit vectors of a class."""
        posed = self._middles[label] + self._rng.normal(size=(count, 4)) @ self._poses
        rows = posed + 0.3 * self._rng.normal(size=(count, 32))
        unit: Vectors = np.float32(rows / np.linalg.norm(rows, axis=1, keepdims=True))
        return unit

    def head(self, *labels: str) -> Head:
        """Trained on 25 references of each."""
        n = 25 * len(labels)
        codes = np.repeat(np.arange(len(labels)), 25)
        vectors = np.concatenate([self.of(label, 25) for label in labels])
        return train(TrainingSet(labels, vectors, codes, groups=np.arange(n), marks=np.arange(n)))


def test_new_class__is_exact_for_lda(clouds: Clouds) -> None:
    """An LDA head extended by a class is LDA of all classes with the stored covariance."""
    data = clouds.training_set({**SIZES, "zzz": 7})
    newest = data.labels.index("zzz")
    old = data.rows(np.flatnonzero(data.codes != newest))
    old = replace(old, labels=data.labels[:-1])
    mean = data.vectors[data.codes == newest].mean(axis=0, dtype=float)
    extended = with_classes(lda_head(old), [NewClass("zzz", mean, 7)])

    within = within_everything(old, FeatureMap.PLAIN)
    assert within is not None
    means = np.vstack([within.means, mean])
    everyone = discriminants(replace(within, means=means, counts=np.append(within.counts, 7)))
    queries = np.concatenate([clouds.of(label, 20, first=900) for label in data.labels])
    logits = everyone.logits(queries) / 1.7
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    assert extended.labels == data.labels
    np.testing.assert_allclose(extended.probabilities(queries), expected, atol=2e-4)


def test_extend__new_class_is_answered_at_once(
    trained: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """Queries of a class added after training get its label, the others keep theirs."""
    trained.add(clouds.references({"moth": 8}, pictures))
    head = today(active(trained), trained)
    assert head.provisional == {"moth"}
    assert head.labels == ("ant", "bee", "wasp", "moth")
    for code, label in enumerate(head.labels):
        probabilities = head.probabilities(clouds.of(label, 30, first=900))
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-9)
        assert (probabilities.argmax(axis=1) == code).mean() > 0.8


@pytest.mark.parametrize("count", [1, 3, 10])
def test_extend__a_third_class_is_found_beside_two(count: int) -> None:
    """Although a rehearsal on two classes has one left to tell newcomers from."""
    kinds = Kinds("ant", "bee", "moth")
    rows = kinds.of("moth", count)
    moth = NewClass("moth", rows.mean(axis=0, dtype=np.float64), count, flat=spanned(rows))
    head = extend(kinds.head("ant", "bee"), {"ant": 25, "bee": 25, "moth": count}, [moth])
    for code, label in enumerate(head.labels):
        assert (head.probabilities(kinds.of(label, 40)).argmax(axis=1) == code).mean() > 0.9


def test_head__of_two_classes_of_before_is_mended() -> None:
    """Its gate hardly found a third class: it is read as one that is learned now; no other is."""
    head = Kinds("ant", "bee").head("ant", "bee")
    assert head.gate is not None
    former = head.gate.coefficients.copy()
    former[0] += 0.24 * former[4]
    former[4] *= 0.16 / 0.05
    assert read(head).coefficients == pytest.approx(head.gate.coefficients)
    mended = read(replace(head, gate=replace(head.gate, coefficients=former)))
    assert mended.coefficients == pytest.approx(head.gate.coefficients)

    head = Kinds("ant", "bee", "moth").head("ant", "bee", "moth")
    assert head.gate is not None
    head.gate.coefficients[4] = -25.0
    assert read(head).coefficients == pytest.approx(head.gate.coefficients)


def read(head: Head) -> Gate:
    """Its gate, as it is read again."""
    gate = Head.from_stored(head.to_stored()).gate
    assert gate is not None
    return gate


def test_extend__known_classes_keep_their_odds(
    trained: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """A new class takes a share; what is left is divided as the trained layer says."""
    before = active(trained)
    trained.add(clouds.references({"moth": 8}, pictures))
    after = today(before, trained)
    queries = clouds.of("bee", 20, first=900)
    known = after.probabilities(queries)[:, :3]
    np.testing.assert_allclose(
        known / known.sum(axis=1, keepdims=True), before.probabilities(queries), rtol=1e-6
    )


def test_extend__removed_label_is_answered_no_more(trained: VectorStore, clouds: Clouds) -> None:
    """Its probability is shared out among the rest in proportion."""
    before = active(trained)
    trained.remove(where=Where.equal("label", "bee"))
    head = today(before, trained)
    assert head.labels == ("ant", "wasp")
    queries = clouds.of("bee", 20, first=900)
    kept = before.features.of(queries) @ before.weights[[0, 2]].T + before.bias[[0, 2]]
    expected = before.calibration["linear"].probabilities(kept)
    np.testing.assert_allclose(head.probabilities(queries), expected, rtol=1e-5)


def test_extend__renamed_label_keeps_its_trained_row(trained: VectorStore, clouds: Clouds) -> None:
    """A class under a new name is answered as before, not as a provisional one."""
    before = active(trained)
    trained.relabel("Apis mellifera", where=Where.equal("label", "bee"))
    head = today(before, trained)
    assert head.labels == ("ant", "Apis mellifera", "wasp")
    assert head.provisional == frozenset()
    queries = clouds.of("bee", 20, first=900)
    assert (head.probabilities(queries) == before.probabilities(queries)).all()


def test_extend__class_split_in_two_is_partly_new(trained: VectorStore) -> None:
    """Some references under a new name: the old label stays, the new one is provisional."""
    trained.relabel("queen", ids=[picture_id(f"bee-{n}") for n in range(5)])
    head = today(active(trained), trained)
    assert head.labels == ("ant", "bee", "wasp", "queen")
    assert head.provisional == {"queen"}


def test_extend__again_follows_the_gallery(
    trained: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """Extending an extended head starts from the trained rows: gone newcomers are gone."""
    trained.add(clouds.references({"moth": 4, "fly": 4}, pictures))
    head = today(active(trained), trained)
    assert head.labels == ("ant", "bee", "wasp", "fly", "moth")
    trained.remove(where=Where.equal("label", "moth"))
    again = today(head, trained)
    assert again.labels == ("ant", "bee", "wasp", "fly")
    assert again.novelty is not None
    assert len(again.novelty.means) == 4
    trained.remove(where=Where.equal("label", "fly"))
    assert today(again, trained).provisional == frozenset()


def test_extend__newcomer_is_no_stranger(
    trained: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """Novelty counts the new class among the known ones."""
    before = active(trained)
    trained.add(clouds.references({"moth": 12}, pictures))
    after = today(before, trained)
    assert before.novelty is not None
    assert after.novelty is not None
    queries = clouds.of("moth", 30, first=900)
    assert after.novelty.score(queries).mean() < 0.5 * before.novelty.score(queries).mean()


def test_keep__never_leaves_a_head_without_labels(trained: VectorStore) -> None:
    """Where none of its labels is left, a head stays what it was."""
    head = active(trained)
    assert keep(head, ["something else"]).labels == head.labels


def test_extend__exchanged_labels_take_their_rows_along(
    trained: VectorStore, clouds: Clouds
) -> None:
    """Two labels that change places are answered the new way, from the rows that were trained."""
    before = active(trained)
    for old, new in (("ant", "x"), ("bee", "ant"), ("x", "bee")):
        trained.relabel(new, where=Where.equal("label", old))
    head = today(before, trained)
    assert set(head.labels) == {"ant", "bee", "wasp"}
    assert (head.provisional, head.outdated) == (frozenset(), frozenset())
    answers = head.probabilities(clouds.of("ant", 20, first=900))
    np.testing.assert_allclose(
        answers[:, head.labels.index("bee")],
        before.probabilities(clouds.of("ant", 20, first=900))[:, before.labels.index("ant")],
    )


def test_extend__a_name_used_again_is_answered_from_today_s_references(
    trained: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """A label whose references are others than the head was trained on has no row any more."""
    before = active(trained)
    trained.remove(where=Where.equal("label", "bee"))
    moths = [
        pictures.embedded(f"moth-{n}", "bee", vector=vector)
        for n, vector in enumerate(clouds.of("moth", SIZES["bee"]))
    ]
    trained.add(moths)
    head = today(before, trained)
    assert head.provisional == head.outdated == {"bee"}
    best = head.probabilities(clouds.of("moth", 30, first=900)).argmax(axis=1)
    assert (best == head.labels.index("bee")).mean() > 0.8


def test_extend__a_class_that_grew_a_little_keeps_its_row(
    trained: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """Most of its references are still those that it was trained on."""
    trained.add(clouds.references({"bee": 6}, pictures, first=100))
    trained.relabel("wasp", ids=[picture_id("bee-0")])
    head = today(active(trained), trained)
    assert (head.provisional, head.outdated) == (frozenset(), frozenset())


def test_extend__a_class_of_few_is_met_alike_before_and_after_a_retrain(
    trained: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """A row that was trained on two references where others have twelve would never answer."""
    trained.add(clouds.references({"moth": 2}, pictures))
    queries = clouds.of("moth", 30, first=900)
    found = []
    for _ in range(2):
        head = today(active(trained), trained)
        assert head.provisional == {"moth"}
        assert head.outdated == frozenset()
        found.append(head.probabilities(queries).argmax(axis=1) == head.labels.index("moth"))
        retrain(trained)
    assert np.mean(found[0]) > 0.8
    assert np.mean(found[0] == found[1]) > 0.9
    trained.add(clouds.references({"moth": 10}, pictures, first=2))
    retrain(trained)
    assert today(active(trained), trained).provisional == frozenset()


def test_extend__a_head_without_a_gate_goes_on_as_before(
    trained: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """A head of before there was one opens, and takes new classes in by LDA."""
    trained.add(clouds.references({"moth": 8}, pictures))
    stored = active(trained).to_stored()
    del stored.record.report["parameters"]["gate"]
    head = today(Head.from_stored(stored), trained)
    assert head.gate is None
    assert head.provisional == {"moth"}
    best = head.probabilities(clouds.of("moth", 30, first=900)).argmax(axis=1)
    assert (best == head.labels.index("moth")).mean() > 0.8


def with_flats(head: Head, clouds: Clouds, *, flats: bool = True) -> Head:
    """A head of clouds whose gate looks at flats, or does not."""
    assert head.gate is not None
    rows = [head.features.of(clouds.of(label, SIZES[label])) for label in head.labels]
    codes = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    spans = Flats.of_classes(np.concatenate(rows), codes, np.arange(len(codes)))
    gate = replace(head.gate, flats=flats)
    return replace(head, gate=gate, class_flats=spans if flats else None)


@pytest.mark.parametrize("flats", [True, False])
def test_extend__newcomers_are_met_as_the_stored_gate_was_learned(
    trained: VectorStore, clouds: Clouds, pictures: Pictures, flats: bool
) -> None:
    """By what references span, or by means alone as all gates of before."""
    trained.add(clouds.references({"moth": 3}, pictures))
    stored = with_flats(active(trained), clouds, flats=flats).to_stored()
    head = today(Head.from_stored(stored), trained)
    assert head.gate is not None
    assert head.metric is not None
    assert head.class_means is not None
    moths, queries = (head.features.of(clouds.of("moth", 20, first=n)) for n in (0, 900))
    moths = moths[:3]
    spans = Flats.joined([spanned(moths)]) if flats else None
    by_hand = Gated(
        gate=head.gate,
        metric=head.metric,
        known=Landmarks.of(head.metric, head.class_means.means, head.class_flats),
        newcomers=Landmarks.of(head.metric, moths.mean(axis=0, keepdims=True), spans),
        counts=np.array([3.0]),
    ).share(queries)
    found = head.probabilities(clouds.of("moth", 20, first=900))[:, 3:]
    np.testing.assert_allclose(found, by_hand, rtol=1e-3)
    assert (head.class_flats is not None) == flats


def test_gate__is_stored_with_the_head(trained: VectorStore, clouds: Clouds) -> None:
    """What a retrain rehearsed is there when the head is loaded, with what each class spans."""
    head = active(trained)
    assert head.gate is not None
    assert head.gate.asked == sum(SIZES.values())
    assert head.gate.flats == (head.class_flats is not None)
    head = with_flats(head, clouds)
    again = Head.from_stored(head.to_stored())
    assert head.class_flats is not None
    assert again.class_flats is not None
    assert again.gate is not None
    assert again.gate.flats
    for flat, own in zip(again.class_flats.split(), head.class_flats.split(), strict=True):
        np.testing.assert_array_equal(flat, own)


def test_keep__leaves_each_class_its_own_flat(trained: VectorStore, clouds: Clouds) -> None:
    """Rows, means and flats stay together when a label goes."""
    head = with_flats(active(trained), clouds)
    kept = keep(head, {"ant", "wasp"})
    assert head.class_flats is not None
    assert kept.class_flats is not None
    ant, _, wasp = head.class_flats.split()
    for flat, own in zip(kept.class_flats.split(), (ant, wasp), strict=True):
        np.testing.assert_array_equal(flat, own)


def test_extend__a_trained_class_of_few_is_met_by_what_it_spanned(
    trained: VectorStore, clouds: Clouds
) -> None:
    """Its references are not read again: the head knows their flat."""
    head = with_flats(active(trained), clouds)
    assert head.class_means is not None
    assert head.class_flats is not None
    counts = np.array([2.0, 12.0, 12.0], np.float32)
    young = extend(
        replace(head, class_means=replace(head.class_means, counts=counts)), trained.counts(), []
    )
    assert young.provisional == {"ant"}
    assert isinstance(young.newcomers, Gated)
    assert young.newcomers.newcomers.flats is not None
    np.testing.assert_array_equal(young.newcomers.newcomers.flats.rows, head.class_flats.split()[0])
