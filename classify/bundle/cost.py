"""What an encoder in int8 costs: answers that flip on references that no head has seen.

A head is trained as a retrain trains it, without a fifth of the gallery's references, never
splitting a group. That fifth is then embedded by both encoders and answered by that head in linear
mode. Where a reference's file can still be read it is what is embedded, else its thumbnail.

Shapes: N references, H of them held out, D dimensions.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from classify.answering.modes import Mode
from classify.answering.options import QueryOptions
from classify.bundle.opened import SealedClassifier
from classify.bundle.sample import Sample
from classify.evaluation.metrics import wilson
from head.data.duplicates import join_near_duplicates
from head.data.folds import stratified_folds
from head.data.training_set import export_training_set, mark_of
from head.train import train
from holotype.errors import BrokenImage, TooFewReferences
from holotype.images.picture import read_pixels
from holotype.store.port import WHENEVER

if TYPE_CHECKING:
    from head.versions.head import Head
    from holotype.encoder.onnx_encoder import OnnxEncoder
    from holotype.images.recipe import Recipe
    from holotype.images.square import Pixels
    from holotype.references import Codes, Reference
    from holotype.store.port import VectorStore

ASKED: Final = 300
"""References that are held out, at most."""

TRAINED_ON: Final = 5000
"""References that the head for this is trained on, at most."""

RANGES: Final = 64
"""Pictures that an encoder's ranges are learned from; none of them is held out."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """References that a head was trained without, and some that it was trained on."""

    head: Head
    asked: Sequence[tuple[str, Pixels]]
    """Label and picture of the H held out."""
    seen: Sequence[Pixels]
    """For the ranges."""
    from_files: int
    """How many of the H were read from their files."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What came of it."""

    asked: int
    from_files: int
    flipped: int
    """Whose label or state is another one."""
    right: tuple[int, int]
    """Whose most probable label is right, in float32 and in int8."""
    seconds: tuple[float, float]
    """Processor time for a picture, in float32 and in int8, here."""
    bytes: tuple[int, int]
    """Of the encoder."""

    def to_dict(self) -> dict[str, Any]:
        """JSON form, with a sentence for people."""
        return {**asdict(self), "said": str(self)}

    def __str__(self) -> str:
        share = wilson(self.flipped, self.asked)
        if share is None:
            return "no reference could be held out, so nothing is known of what it costs"
        before, after = (f"{100 * n / self.asked:.1f} %" for n in self.right)
        small = self.asked - self.from_files
        read = f"{self.from_files} read from their files, {small} from thumbnails"
        return (
            f"of {self.asked} references that were held out ({read}), {self.flipped} get another "
            f"label or state than in float32 ({100 * share.value:.1f} %, 95 % interval "
            f"{100 * share.low:.1f} to {100 * share.high:.1f}); right are {before} before and "
            f"{after} after; the encoder is {self.bytes[1] / self.bytes[0]:.2f} of its size and "
            f"took {self.seconds[1] / self.seconds[0]:.2f} of its time where this was measured"
        )


def held_out(
    store: VectorStore, recipe: Recipe, *, say: Callable[[str], None] = lambda _: None
) -> HeldOut:
    """Train a head without some references, and read their pictures.

    Raises:
        TooFewReferences: no reference can be held out.
        StoreError: the store cannot be read.
    """
    training, _ = export_training_set(store)
    groups = join_near_duplicates(training.vectors, training.codes, training.groups)
    folds = stratified_folds(training.codes, groups)
    asked = _evenly(np.flatnonzero(folds == 0), ASKED)
    rest = _with_every_class(np.flatnonzero(folds != 0), training.codes, TRAINED_ON)
    if not len(asked):
        raise TooFewReferences(
            f"no class of gallery {store.gallery!r} has two references of different groups, so "
            "what int8 costs cannot be measured: leave --int8 out, or add references"
        )
    say(f"training a head without {len(asked)} references, to measure what int8 costs")
    numbers = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    head = train(replace(training, groups=numbers).rows(rest))
    by_mark = {
        mark_of(id_): id_ for batch in store.export(changed_until=WHENEVER) for id_ in batch.ids
    }
    pictures = _Pictures(store, recipe)
    found = [
        (training.labels[training.codes[row]], pixels)
        for row in asked
        if (pixels := pictures.read(by_mark.get(int(training.marks[row])))) is not None
    ]
    from_files = pictures.from_files
    seen = [pictures.read(by_mark.get(int(training.marks[row]))) for row in _evenly(rest, RANGES)]
    return HeldOut(head, found, [one for one in seen if one is not None], from_files)


def cost(held: HeldOut, plain: OnnxEncoder, small: OnnxEncoder, *, sizes: tuple[int, int]) -> Cost:
    """Compare two encoders on what was held out.

    Args:
        held: see `held_out`.
        plain: in float32.
        small: in int8.
        sizes: bytes of both.
    """
    empty = Sample("", 0, [], np.empty((0, held.head.dimension), np.float32))
    classifier = SealedClassifier(empty, dict.fromkeys(held.head.labels, 1), held.head)
    pictures = [pixels for _, pixels in held.asked]
    options = QueryOptions(mode=Mode.LINEAR, top=1, evidence=0)
    answers, seconds = [], []
    for encoder in (plain, small):
        started = time.process_time()
        vectors = encoder.encode(pictures)
        seconds.append((time.process_time() - started) / max(len(pictures), 1))
        answers.append(classifier.classify(vectors, options))
    before, after = answers
    return Cost(
        asked=len(pictures),
        from_files=held.from_files,
        flipped=sum(
            (one.state, one.label) != (other.state, other.label)
            for one, other in zip(before, after, strict=True)
        ),
        right=tuple(  # type: ignore[arg-type]
            sum(a.best == label for a, (label, _) in zip(some, held.asked, strict=True))
            for some in answers
        ),
        seconds=(seconds[0], seconds[1]),
        bytes=sizes,
    )


class _Pictures:
    """Reads references again, from where they came from or from their thumbnails."""

    def __init__(self, store: VectorStore, recipe: Recipe) -> None:
        self._store, self._recipe = store, recipe
        self.from_files = 0

    def read(self, id_: str | None) -> Pixels | None:
        """(S, S, 3) uint8; None where there is no such reference, or no picture of it."""
        found = [] if id_ is None else self._store.get([id_])
        if not found:
            return None
        data = _file_of(found[0])
        self.from_files += data is not None
        data = data or self._store.thumbnails([found[0].id]).get(found[0].id)
        try:
            return None if data is None else read_pixels(data, self._recipe)
        except BrokenImage:
            return None


def _file_of(reference: Reference) -> bytes | None:
    """The very bytes that it was made of, if its file is still there."""
    try:
        data = Path(reference.source).read_bytes()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == reference.sha256 else None


def _evenly(rows: Codes, at_most: int) -> Codes:
    return rows[:: -(-len(rows) // at_most)] if len(rows) else rows


def _with_every_class(rows: Codes, codes: Codes, at_most: int) -> Codes:
    """Some of these rows, the first of each class among them."""
    first = rows[np.unique(codes[rows], return_index=True)[1]]
    return np.union1d(_evenly(rows, at_most), first)
