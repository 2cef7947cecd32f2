"""The contract of every store: creating, opening, refusing and closing galleries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holotype.errors import FingerprintMismatch, GalleryMissing
from holotype.fingerprint import Fingerprint
from holotype.references import Where
from tests.holotype.store.conftest import OpenGallery
from tests.holotype.store.engines import Engine
from tests.references import Pictures, picture_id


def test_open__missing(engine: Engine, open_gallery: OpenGallery, fingerprint: Fingerprint) -> None:
    """A gallery that was never added to is missing, and the message says how to make one."""
    name = engine.name_of("moths")
    expected = f"gallery '{name}' does not exist yet: add references with `ingest add`"

    for wanted in (None, fingerprint):
        with pytest.raises(GalleryMissing, match=expected):
            open_gallery(wanted, gallery="moths", create=False)


def test_open__cannot_create_without_fingerprint(open_gallery: OpenGallery) -> None:
    """Without an embedding space there is nothing to create, and nothing is left behind."""
    with pytest.raises(GalleryMissing):
        open_gallery(None, create=True)
    with pytest.raises(GalleryMissing):
        open_gallery(None, create=False)


def test_open__tells_what_is_there(
    engine: Engine, open_gallery: OpenGallery, fingerprint: Fingerprint
) -> None:
    """A store knows its gallery and its fingerprint, also when opened without one."""
    expected = (engine.name_of("moths"), fingerprint)

    with open_gallery(gallery="moths") as store:
        assert (store.gallery, store.fingerprint) == expected
    with open_gallery(None, gallery="moths", create=False) as store:
        assert (store.gallery, store.fingerprint) == expected


def test_open__another_fingerprint(
    open_gallery: OpenGallery, fingerprint: Fingerprint, pictures: Pictures
) -> None:
    """Another embedding space is refused with both fingerprints, the difference and the remedy."""
    other = replace(fingerprint, image_size=224)
    with open_gallery() as store:
        store.add(pictures.many("wasp", 1))

    for create in (False, True):
        with pytest.raises(FingerprintMismatch) as refused:
            open_gallery(other, create=create)

    message = str(refused.value)
    assert fingerprint.id in message
    assert other.id in message
    assert "image_size: stored 32, this run 224" in message
    assert "HOLOTYPE_GALLERY" in message
    assert open_gallery().count() == 1


def test_reopen__everything_is_there(
    open_gallery: OpenGallery, pictures: Pictures, fingerprint: Fingerprint
) -> None:
    """References, their facts, their pictures and the filter keys survive closing."""
    item = pictures.embedded("p", "wasp", group="g", meta={"site": "north"}, thumbnail=b"jpeg")
    with open_gallery() as store:
        store.add([item, *pictures.many("bee", 3)])
        before = (store.state(), store.filter_keys(), store.list_references())
        [exported] = store.export()

    with open_gallery(create=False) as store:
        assert (store.state(), store.filter_keys(), store.list_references()) == before
        assert store.thumbnails([picture_id("p")]) == {picture_id("p"): b"jpeg"}
        assert store.count(where=Where.parse(["site=north"])) == 1
        [again] = store.export()
        assert (again.vectors == exported.vectors).all()


def test_reopen__time_goes_on(open_gallery: OpenGallery, pictures: Pictures) -> None:
    """A change after reopening is later than every change before."""
    with open_gallery() as store:
        store.add(pictures.many("wasp", 1))
        before = store.state().last_change

    store = open_gallery()
    store.add(pictures.many("bee", 1))

    assert store.state().last_change > before


def test_galleries__are_independent(open_gallery: OpenGallery, pictures: Pictures) -> None:
    """Two galleries share nothing, and may be open together."""
    moths, wasps = open_gallery(gallery="moths"), open_gallery(gallery="wasps")

    moths.add([pictures.embedded("p", "moth")])

    assert moths.count() == 1
    assert wasps.count() == 0
    assert wasps.existing([picture_id("p")]) == {}


def test_close__twice(open_gallery: OpenGallery) -> None:
    """Closing a closed store is fine."""
    store = open_gallery()

    store.close()
    store.close()
