"""The three states of an answer on the page: the same words as everywhere, nothing beside them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from playwright.sync_api import expect

from classify.answering.modes import Mode
from head.fit.whitening import Metric
from head.trust.conformal import LEVELS
from head.trust.novelty import Novelty
from head.versions import registry
from head.versions.head import ClassMeans
from holotype.store.port import VectorStore
from tests.classify.conftest import ColourGallery, picture, publish_head
from tests.classify.page.conftest import Serve, Visit
from tests.classify.page.test_classifying import COLOURS, calibrated, torn


def watchful(
    store: VectorStore,
    gallery: ColourGallery,
    *,
    labels: tuple[str, ...] = tuple(COLOURS),
    usual: tuple[float, ...] | None = None,
) -> None:
    """Make a head active to which half a red is as strange as nothing in the gallery.

    Args:
        store: where it goes.
        gallery: whose encoder embeds.
        labels: what the head takes red, green and blue for.
        usual: strangeness of the gallery's own; None: below that of half a red.
    """
    head = publish_head(store, *COLOURS, calibration=calibrated(Mode.LINEAR))
    means = head.weights / 20
    metric = Metric(np.eye(head.dimension, dtype=np.float32), np.zeros(head.dimension, np.float32))
    novelty = Novelty(metric, means, spread=1.0)
    below = float(novelty.score(gallery.embed(torn())[None])[0]) * 0.9
    assert novelty.score(gallery.embed(picture("red", 100))[None])[0] < below
    version = "20260101-000001-cccc"
    stored = replace(
        head,
        record=replace(head.record, version=version, labels=labels),
        labels=labels,
        metric=metric,
        class_means=ClassMeans(means, np.full(len(means), 6, np.float32)),
        novelty=replace(novelty, usual=(below,) * len(LEVELS) if usual is None else usual),
    ).to_stored()
    store.save_head(stored)
    registry.promote(store, version)


def test_unsure__names_the_likeliest_and_why(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """Below the asked precision labels are named with "perhaps", and none as the right one."""
    publish_head(store_with_heads, *COLOURS, calibration=calibrated(Mode.LINEAR))
    visitor = look(at=serve(store_with_heads))
    page = visitor.page
    page.get_by_label("Who answers").select_option("Linear head")
    visitor.choose(("clear.png", picture("red", 100)), ("torn.png", torn()))
    clear, doubtful = visitor.card("clear.png"), visitor.card("torn.png")
    expect(doubtful.get_by_role("heading", level=2)).to_contain_text(re.compile("red|green"))
    page.get_by_label("Say “perhaps” where fewer are right than").select_option("95 %")
    page.get_by_label("Also a set of labels, right in").select_option("99 %")
    perhaps = r"Unsure, perhaps (red|green) \d\d % or (red|green) \d\d %"
    expect(doubtful.get_by_role("heading", level=2)).to_have_text(re.compile(perhaps))
    expect(doubtful).to_contain_text("Its probability is below")
    expect(doubtful).to_contain_text(re.compile("may be meant: (red, green|green, red)"))
    expect(doubtful.get_by_role("button", name="Correct")).to_have_count(0)
    expect(doubtful.get_by_role("button", name="Add as")).to_have_count(2)
    expect(clear.get_by_role("heading", level=2)).to_contain_text("red")
    expect(page.get_by_role("button", name="Unsure 1", exact=True)).to_be_visible()
    visitor.screenshot("classify-unsure")
    page.reload()
    expect(page.get_by_label("Say “perhaps” where fewer are right than")).to_have_value("0.95")


def test_unknown__says_what_it_looks_like_and_offers_no_label(
    look: Visit, serve: Serve, store_with_heads: VectorStore, shared_gallery: ColourGallery
) -> None:
    """A stranger is headlined as one: no probability, no set and no button contradicts it."""
    watchful(store_with_heads, shared_gallery)
    visitor = look(at=serve(store_with_heads))
    visitor.page.get_by_label("Who answers").select_option("Linear head")
    visitor.page.get_by_label("Also a set of labels, right in").select_option("99 %")
    visitor.choose(("clear.png", picture("red", 100)), ("torn.png", torn()))
    stranger = visitor.card("torn.png")
    headline = re.compile("^Unknown, looks most like (red|green)$")
    expect(stranger.get_by_role("heading", level=2)).to_have_text(headline)
    expect(stranger).to_contain_text("Stranger than 99.9% of the gallery's own references.")
    expect(stranger).not_to_contain_text("may be meant")
    expect(stranger.get_by_role("region", name="Probability")).to_have_count(0)
    expect(stranger.get_by_role("button", name=re.compile("dd as"))).to_have_count(0)
    expect(stranger.get_by_role("button", name="Add", exact=True)).to_be_visible()
    known = visitor.card("clear.png")
    expect(known.get_by_role("button", name="Correct: add as red")).to_be_visible()
    expect(visitor.page.get_by_role("button", name="Unknown 1", exact=True)).to_be_visible()
    visitor.screenshot("classify-unknown")


def test_unknown__does_not_count_as_a_disagreement(
    look: Visit, serve: Serve, store_with_heads: VectorStore, shared_gallery: ColourGallery
) -> None:
    """Where both labels are wrong it says nothing that they differ: no flag, no filter has it."""
    nothing_usual = (0.0,) * len(LEVELS)
    watchful(store_with_heads, shared_gallery, labels=("green", "red", "blue"), usual=nothing_usual)
    service = serve(store_with_heads)
    reds = [(f"red-{seed}.png", picture("red", seed, spread=5)) for seed in range(200, 210)]
    files, form = {"images": reds[0]}, {"mode": "auto"}
    (result,) = service.http.post("/v1/classify", files=files, data=form).json()["results"]
    assert (result["answer"]["state"], result["answer"]["disagrees"]) == ("unknown", True)
    visitor = look(at=service)
    visitor.choose(*reds, ("broken.png", b"nothing"))
    page = visitor.page
    expect(page.get_by_role("button", name="Unknown 10", exact=True)).to_be_visible()
    expect(page.get_by_role("list", name="Answers")).not_to_contain_text("Modes disagree")
    expect(page.get_by_role("button", name="Modes disagree")).to_have_count(0)


def test_few_references__is_said_quietly(
    look: Visit, serve: Serve, store_with_heads: VectorStore, shared_gallery: ColourGallery
) -> None:
    """That no query is called unknown is about the gallery: it is in the details, no warning."""
    watchful(store_with_heads, shared_gallery, usual=())
    visitor = look(at=serve(store_with_heads))
    visitor.choose(("0031.png", picture("red", 100)))
    card = visitor.card("0031.png")
    words = card.get_by_text("No query is called unknown")
    expect(words).to_be_hidden()
    expect(card.locator(".notice")).to_have_count(0)
    card.get_by_text("How near they are").click()
    expect(words).to_be_visible()
    visitor.page.get_by_label("Who answers").select_option("Linear head")
    expect(card.locator(".evidence")).to_have_count(0)
    expect(words).to_be_visible()
    expect(card.locator(".notice")).to_have_count(0)
