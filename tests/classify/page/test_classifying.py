"""Classify: choose, drop and paste; the answer, its evidence, and what is made of it."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, expect

from classify.answering.modes import Mode
from head.trust.calibration import Calibration
from head.versions import registry
from holotype.store.port import VectorStore
from tests.classify.conftest import COLOURS, picture, publish_head
from tests.classify.page.browsing import REFUSED, Visitor
from tests.classify.page.conftest import Serve, Visit, painted
from tests.classify.service.conftest import GatedEncoder

YELLOW = (220, 210, 40)

FORGETFUL_SERVICE = """() => {
    const ask = window.fetch;
    const first = ["mode", "label", "score", "runners_up", "neighbours"];
    window.fetch = async (path, init) => {
        const response = await ask(path, init);
        if (path !== "v1/classify") return response;
        const { results } = await response.json();
        for (const { answer } of results) {
            for (const name of Object.keys(answer)) if (!first.includes(name)) delete answer[name];
        }
        return new Response(JSON.stringify({ results }));
    };
}"""
"""Takes from each answer what the first version of the service did not send."""


def calibrated(*modes: Mode) -> dict[str, Calibration]:
    """Of a head: the higher the margin, the more answers are right."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 2000)
    scores = rng.normal(size=(2000, 3))
    scores[np.arange(2000), truth] += 2
    fitted = Calibration.fit(scores, truth)
    return dict.fromkeys(modes, fitted)


def torn() -> bytes:
    """A picture that is red on the left and green on the right."""
    pixels = np.zeros((40, 48, 3), np.uint8)
    pixels[:, :24], pixels[:, 24:] = COLOURS["red"], COLOURS["green"]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def swapped(store: VectorStore) -> None:
    """Make a head active that takes red for green, and is not very sure of it."""
    head = publish_head(store, *COLOURS)
    labels = ("green", "red", "blue")
    record = replace(head.record, version="20260101-000001-bbbb", labels=labels)
    unsure = replace(
        head, labels=labels, record=record, weights=head.weights / 50, bias=head.bias / 50
    )
    store.save_head(unsure.to_stored())
    registry.promote(store, record.version)


def is_shown(image: Locator) -> bool:
    """Whether an image element really shows a picture."""
    expect(image).to_be_visible()
    expect(image).to_have_attribute("src", re.compile("."))  # it is fetched when it is in sight
    shown: bool = image.evaluate("async (img) => (await img.decode(), img.naturalWidth > 0)")
    return shown


def test_choose__the_answer_comes_with_its_evidence(visitor: Visitor) -> None:
    """The label, its share, and the references that voted, as pictures with similarities."""
    visitor.choose(("0031.png", picture("red", 100)))
    card = visitor.card("0031.png")
    expect(card.get_by_role("heading", level=2)).to_contain_text("red")
    expect(card).to_contain_text("of the 18 nearest are red")
    assert is_shown(card.get_by_alt_text("The query 0031.png"))
    nearest = card.locator(".evidence li").first
    expect(nearest.locator("strong")).to_have_text("red")
    card.get_by_text("How near they are").click()
    expect(card.get_by_role("cell", name=re.compile(r"0\.99\d")).first).to_be_visible()
    assert is_shown(nearest.locator("img"))
    expect(visitor.said("0031.png: red")).to_be_visible()
    visitor.screenshot("classify")


def test_drop__files_and_a_folder(visitor: Visitor, tmp_path: Path) -> None:
    """A folder is taken with what is in it, but for hidden files; the window stays."""
    folder = tmp_path / "drawer"
    (folder / "deeper").mkdir(parents=True)
    single = tmp_path / "single.png"
    single.write_bytes(picture("red", 101))
    (folder / "one.png").write_bytes(picture("green", 101))
    (folder / "deeper" / "two.png").write_bytes(picture("blue", 101))
    (folder / ".hidden").write_bytes(b"not for us")
    visitor.drop(single, folder)
    for name, label in (("single.png", "red"), ("one.png", "green"), ("two.png", "blue")):
        expect(visitor.card(name).get_by_role("heading", level=2)).to_contain_text(label)
    expect(visitor.page.get_by_role("article")).to_have_count(3)


def test_drop__on_another_page(look: Visit, tmp_path: Path) -> None:
    """Wherever it is dropped, a picture is classified; the browser does not leave to show it."""
    visitor = look("heads")
    (tmp_path / "a.png").write_bytes(picture("blue", 102))
    visitor.drop(tmp_path / "a.png")
    expect(visitor.card("a.png").get_by_role("heading", level=2)).to_contain_text("blue")
    expect(visitor.page).to_have_title("Classify · Holotype")


def test_paste__a_picture_from_the_clipboard(visitor: Visitor) -> None:
    """It gets a name that says where it came from."""
    visitor.paste(picture("green", 103))
    card = visitor.page.get_by_role("article")
    expect(card.get_by_role("heading", level=2)).to_contain_text("green")
    expect(card.locator(".picture .name")).to_have_text(re.compile(r"pasted-.*\.png"))


def test_correct__one_click_adds_and_one_undoes(visitor: Visitor, own_store: VectorStore) -> None:
    """A right answer becomes a reference; the keyboard stays where something can be done."""
    visitor.choose(("new.png", picture("red", 104)))
    visitor.card("new.png").get_by_role("button", name="Correct: add as red").click()
    expect(visitor.said("new.png is in the gallery as “red”")).to_be_visible()
    assert own_store.counts()["red"] == 7
    expect(visitor.page.locator("#gallery-summary")).to_contain_text("19 references")
    undo = visitor.card("new.png").get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    undo.press("Enter")
    expect(
        visitor.card("new.png").get_by_role("button", name="Correct: add as red")
    ).to_be_focused()
    assert own_store.counts()["red"] == 6
    visitor.page.keyboard.press("Enter")
    expect(undo).to_be_focused()
    visitor.undo("new.png is in the gallery as “red”")
    expect(
        visitor.card("new.png").get_by_role("button", name="Correct: add as red")
    ).to_be_focused()
    assert own_store.counts()["red"] == 6


def test_relabel_and_add__a_new_class_is_known_at_once(
    visitor: Visitor, own_store: VectorStore
) -> None:
    """One label typed once makes a class; the next picture of it is recognised."""
    visitor.choose(("first.png", painted(YELLOW, 1)))
    card = visitor.card("first.png")
    card.get_by_label("Label to add first.png under").fill("yellow")
    card.get_by_label("Label to add first.png under").press("Enter")
    expect(card).to_contain_text("In the gallery as yellow")
    visitor.page.get_by_label("Neighbours that vote").fill("1")
    visitor.choose(("second.png", painted(YELLOW, 2)))
    expect(visitor.card("second.png").get_by_role("heading", level=2)).to_contain_text("yellow")
    offered = visitor.page.locator("datalist#labels option[value=yellow]")
    expect(offered).to_have_count(1)


def test_known_picture__is_said_and_relabelling_it_can_be_undone(
    visitor: Visitor, own_store: VectorStore
) -> None:
    """The very bytes are in the gallery: another label replaces the old, undo brings it back."""
    visitor.choose(("again.png", picture("red", 0)))
    card = visitor.card("again.png")
    expect(card).to_contain_text("This very picture is in the gallery as red.")
    card.get_by_placeholder("another label").fill("ruby")
    card.get_by_role("button", name="Add", exact=True).click()
    expect(card).to_contain_text("In the gallery as ruby")
    assert own_store.counts() == {"green": 6, "blue": 6, "red": 5, "ruby": 1}
    card.get_by_role("button", name="Undo").click()
    expect(visitor.said("Undone")).to_be_visible()
    assert own_store.counts() == {"green": 6, "blue": 6, "red": 6}


def test_evidence__a_neighbour_is_looked_at_and_put_right(
    visitor: Visitor, own_store: VectorStore
) -> None:
    """A wrong label among the evidence is corrected where it is seen; the keyboard comes back."""
    visitor.choose(("0031.png", picture("red", 100)))
    neighbour = visitor.page.get_by_role("button", name="Reference of red: details").first
    neighbour.press("Enter")
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog).to_contain_text("drawer/red/")
    expect(dialog).to_contain_text(re.compile(r"48 . 40 px"))
    assert is_shown(dialog.get_by_role("img"))
    dialog.get_by_label("Label").fill("crimson")
    dialog.get_by_role("button", name="Relabel").click()
    expect(visitor.said("Its label is “crimson” now")).to_be_visible()
    expect(neighbour).to_be_focused()
    assert own_store.counts()["crimson"] == 1
    neighbour.press("Enter")
    expect(dialog.get_by_label("Label")).to_have_value("crimson")
    visitor.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(neighbour).to_be_focused()


def test_broken_and_unseen_pictures__leave_the_others_alone(visitor: Visitor) -> None:
    """A broken file is named with the reason; a TIFF is shown as the service sees it."""
    visitor.choose(
        ("fine.png", picture("blue", 105)),
        ("broken.png", b"no picture at all"),
        ("scan.tiff", painted(COLOURS["green"], 3, kind="TIFF")),
    )
    expect(visitor.card("fine.png").get_by_role("heading", level=2)).to_contain_text("blue")
    broken = visitor.card("broken.png")
    expect(broken.get_by_role("heading", level=2)).to_have_text("No answer")
    expect(broken).to_contain_text("not a picture in a supported format")
    scan = visitor.card("scan.tiff")
    expect(scan.get_by_role("heading", level=2)).to_contain_text("green")
    expect(broken).to_contain_text("PNG: no preview in this browser")
    assert is_shown(scan.get_by_alt_text("The query scan.tiff"))
    expect(visitor.said("1 of 3 images got no answer")).to_be_visible()
    visitor.screenshot("classify-broken")


def test_options__are_asked_again_at_once(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """Another mode or filter answers what is shown, without choosing the pictures again."""
    publish_head(store_with_heads, *COLOURS)
    visitor = look(at=serve(store_with_heads))
    visitor.page.get_by_label("Who answers").select_option("Nearest references")
    visitor.choose(("0031.png", picture("red", 100)))
    card = visitor.card("0031.png")
    expect(card.get_by_role("region", name="Share of the vote")).to_be_visible()
    visitor.page.get_by_label("Only references with").fill("site=A")
    visitor.page.get_by_label("Only references with").press("Enter")
    expect(card).to_contain_text("of the 9 nearest are red")
    visitor.page.get_by_label("Who answers").select_option("Linear head")
    expect(card.get_by_role("region", name="Score")).to_be_visible()
    expect(card.locator(".evidence")).to_have_count(0)
    visitor.page.get_by_label("Only references with").fill("no sign")
    visitor.page.get_by_label("Only references with").press("Enter")
    expect(card).to_contain_text("cannot read filter 'no sign'")
    visitor.expected.append(REFUSED)


def test_auto__shows_both_parts_and_where_they_disagree(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """Neighbours and head each have their say; a disagreement is named."""
    swapped(store_with_heads)
    visitor = look(at=serve(store_with_heads))
    expect(visitor.page.get_by_label("Who answers")).to_have_value("auto")
    visitor.choose(("0031.png", picture("red", 100)), ("sky.png", picture("blue", 100)))
    disagreement = visitor.card("0031.png").get_by_role("region", name="What each said")
    expect(disagreement.get_by_role("heading")).to_have_text("They disagree")
    expect(disagreement).to_contain_text(re.compile("Nearest references say red .*%"))
    expect(disagreement).to_contain_text(re.compile("Linear head says green .*%"))
    agreement = visitor.card("sky.png").get_by_role("region", name="What each said")
    expect(agreement.get_by_role("heading")).to_have_text("Both agree")
    visitor.screenshot("classify-auto")


def test_older_service__leaves_out_what_it_does_not_say(look: Visit, serve: Serve) -> None:
    """Without the newer fields an answer is still an answer, with its evidence."""
    visitor = look(at=serve())
    visitor.page.evaluate(FORGETFUL_SERVICE)
    visitor.choose(("0031.png", picture("red", 100)))
    card = visitor.card("0031.png")
    expect(card.get_by_role("heading", level=2)).to_contain_text("red")
    expect(card).to_contain_text("of the 18 nearest are red")
    expect(card.get_by_role("region", name="Share of the vote")).to_be_visible()


def test_full_queue__is_waited_for(look: Visit, serve: Serve) -> None:
    """When the service has no place it says so (503); the page asks again, and all are answered."""
    encoder = GatedEncoder()
    visitor = look(at=serve(encoder=encoder, queue_length=8))
    visitor.expected.append(REFUSED)
    with visitor.page.expect_response(lambda response: response.status == 503):
        visitor.choose(*((f"{i}.png", picture("red", 300 + i)) for i in range(16)))
    expect(visitor.page.get_by_text("0 of 16 images")).to_be_visible()
    encoder.open.set()
    expect(visitor.page.get_by_role("button", name="All 16", exact=True)).to_be_visible()
    expect(visitor.page.get_by_text("Looking…")).to_have_count(0)
    expect(visitor.page.get_by_text("No answer")).to_have_count(0)


def test_stop__what_is_not_answered_can_be_asked_again(look: Visit, serve: Serve) -> None:
    """A long run is ended by one button; each picture that was left out says so."""
    encoder = GatedEncoder()
    visitor = look(at=serve(encoder=encoder))
    visitor.choose(("a.png", picture("red", 400)), ("b.png", picture("blue", 400)))
    visitor.page.get_by_role("button", name="Stop").click()
    expect(visitor.card("b.png")).to_contain_text("Stopped before it was answered.")
    encoder.open.set()
    visitor.card("b.png").get_by_role("button", name="Ask again").click()
    expect(visitor.card("b.png").get_by_role("heading", level=2)).to_contain_text("blue")
    expect(visitor.card("a.png")).to_contain_text("No answer")


def test_ask_again__leaves_the_other_cards_alone(look: Visit, serve: Serve) -> None:
    """One card is asked again while others still wait: they are answered as if nothing was."""
    encoder = GatedEncoder()
    visitor = look(at=serve(encoder=encoder))
    visitor.choose(("a.png", picture("red", 410)), ("b.png", picture("blue", 410)))
    visitor.page.get_by_role("button", name="Stop").click()
    visitor.choose(("c.png", picture("green", 410)), ("d.png", picture("green", 411)))
    expect(visitor.card("c.png")).to_contain_text("Looking…")
    visitor.card("b.png").get_by_role("button", name="Ask again").click()
    expect(visitor.card("b.png")).to_contain_text("Looking…")
    expect(visitor.card("c.png")).to_contain_text("Looking…")
    encoder.open.set()
    for name, colour in (("b.png", "blue"), ("c.png", "green"), ("d.png", "green")):
        expect(visitor.card(name).get_by_role("heading", level=2)).to_contain_text(colour)


def test_conflict__what_was_added_elsewhere_is_not_overruled_unasked(
    look: Visit, serve: Serve, own_store: VectorStore
) -> None:
    """A picture that got another label since it was asked about: keep that, or change it."""
    service = serve()
    visitor = look(at=service)
    for name, seed in (("kept.png", 420), ("changed.png", 421)):
        data = picture("red", seed)
        visitor.choose((name, data))
        card = visitor.card(name)
        expect(card.get_by_role("heading", level=2)).to_contain_text("red")
        form = {"images": (name, data)}
        service.http.post("/v1/references", files=form, data={"label": "garnet"})
        card.get_by_role("button", name="Correct: add as red").click()
        expect(card).to_contain_text("This very picture is in the gallery as garnet, not red.")
    assert own_store.counts() == {"red": 6, "green": 6, "blue": 6, "garnet": 2}
    visitor.screenshot("classify-conflict")
    visitor.card("kept.png").get_by_role("button", name="Keep garnet").click()
    expect(visitor.card("kept.png")).to_contain_text("In the gallery as garnet")
    visitor.card("changed.png").get_by_role("button", name="Change it to red").click()
    expect(visitor.card("changed.png")).to_contain_text("In the gallery as red")
    assert own_store.counts() == {"red": 7, "green": 6, "blue": 6, "garnet": 1}
    visitor.card("changed.png").get_by_role("button", name="Undo").click()
    expect(visitor.said("Undone")).to_be_visible()
    assert own_store.counts() == {"red": 6, "green": 6, "blue": 6, "garnet": 2}


def test_service_gone__is_said_until_it_is_back(visitor: Visitor) -> None:
    """Nothing is lost: the card can be asked again when the service answers again."""
    visitor.expected.append("ERR_INTERNET_DISCONNECTED")
    visitor.context.set_offline(True)
    visitor.choose(("0031.png", picture("red", 100)))
    banner = visitor.page.get_by_role("alert")
    expect(banner).to_contain_text("The service does not answer.")
    card = visitor.card("0031.png")
    expect(card).to_contain_text("The service does not answer: is it still running?")
    visitor.screenshot("classify-gone")
    visitor.context.set_offline(False)
    expect(visitor.said("The service answers again")).to_be_visible()
    expect(banner).to_be_empty()
    card.get_by_role("button", name="Ask again").click()
    expect(card.get_by_role("heading", level=2)).to_contain_text("red")
