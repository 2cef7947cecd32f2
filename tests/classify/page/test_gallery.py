"""Gallery: classes, one class's references, and putting labels right."""

from __future__ import annotations

import io
import re
from pathlib import Path
from urllib.parse import quote

import pyarrow.ipc
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from holotype.references import Where
from holotype.store.port import VectorStore
from tests.classify.conftest import ColourGallery
from tests.classify.page.browsing import REFUSED, Visitor
from tests.classify.page.conftest import Serve, Visit, painted
from tests.classify.service.conftest import GatedEncoder

MARKUP = "<img src=x onerror=\"document.title='owned'\">"
AWKWARD = (
    "50 % a/b #1 ?x=y",
    "Ölfleck, 油斑",
    "عنكبوت الحديقة",
    MARKUP,
    "L" * 200,
)


@pytest.fixture
def gallery(look: Visit) -> Visitor:
    """Somebody who looks at the Gallery page."""
    return look("gallery")


def open_class(visitor: Visitor, label: str) -> Page:
    """Go to one class by its tile."""
    visitor.page.get_by_role("link", name=label).click()
    expect(visitor.page.get_by_role("heading", level=1, name=label)).to_be_focused()
    return visitor.page


def boxes(page: Page) -> Locator:
    """The check boxes of the references."""
    return page.get_by_role("list", name="References of").get_by_role("checkbox")


def test_classes__with_their_sizes_and_a_look_into_each(gallery: Visitor) -> None:
    """Each class shows how many references it has, and some of them."""
    page = gallery.page
    expect(page.get_by_role("link", name="red 6 references")).to_be_visible()
    expect(page.locator(".classes li").first.locator("img")).to_have_count(4)
    expect(page.get_by_text("3 classes", exact=True)).to_be_visible()
    gallery.screenshot("gallery")


def test_search__narrows_the_classes(gallery: Visitor) -> None:
    """What is typed is looked for anywhere in a name, and how many are left is said."""
    page = gallery.page
    page.get_by_label("Find a class").fill("RE")
    expect(page.locator(".classes li:visible")).to_have_count(2)
    expect(page.get_by_text("2 of 3 classes")).to_be_visible()
    page.get_by_label("Find a class").fill("purple")
    expect(page.get_by_text("No class has that in its name.")).to_be_visible()
    page.get_by_label("Find a class").fill("")
    page.get_by_label("Order").select_option("By name")
    expect(page.locator(".classes strong")).to_have_text(["blue", "green", "red"])


def test_relabel__several_at_once(gallery: Visitor, own_store: VectorStore) -> None:
    """Selected references move to another label; shift selects a range."""
    page = open_class(gallery, "red")
    boxes(page).nth(0).check()
    boxes(page).nth(2).click(modifiers=["Shift"])
    expect(page.get_by_text("3 selected")).to_be_visible()
    gallery.screenshot("gallery-class")
    page.get_by_role("button", name="Relabel").click()
    page.get_by_role("dialog").get_by_label("New label").fill("ruby")
    page.keyboard.press("Enter")
    expect(gallery.said("3 references moved to “ruby”")).to_be_visible()
    expect(boxes(page)).to_have_count(3)
    expect(boxes(page).first).to_be_focused()
    assert own_store.counts() == {"green": 6, "blue": 6, "red": 3, "ruby": 3}


def test_remove__asks_first(gallery: Visitor, own_store: VectorStore) -> None:
    """Cancel and Escape leave everything as it is; only Remove removes."""
    page = open_class(gallery, "blue")
    boxes(page).first.check()
    remove = page.get_by_role("group", name="Selected references").get_by_role(
        "button", name="Remove"
    )
    remove.click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(remove).to_be_focused()
    remove.click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert own_store.counts()["blue"] == 6
    remove.click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(gallery.said("1 reference removed")).to_be_visible()
    expect(page.get_by_text("5 references", exact=True)).to_be_visible()
    assert own_store.counts()["blue"] == 5


def test_rename__a_class(gallery: Visitor, own_store: VectorStore) -> None:
    """All its references get the new label, and the page follows."""
    page = open_class(gallery, "green")
    page.get_by_role("button", name="Rename or merge").click()
    page.get_by_role("dialog").get_by_label("New name").fill("emerald")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", level=1, name="emerald")).to_be_visible()
    expect(boxes(page)).to_have_count(6)
    assert own_store.counts() == {"red": 6, "blue": 6, "emerald": 6}


def test_dots__a_class_named_so_is_renamed_and_no_other(
    gallery: Visitor, own_store: VectorStore
) -> None:
    """Such labels are refused today; a class that has one from before can still be put right."""
    own_store.relabel("red/..", where=Where.equal("label", "green"))
    gallery.go("gallery/red%2F..")
    page = gallery.page
    page.get_by_role("button", name="Rename or merge").click()
    page.get_by_role("dialog").get_by_label("New name").fill("..")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    gallery.expected.append(REFUSED)
    expect(gallery.said("the label '..' cannot be used")).to_be_visible()
    page.get_by_role("button", name="Rename or merge").click()
    page.get_by_role("dialog").get_by_label("New name").fill("emerald")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", level=1, name="emerald")).to_be_visible()
    assert own_store.counts() == {"red": 6, "blue": 6, "emerald": 6}


def test_merge__is_announced_before_it_is_done(gallery: Visitor, own_store: VectorStore) -> None:
    """A name that exists means that two classes become one: a second question says so."""
    page = open_class(gallery, "green")
    page.get_by_role("button", name="Rename or merge").click()
    page.get_by_role("dialog").get_by_label("New name").fill("blue")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    question = page.get_by_role("dialog", name="Merge into “blue”?")
    expect(question).to_contain_text("has 6 references already")
    assert own_store.counts()["green"] == 6
    question.get_by_role("button", name="Merge").click()
    expect(page.get_by_text("12 references", exact=True)).to_be_visible()
    assert own_store.counts() == {"blue": 12, "red": 6}


def test_remove_class__with_all_its_references(gallery: Visitor, own_store: VectorStore) -> None:
    """The question says how many; afterwards the class is gone."""
    page = open_class(gallery, "red")
    page.get_by_role("button", name="Remove class").click()
    expect(page.get_by_role("dialog")).to_contain_text("All 6 references leave the gallery")
    page.get_by_role("dialog").get_by_role("button", name="Remove class").click()
    expect(page.get_by_text("2 classes", exact=True)).to_be_visible()
    assert own_store.counts() == {"green": 6, "blue": 6}


def test_add_images__to_a_class(gallery: Visitor, own_store: VectorStore) -> None:
    """New ones are added, one that has another label is left alone and named."""
    page = open_class(gallery, "red")
    fresh = painted((200, 40, 40), 7)
    clash = painted((40, 60, 210), 8)
    gallery.page.get_by_label("Add images").set_input_files(
        [{"name": "fresh.png", "mimeType": "image/png", "buffer": fresh}]
    )
    expect(page.get_by_text("1 image added to “red”.")).to_be_visible()
    expect(boxes(page)).to_have_count(7)
    gallery.go("gallery/blue")
    gallery.page.get_by_label("Add images").set_input_files(
        [
            {"name": "fresh.png", "mimeType": "image/png", "buffer": fresh},
            {"name": "other.png", "mimeType": "image/png", "buffer": clash},
        ]
    )
    expect(page.get_by_text("1 image added to “blue”, 1 not added.")).to_be_visible()
    expect(page.get_by_text("the same picture is in the gallery as 'red'")).to_be_visible()
    assert own_store.counts() == {"red": 7, "blue": 7, "green": 6}
    gallery.expected.append(REFUSED)  # the picture of one may be on its way when it is taken out
    page.get_by_role("button", name="Undo").click()
    expect(gallery.said("Undone")).to_be_visible()
    expect(boxes(page)).to_have_count(6)
    assert own_store.counts() == {"red": 7, "blue": 6, "green": 6}


def test_drop__a_folder_on_a_class_is_added_to_it_once_it_is_confirmed(
    gallery: Visitor, own_store: VectorStore, tmp_path: Path
) -> None:
    """What is no picture is counted, a click by mistake adds nothing, and all can be taken back."""
    page = open_class(gallery, "red")
    folder = tmp_path / "drawer"
    (folder / "deeper").mkdir(parents=True)
    for seed in range(10):
        (folder / "deeper" / f"{seed}.png").write_bytes(painted((200, 40, 40), 30 + seed))
    (folder / "notes.txt").write_text("no picture")
    gallery.drop(folder)
    question = page.get_by_role("dialog", name="Add 10 images to “red”?")
    expect(question).to_contain_text("1 file left out: no picture.")
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_have_count(0)
    gallery.drop(folder)
    question.get_by_role("button", name="Add 10").click()
    expect(
        page.get_by_text("10 images added to “red”, 1 file left out: no picture.")
    ).to_be_visible()
    expect(boxes(page)).to_have_count(16)
    gallery.screenshot("gallery-folder-added")
    gallery.expected.append(REFUSED)
    page.get_by_role("button", name="Undo").click()
    expect(boxes(page)).to_have_count(6)
    assert own_store.counts()["red"] == 6


def test_drop__is_ended_by_one_button(
    look: Visit, serve: Serve, own_store: VectorStore, tmp_path: Path
) -> None:
    """What was not sent by then is said, and never is."""
    encoder = GatedEncoder()
    visitor = look("gallery/red", at=serve(encoder=encoder))
    page = visitor.page
    for seed in range(40):
        (tmp_path / f"{seed:02}.png").write_bytes(painted((200, 40, 40), 60 + seed))
    page.locator("#add-images").set_input_files(sorted(tmp_path.glob("*.png")))
    expect(page.get_by_text("0 of 40 images")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("0 images added to “red”, 40 not sent.")).to_be_visible()
    encoder.open.set()
    page.reload()
    expect(page.get_by_role("heading", level=1, name="red")).to_be_visible()
    assert own_store.counts()["red"] <= 6 + 2 * 8


def test_selection__moves_nothing_under_the_finger(gallery: Visitor) -> None:
    """The bar floats at the foot of the window: what is clicked next is where it was."""
    page = open_class(gallery, "red")
    second = boxes(page).nth(1)
    before = second.bounding_box()
    boxes(page).first.check()
    bar = page.get_by_role("group", name="Selected references")
    expect(bar).to_be_in_viewport()
    assert second.bounding_box() == before


def test_export__the_vectors_as_a_file(gallery: Visitor, own_store: VectorStore) -> None:
    """One button, one Arrow stream of all references."""
    with gallery.page.expect_download() as downloading:
        gallery.page.get_by_role("button", name="Export").click()
    assert downloading.value.suggested_filename == "default.arrow"
    with pyarrow.ipc.open_stream(Path(downloading.value.path()).read_bytes()) as stream:
        table = stream.read_all()
    assert sorted(table["label"].to_pylist()) == sorted(["red", "green", "blue"] * 6)


def test_awkward_labels__are_text_and_nothing_else(look: Visit, own_store: VectorStore) -> None:
    """Slashes, other scripts, markup and 200 letters: each class opens, is renamed, and fits."""
    ids = [reference.id for reference in own_store.list_references().references]
    for label, reference_id in zip(AWKWARD, ids, strict=False):
        own_store.relabel(label, ids=[reference_id])
    visitor = look("gallery", viewport={"width": 390, "height": 844})
    for label in AWKWARD:
        visitor.page.get_by_role("link", name=label).click()
        expect(visitor.page.get_by_role("heading", level=1)).to_have_text(label)
        expect(boxes(visitor.page)).to_have_count(1)
        visitor.page.go_back()
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == 390
    visitor.screenshot("gallery-awkward")
    visitor.go(f"gallery/{quote(AWKWARD[0], safe='')}")
    visitor.page.get_by_role("button", name="Rename or merge").click()
    visitor.page.get_by_role("dialog").get_by_label("New name").fill("plain / label")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("plain / label")
    assert own_store.counts()["plain / label"] == 1
    expect(visitor.page.locator("img[src='x']")).to_have_count(0)
    expect(visitor.page).to_have_title("plain / label · Gallery · Holotype")


def test_many_references__come_in_pages(
    look: Visit, own_store: VectorStore, tmp_path: Path
) -> None:
    """A large class shows sixty at a time, and how many there are in all."""
    make = ColourGallery(tmp_path).reference
    own_store.add([make(painted((120, 60, 200), seed), "violet") for seed in range(130)])
    visitor = look("gallery/violet")
    page = visitor.page
    expect(page.get_by_text("130 references, 60 shown")).to_be_visible()
    page.get_by_role("button", name="Show more").click()
    expect(page.get_by_text("130 references, 120 shown")).to_be_visible()
    expect(boxes(page).nth(60)).to_be_focused()
    page.get_by_role("button", name="Show more").click()
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    page.get_by_role("button", name="Select all shown").click()
    expect(page.get_by_text("130 selected")).to_be_visible()


def test_reference__has_an_address_of_its_own(
    look: Visit, serve: Serve, own_store: VectorStore
) -> None:
    """What an evaluation links to: the class's page with that reference opened."""
    (first, *_) = own_store.list_references(where=Where.equal("label", "green"), limit=1).references
    visitor = look(f"reference/{first.id}", at=serve())
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog.get_by_label("Label")).to_have_value("green")
    dialog.get_by_role("button", name="Close").click()
    expect(visitor.page.get_by_role("heading", level=1, name="green")).to_be_visible()


def test_reference__that_is_gone_is_said(look: Visit) -> None:
    """A link of an old evaluation says what is the matter."""
    visitor = look("reference/00000000-0000-5000-8000-000000000000")
    visitor.expected.append(REFUSED)
    expect(visitor.page.get_by_role("heading", name="This page cannot be shown")).to_be_visible()


def test_unknown_class__is_said(look: Visit) -> None:
    """An old link to a class that is gone does not look like a mistake of the page."""
    visitor = look("gallery/long gone")
    page = visitor.page
    expect(page.get_by_role("heading", name="There is no class “long gone”")).to_be_visible()
    expect(page.get_by_text("No reference has this label (any more).")).to_be_visible()
    expect(page.locator("main").get_by_role("button")).to_have_count(0)


def test_unknown_class__is_not_made_by_what_is_dropped_on_it(
    look: Visit, own_store: VectorStore, tmp_path: Path
) -> None:
    """A mistyped address is no place for pictures: they are classified, as on any other page."""
    (tmp_path / "q.png").write_bytes(painted((200, 40, 40), 77))
    visitor = look("gallery/redd")
    expect(visitor.page.get_by_role("heading", name="There is no class “redd”")).to_be_visible()
    visitor.drop(tmp_path / "q.png")
    expect(visitor.card("q.png")).to_be_visible()
    assert set(own_store.counts()) == {"red", "green", "blue"}


def test_empty_gallery__says_how_to_begin(
    look: Visit, serve: Serve, empty_gallery: ColourGallery
) -> None:
    """The first picture with a label makes the first class."""
    with empty_gallery.open(create=True) as store:
        visitor = look("gallery", at=serve(store))
        expect(visitor.page.get_by_text("The gallery is empty.")).to_contain_text(
            "ingest add FOLDER"
        )
        visitor.page.get_by_role("link", name="Classify").first.click()
        visitor.choose(("first.png", painted((200, 40, 40))))
        visitor.screenshot("classify-empty")
        visitor.expected.append(REFUSED)
        card = visitor.card("first.png")
        expect(card.get_by_role("heading", level=2)).to_have_text("Nothing to compare it with")
        card.get_by_label("Label to add first.png under").fill("red")
        card.get_by_role("button", name="Add", exact=True).click()
        expect(card).to_contain_text("In the gallery as red")
        visitor.choose(("second.png", painted((200, 40, 40), 1)))
        expect(visitor.card("second.png").get_by_role("heading", level=2)).to_contain_text("red")


def test_closely__zoom_arrows_and_the_file_itself(
    look: Visit, serve: Serve, own_store: VectorStore, tmp_path: Path
) -> None:
    """Wheel and keys zoom, arrows go to the next reference, and the file is a click away."""
    service = serve(originals=str(tmp_path))
    large = io.BytesIO()
    Image.effect_mandelbrot((900, 600), (-2, -1, 1, 1), 50).save(large, "PNG")
    (tmp_path / "zz.png").write_bytes(large.getvalue())
    form = {"images": ("zz.png", large.getvalue())}
    service.http.post("/v1/references", files=form, data={"label": "red"})
    visitor = look("gallery/red", at=service)
    page = visitor.page
    page.get_by_role("button", name="zz.png: details").click()
    dialog = page.get_by_role("dialog", name="zz.png")
    view = dialog.locator(".view img")
    assert view.evaluate("(img) => img.decode().then(() => img.naturalWidth)") == 512
    dialog.get_by_role("button", name="Full size").click()
    expect(dialog.get_by_alt_text("at full size")).to_be_visible()
    assert view.evaluate("(img) => img.decode().then(() => img.naturalWidth)") == 900
    before = view.bounding_box()
    assert before is not None
    page.mouse.move(before["x"] + 20, before["y"] + 20)
    page.mouse.wheel(0, -100)
    page.keyboard.press("+")
    expect(dialog.locator(".zoomed")).to_have_class(re.compile("closer"))
    visitor.screenshot("reference-zoomed")
    after = view.bounding_box()
    assert after is not None
    assert after["width"] == pytest.approx(1.3**2 * before["width"], rel=0.01)
    page.keyboard.press("ArrowRight")
    moved = view.bounding_box()
    assert moved is not None
    assert moved["x"] < after["x"]
    page.keyboard.press("0")
    place = dialog.get_by_text(re.compile(r"\d of 7"))
    at = int(place.inner_text().split()[0])
    key, near = ("ArrowLeft", at - 1) if at > 1 else ("ArrowRight", at + 1)
    page.keyboard.press(key)
    expect(page.get_by_role("dialog").get_by_text(f"{near} of 7")).to_be_visible()
    expect(page.get_by_role("dialog", name="zz.png")).to_have_count(0)
    visitor.expected.append(REFUSED)
    page.get_by_role("button", name="Full size").click()
    expect(visitor.page.get_by_text("cannot be shown: it is not in a folder")).to_have_count(1)
    page.keyboard.press("Escape")
    assert own_store.counts()["red"] == 7
