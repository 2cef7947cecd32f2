"""The page of a gallery whose vectors come from elsewhere: no pictures, everything else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from holotype.fingerprint import Fingerprint
from holotype.intake.batch import Intake
from holotype.intake.vectors import incoming_vectors, vector_records
from holotype.settings import Settings
from holotype.store.factory import open_store
from holotype.store.port import VectorStore
from tests.classify.conftest import picture
from tests.classify.page.conftest import Serve, Visit

SPACE = Fingerprint.of_space("my-encoder v3", 4)


@pytest.fixture
def genes(tmp_path: Path) -> Iterator[VectorStore]:
    """Four vectors of two classes. Asked for first, so that it is closed last."""
    settings = Settings.load(home=tmp_path / "genes")
    with open_store(settings, fingerprint=SPACE, command="a test", create=True) as store:
        records = vector_records(np.eye(4), ["ant", "ant", "bee", "bee"], dimension=4)
        Intake(store, None).add_vectors(incoming_vectors(records, SPACE))
        yield store


def test_classify__says_what_it_holds(genes: VectorStore, look: Visit, serve: Serve) -> None:
    """The space by its name, and where vectors go; a picture that is dropped is told so."""
    visitor = look(at=serve(genes))
    page = visitor.page
    expect(page.get_by_role("heading", level=1)).to_have_text("This gallery holds vectors")
    expect(page.get_by_text("my-encoder v3")).to_be_visible()
    expect(page.get_by_label("Drop, paste or choose images")).to_have_count(0)
    visitor.expected.append("409")
    visitor.paste(picture("red", 1))
    expect(
        page.locator(".results").get_by_text("which no encoder of this service makes")
    ).to_be_visible()


def test_gallery__corrected_without_pictures(genes: VectorStore, look: Visit, serve: Serve) -> None:
    """Classes, references and their details are there, and no picture is asked for."""
    visitor = look("gallery", at=serve(genes))
    page = visitor.page
    page.get_by_role("link", name="ant 2 references").click()
    expect(page.get_by_text("No picture")).to_have_count(2)
    page.get_by_role("button", name="row 0: details").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("img")).to_have_count(0)
    dialog.get_by_label("Label").fill("wasp")
    dialog.get_by_role("button", name="Relabel").click()
    expect(page.get_by_text("No picture")).to_have_count(1)
    assert genes.counts() == {"bee": 2, "ant": 1, "wasp": 1}
    visitor.go("heads")
