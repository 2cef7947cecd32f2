"""A bundle that is open: pictures in, answers out, by the same code as in the service.

Only what it finds neighbours in is its own: a sample of the gallery (`classify.bundle.sample`). In
linear mode no neighbour votes; the nearest of the sample are shown all the same, as evidence.

Shapes: Q queries, D dimensions.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from classify.answering.answers import Answer, Evidence, QueryResult
from classify.answering.class_rows import class_rows
from classify.answering.classifier import Classifier
from classify.answering.knn import Classes, Ranked
from classify.answering.modes import Mode
from classify.answering.options import QueryOptions
from classify.answering.queries import classify_images
from classify.answering.snapshot import Snapshot
from classify.bundle.archive import BundleReader
from classify.bundle.contents import Contents
from classify.bundle.golden import Passed, difference
from holotype.encoder.onnx_encoder import OnnxEncoder, OnnxFacts
from holotype.errors import BrokenImage, BundleError, HolotypeError, UsageError
from holotype.images.picture import read_pixels

if TYPE_CHECKING:
    from classify.answering.queries import QueryFile
    from classify.bundle.sample import Sample
    from head.versions.head import Head
    from holotype.references import Neighbour, Vectors, Where


@dataclass(frozen=True, slots=True)
class _Sealed:
    """Classes and head that stay as they are. See `SnapshotCache`."""

    sealed: Snapshot

    def snapshot(self) -> Snapshot:
        return self.sealed

    def classes(self, where: Where) -> Classes:
        if where:
            raise UsageError("a bundle holds a sample of its gallery, so it takes no --where")
        assert self.sealed.classes is not None
        return self.sealed.classes


class SealedClassifier(Classifier):
    """Says of neighbours what they are: a sample, and in linear mode no voters."""

    def __init__(self, sample: Sample, counts: Mapping[str, int], head: Head) -> None:
        """Answer for good with one head.

        Args:
            sample: where neighbours are found.
            counts: the gallery's references per label.
            head: for these labels.
        """
        super().__init__(sample, _Sealed(Snapshot(Classes.of(counts), head)))
        self._sample = sample

    def classify(
        self,
        vectors: Vectors,
        options: QueryOptions,
        *,
        own_ids: Sequence[str | None] | None = None,
    ) -> list[Answer]:
        """See `Classifier.classify`."""
        answers = super().classify(vectors, options, own_ids=own_ids)
        if options.mode is Mode.LINEAR:
            answers = self._with_evidence(answers, vectors, options)
        note = _sampled(self._sample, options.mode)
        return [_noted(answer, note) for answer in answers]

    def _with_evidence(
        self, answers: Sequence[Answer], vectors: Vectors, options: QueryOptions
    ) -> list[Answer]:
        """What each query looks like in the sample, and what its label looks like."""
        nearest = self._sample.neighbours(vectors, k=options.evidence) if options.evidence else []
        missing = {
            query: answers[query].best or ""
            for query, found in enumerate(nearest)
            if answers[query].best not in {one.label for one in found}
        }
        own = [None] * len(answers)
        rows = class_rows(self._sample, vectors, missing, options=options, metric=None, own_ids=own)
        return [
            replace(
                answers[query],
                neighbours=self._evidence(found),
                class_neighbours=rows.get(query, ()),
            )
            for query, found in enumerate(nearest)
        ] or list(answers)

    def _evidence(self, found: Sequence[Neighbour]) -> tuple[Evidence, ...]:
        references = {one.id: one for one in self._sample.get([one.id for one in found])}
        closeness = np.array([one.similarity for one in found])
        return Ranked(found, closeness).evidence(references, np.zeros(len(found)), learned=False)


class Bundle:
    """Encoder and classifier of one bundle."""

    def __init__(self, contents: Contents, *, threads: int = 0) -> None:
        """Make them of what was read.

        Args:
            contents: of the bundle.
            threads: of the encoder; 0: as many as there are cores.

        Raises:
            EncoderError: this version of ONNX Runtime cannot run the encoder.
            HeadError: the head's numbers do not fit.
        """
        self.contents = contents
        self.encoder = OnnxEncoder(
            contents.network, OnnxFacts.from_dict(contents.facts), threads=threads
        )
        self.classifier = SealedClassifier(contents.sample, contents.counts, contents.of_today())

    @property
    def gallery(self) -> str:
        """The name of the gallery that it was made of."""
        return self.contents.sample.gallery

    def counts(self) -> Mapping[str, int]:
        """The references per label that the gallery had, by label."""
        return self.contents.counts

    def classify(
        self, sources: Iterable[QueryFile], options: QueryOptions, *, thumbnails: bool = False
    ) -> Iterator[QueryResult]:
        """Classify images; one result per source, in order.

        An image that cannot be read is a result with its problem; it stops nothing.

        Args:
            sources: the images.
            options: apply to all of them.
            thumbnails: whether results have small JPEGs of their queries.
        """
        return classify_images(
            sources,
            encoder=self.encoder,
            classifier=self.classifier,
            options=options,
            batch_size=self.encoder.batch_size,
            workers=os.cpu_count() or 1,
            thumbnails=thumbnails,
        )

    def golden_answers(self, pictures: Sequence[bytes]) -> tuple[Vectors, list[Answer]]:
        """(Q, D) vectors of small pictures, and the head's Q answers to them.

        Raises:
            BrokenImage: one cannot be read.
        """
        pixels = [read_pixels(picture, self.encoder.recipe) for picture in pictures]
        vectors = self.encoder.encode(pixels)
        options = QueryOptions(mode=Mode.LINEAR, evidence=0)
        return vectors, self.classifier.classify(vectors, options)

    def check(self) -> None:
        """Answer the golden pictures.

        Raises:
            BundleError: they are not answered as they were when the bundle was made.
        """
        golden = self.contents.golden
        quantised = self.contents.notes.get("quantised") is not None
        vectors, answers = self.golden_answers([one.picture for one in golden])
        for one, vector, answer in zip(golden, vectors, answers, strict=True):
            wrong = difference(one, answer, vector, quantised=quantised)
            if wrong is not None:
                raise BundleError(
                    f"this bundle does not answer here as it did where it was made: of a golden "
                    f"picture of {one.label!r}, {wrong}. Use other versions of onnxruntime, numpy "
                    f"and pillow (it was made with {self.contents.notes['made_with']})"
                )


def open_bundle(path: Path, *, threads: int = 0) -> Bundle:
    """Open a bundle that answers here as it did where it was made.

    The first time on a machine, its golden pictures are answered.

    Raises:
        BundleError: it cannot be read, or does not reproduce its golden answers.
    """
    with BundleReader(path) as reader:
        try:
            bundle = Bundle(Contents.read(reader), threads=threads)
            passed = Passed(reader.identity)
            if not passed:
                bundle.check()
                passed.remember()
        except BundleError:
            raise
        except (BrokenImage, HolotypeError) as error:
            raise BundleError(f"bundle {path} cannot be used here: {error}") from error
    return bundle


def _sampled(sample: Sample, mode: Mode) -> str | None:
    """What is to be said of the neighbours of an answer; None where they are as in the service."""
    if sample.is_whole:
        return None
    kept, total = len(sample.references), sample.total
    if mode is Mode.LINEAR:
        return f"what a query looks like is looked up in a sample: {kept} of {total} references"
    return (
        f"neighbours are of a sample, {kept} of the gallery's {total} references: its own service "
        "knows nearer ones, and may answer otherwise; linear mode is the same"
    )


def _noted(answer: Answer, note: str | None) -> Answer:
    return answer if note is None else replace(answer, notices=(*answer.notices, note))
