"""Make a bundle of a gallery in this process.

Everything is read through the store, embedded by nobody but the exported encoder itself, and
answered once by the very code that goes into the file: what the golden pictures are to give.

Shapes: N references, D dimensions.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import PIL

from classify.bundle import licences, sources, start
from classify.bundle.archive import BundleWriter
from classify.bundle.contents import Contents, Golden
from classify.bundle.opened import Bundle
from classify.bundle.sample import Sample, per_class
from head.versions import registry
from head.versions.class_means import NewClass, extend, newer
from head.versions.newer_classes import NewerClasses
from holotype.encoder.onnx_encoder import OnnxEncoder
from holotype.encoder.onnxruntime_import import onnxruntime
from holotype.errors import EmptyGallery, NoActiveHead
from holotype.fingerprint import holds_vectors
from holotype.references import Where
from holotype.store.port import WHENEVER

if TYPE_CHECKING:
    from classify.bundle.cost import Cost
    from head.versions.head import Head
    from holotype.encoder.onnx_encoder import OnnxFacts
    from holotype.encoder.timm_encoder import TimmEncoder
    from holotype.heads import StoredHead
    from holotype.store.port import VectorStore

SAMPLE: Final = 1000
"""References that go along, unless told otherwise: each a small picture and D numbers."""

GOLDEN: Final = 8
"""Pictures that are answered when a bundle is opened."""

READ_S: Final = 3600.0
"""How long classes that are newer than the head may be read, at most."""

AT_ONCE: Final = 256
"""References that are asked for in one call."""

_UNUSED_BLOCKS: Final = ("held_out",)
"""Of a head: for the next retrain alone."""

_OF_NEWCOMERS: Final = ("flats",)
"""Of a head: only its gate looks at them."""


@dataclass(frozen=True, slots=True)
class Exported:
    """An encoder that needs no torch."""

    network: bytes
    facts: OnnxFacts
    licence: str
    """What is known of the licence of its weights, for people."""
    cost: Cost | None = None
    """Of an encoder in int8."""


def export(encoder: TimmEncoder) -> Exported:
    """The gallery's encoder, which is on the CPU, as ONNX, verified.

    Raises:
        EncoderError: it cannot be exported, or gives other vectors then.
    """
    from holotype.encoder.onnx_export import export_onnx

    with TemporaryDirectory(prefix="holotype-bundle-") as folder:
        path = Path(folder) / "encoder.onnx"
        facts = export_onnx(encoder, path)
        return Exported(path.read_bytes(), facts, licences.of_weights(encoder))


def quantise(
    store: VectorStore, encoder: TimmEncoder, exported: Exported, *, say: Callable[[str], None]
) -> Exported:
    """The encoder in int8, with what that costs.

    Args:
        store: the gallery.
        encoder: its encoder, on the CPU.
        exported: the same in float32.
        say: told what is done now.

    Raises:
        TooFewReferences: no reference can be held out to measure on.
        EncoderError: ONNX Runtime cannot run it in int8.
        StoreError: the store cannot be read.
    """
    from classify.bundle.cost import cost, held_out
    from classify.bundle.quantise import quantised

    held = held_out(store, encoder.recipe, say=say)
    say("quantising the encoder")
    plain = OnnxEncoder(exported.network, exported.facts)
    made = quantised(encoder, plain, held.seen)
    small = OnnxEncoder(made.network, made.facts)
    sizes = len(exported.network), len(made.network)
    found = cost(held, plain, small, sizes=sizes)
    return replace(exported, network=made.network, facts=made.facts, cost=found)


def trained_head(store: VectorStore) -> Head:
    """The active head of a gallery of pictures.

    Raises:
        UsageError: its vectors come from elsewhere.
        EmptyGallery: it holds no reference.
        NoActiveHead: nothing was trained.
    """
    if store.fingerprint.space is not None:
        raise holds_vectors(store.gallery, store.fingerprint)
    head = registry.active(store)
    if not store.counts():
        raise EmptyGallery(f"gallery {store.gallery!r} holds no reference to make a bundle of")
    if head is None:
        raise NoActiveHead(
            f"gallery {store.gallery!r} has no trained head, which a bundle answers with: run "
            "`retrain` first"
        )
    return head


def gather(
    store: VectorStore, head: Head, exported: Exported, *, at_most: int
) -> tuple[Contents, dict[str, bytes]]:
    """Everything but the golden answers, and the thumbnails of the sample by their ids.

    Args:
        store: the gallery.
        head: its active head.
        exported: its encoder.
        at_most: references of the sample, spread over the classes.

    Raises:
        StoreError: the store cannot be read.
    """
    counts = store.counts()
    new = _newer(store, head, counts)
    sample = _sample(store, counts, at_most)
    thumbnails = _thumbnails(store, [reference.id for reference in sample.references])
    pictures = _golden_pictures(store, counts)
    contents = Contents(
        network=exported.network,
        facts=exported.facts.to_dict(),
        head=_slim(store.load_head(head.version), extend(head, counts, new)),
        counts=counts,
        newer=new,
        sample=sample,
        golden=[Golden(picture, label, {}, np.empty(0, np.float32)) for label, picture in pictures],
        notes={
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "made_with": made_with(),
            "fingerprint": exported.facts.fingerprint.id,
            "licences": licences.notice(exported.licence, pictures=len(thumbnails)),
            "quantised": None if exported.cost is None else exported.cost.to_dict(),
        },
    )
    return _answered(contents), thumbnails


def write(path: Path, contents: Contents, thumbnails: Mapping[str, bytes]) -> None:
    """Write the file, in place of any of that name: whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    scratch = path.with_name(f".{path.name}.new")
    try:
        with BundleWriter(scratch) as bundle:
            bundle.add("__main__.py", Path(start.__file__).read_bytes())
            for name, file in sources.closure().items():
                bundle.add(sources.member(name, file), file.read_bytes())
            bundle.add("NOTICE.txt", contents.notes["licences"].encode())
            bundle.add("LICENSE", licences.of_code().encode())
            contents.write(bundle, thumbnails)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def made_with() -> str:
    """Versions that a bundle's answers were made by."""
    return (
        f"Holotype {version('holotype')}, onnxruntime {onnxruntime.__version__}, "
        f"numpy {np.__version__}, pillow {PIL.__version__}"
    )


def _answered(contents: Contents) -> Contents:
    """With what the golden pictures are to give."""
    pictures = [golden.picture for golden in contents.golden]
    vectors, answers = Bundle(contents).golden_answers(pictures)
    return replace(
        contents,
        golden=[
            replace(
                golden,
                vector=vector,
                scores={score.label: score.score for score in answer.scores},
            )
            for golden, vector, answer in zip(contents.golden, vectors, answers, strict=True)
        ],
    )


def _newer(store: VectorStore, head: Head, counts: Mapping[str, int]) -> list[NewClass]:
    """As `SnapshotCache` reads them, to the end."""
    reading = NewerClasses(store, head)
    wanted = newer(head, counts, reading.touched(head))
    return reading.read(wanted, seconds=READ_S) if wanted else []


def _slim(stored: StoredHead, of_today: Head) -> StoredHead:
    """A head without what no answer takes."""
    parameters = dict(stored.record.report.get("parameters", {}))
    unused = set(_UNUSED_BLOCKS)
    if of_today.newcomers is None:  # nobody whom a gate would tell from the trained classes
        unused.update(_OF_NEWCOMERS)
        parameters["gate"] = None
    gallery = stored.record.report.get("gallery", {})
    return replace(
        stored,
        record=replace(
            stored.record, report=_plain({"parameters": parameters, "gallery": gallery})
        ),
        blocks={name: block for name, block in stored.blocks.items() if name not in unused},
    )


def _plain(report: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(report))
    return plain


def _sample(store: VectorStore, counts: Mapping[str, int], at_most: int) -> Sample:
    """As many of each class as there is room for: ids are hashes, so the first are any."""
    room = max(1, per_class(counts, at_most))
    taken: Counter[str] = Counter()
    ids, rows = [], []
    for batch in store.export(changed_until=WHENEVER):
        for id_, label, vector in zip(batch.ids, batch.labels, batch.vectors, strict=True):
            if taken[label] < room:
                taken[label] += 1
                ids.append(id_)
                rows.append(vector)
    row_of = {id_: row for row, id_ in enumerate(ids)}
    references = [one for some in _chunks(ids) for one in store.get(some)]
    vectors = np.array([rows[row_of[one.id]] for one in references], np.float32)
    return Sample(store.gallery, sum(counts.values()), references, vectors)


def _thumbnails(store: VectorStore, ids: Sequence[str]) -> dict[str, bytes]:
    return {id_: jpeg for some in _chunks(ids) for id_, jpeg in store.thumbnails(some).items()}


def _golden_pictures(store: VectorStore, counts: Mapping[str, int]) -> list[tuple[str, bytes]]:
    """Thumbnails of references of different classes, with their labels."""
    labels = sorted(counts)
    found = []
    for label in labels[:: -(-len(labels) // GOLDEN)]:
        page = store.list_references(where=Where.equal("label", label), limit=1)
        thumbnails = store.thumbnails([one.id for one in page.references])
        found += [(label, jpeg) for jpeg in thumbnails.values()]
    return found


def _chunks(ids: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while some := list(islice(rest, AT_ONCE)):
        yield some
