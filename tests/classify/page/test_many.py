"""Classify, many at once: a list of answers, sorted, filtered, opened, added, taken away, kept."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from classify.answer_files import COLUMNS, row_of
from classify.answering.answers import QueryResult, answer_from
from holotype.store.port import VectorStore
from tests.classify.conftest import COLOURS, picture
from tests.classify.page.browsing import PHONE, REFUSED, Visitor
from tests.classify.page.conftest import Serve, Visit, painted
from tests.classify.page.test_classifying import is_shown, swapped, torn
from tests.classify.service.conftest import GatedEncoder

SEEDS = range(200, 210)
MANY = tuple((f"{c}-{s}.png", picture(c, s, spread=5)) for c in COLOURS for s in SEEDS)


def answers(page: Page) -> Locator:
    """The answers of the list that the filters let through."""
    return page.get_by_role("list", name="Answers").locator(".answer:not([hidden])")


def names(page: Page) -> list[str]:
    """Their file names, in the order in which they are seen."""
    found: list[str] = answers(page).evaluate_all("(all) => all.map((answer) => answer.card.name)")
    return found


def answered(visitor: Visitor, *files: tuple[str, bytes]) -> Page:
    """Choose pictures, and wait for their answers."""
    visitor.choose(*files)
    expect(answers(visitor.page)).to_have_count(len(files))
    expect(visitor.page.get_by_text("Looking…")).to_have_count(0)
    return visitor.page


def opened(page: Page) -> Locator:
    """The answer that is looked at closely."""
    return page.get_by_role("region", name="One answer").get_by_role("article")


def test_list__more_than_eight_answers_are_short(visitor: Visitor) -> None:
    """Each shows its picture, label, score and nearest reference, on a fraction of the height."""
    page = answered(visitor, *MANY)
    first = answers(page).first
    expect(first.locator(".what")).to_have_text(re.compile("red|green|blue"))
    expect(first.locator(".share")).to_have_text(re.compile(r"\d %"))
    expect(first.locator(".near")).to_contain_text(re.compile("nearest (red|green|blue)"))
    for image in first.locator("img").all():
        assert is_shown(image)
    assert page.evaluate("document.documentElement.scrollHeight") < 30 * 100
    expect(page.get_by_role("article")).to_have_count(0)
    visitor.screenshot("many-grid")
    page.get_by_role("button", name="Table").click()
    expect(first.locator(".what")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollHeight") < 30 * 100
    visitor.screenshot("many-table")


def test_order__doubt_label_and_name(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """What nobody is sure of comes first; by label and by name are a choice away."""
    swapped(store_with_heads)
    visitor = look(at=serve(store_with_heads))
    files = [(f"{c}-{s}.png", picture(c, s)) for c in COLOURS for s in (100, 101, 102)]
    page = answered(visitor, *files, ("torn.png", torn()), ("broken.png", b"nothing"))
    assert names(page)[0] == "broken.png"
    disagreeing = page.get_by_role("button", name="Modes disagree")
    expect(disagreeing).to_be_visible()
    shares = [int(t.strip(" %<>")) for t in answers(page).locator(".share").all_text_contents()]
    at = int(disagreeing.locator(".badge").inner_text())
    assert shares[:at] == sorted(shares[:at])
    assert shares[at:] == sorted(shares[at:])
    page.get_by_label("Order").select_option("By file name")
    assert names(page)[0] == "blue-100.png"
    page.get_by_label("Order").select_option("By label")
    found = answers(page).locator(".what").all_text_contents()
    assert found[:-1] == sorted(found[:-1])
    assert found[-1] == "No answer"
    page.get_by_label("Order").select_option("As they came")
    assert names(page)[0] == "red-100.png"


def test_filter__by_label_kind_and_disagreement(
    look: Visit, serve: Serve, store_with_heads: VectorStore
) -> None:
    """What is left out is not selected, not shown and not gone."""
    swapped(store_with_heads)
    visitor = look(at=serve(store_with_heads))
    page = answered(visitor, *MANY[:4], *MANY[20:26], ("broken.png", b"nothing"))
    page.get_by_role("button", name="Modes disagree 4", exact=True).click()
    expect(answers(page)).to_have_count(4)
    expect(page.get_by_role("button", name="Modes disagree 4")).to_be_focused()
    page.get_by_role("button", name="No answer 1", exact=True).click()
    expect(answers(page)).to_have_text(re.compile("not a picture"))
    page.get_by_role("button", name="All 11", exact=True).click()
    page.get_by_label("Label", exact=True).select_option("blue")
    expect(answers(page)).to_have_count(6)
    page.get_by_role("button", name="Select all shown").click()
    expect(page.get_by_text("6 selected")).to_be_visible()
    page.get_by_label("Label", exact=True).select_option(index=0)
    expect(answers(page)).to_have_count(11)


def test_open__enter_arrows_and_escape(visitor: Visitor) -> None:
    """The keyboard goes through the list, into one answer, on to the next, and back to it."""
    page = answered(visitor, *MANY)
    page.get_by_label("Order").select_option("By file name")
    first = answers(page).nth(0).get_by_role("button")
    first.focus()
    page.keyboard.press("ArrowRight")
    expect(answers(page).nth(1).get_by_role("button")).to_be_focused()
    columns = page.evaluate(
        "getComputedStyle(document.querySelector('.answers')).gridTemplateColumns.split(' ').length"
    )
    page.keyboard.press("ArrowDown")
    expect(answers(page).nth(1 + columns).get_by_role("button")).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    card = opened(page)
    expect(card).to_have_accessible_name("blue-200.png")
    expect(card).to_contain_text("nearest are blue")
    expect(page.get_by_text("1 of 30")).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(card).to_have_accessible_name("blue-201.png")
    visitor.screenshot("many-opened")
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
    expect(answers(page).nth(1).get_by_role("button")).to_be_focused()
    answers(page).nth(2).click()
    expect(card).to_have_accessible_name("blue-202.png")
    page.go_back()
    expect(answers(page)).to_have_count(30)
    page.get_by_role("button", name="Select all shown").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Select blue-202.png")).to_be_focused()


def test_add__one_answer_or_a_selection(visitor: Visitor, own_store: VectorStore) -> None:
    """Each under its own answer, or those that are selected under one label; never all unasked."""
    page = answered(visitor, *MANY)
    page.get_by_label("Order").select_option("By file name")
    bar = page.get_by_role("group", name="Selected answers")
    expect(bar).to_be_hidden()
    page.get_by_label("Select blue-200.png").check()
    page.get_by_label("Select green-200.png").click(modifiers=["Shift"])
    expect(bar).to_contain_text("11 selected")
    bar.get_by_role("button", name="Add each under its answer").click()
    expect(visitor.said("11 images in the gallery")).to_be_visible()
    assert own_store.counts() == {"red": 6, "green": 7, "blue": 16}
    expect(bar).to_be_hidden()
    held = page.get_by_role("button", name="In the gallery 11", exact=True)
    expect(held).to_be_visible()
    for name in ("red-200.png", "red-201.png"):
        page.get_by_label(f"Select {name}").check()
    bar.get_by_label("Label for the selected").fill("ruby")
    visitor.screenshot("many-selected")
    bar.get_by_role("button", name="Add", exact=True).click()
    expect(visitor.said("2 images in the gallery as “ruby”")).to_be_visible()
    assert own_store.counts() == {"red": 6, "green": 7, "blue": 16, "ruby": 2}
    visitor.undo("2 images in the gallery as “ruby”")
    assert own_store.counts() == {"red": 6, "green": 7, "blue": 16}
    expect(held).to_be_visible()
    answers(page).filter(has_text="red-205.png").get_by_role("button").click()
    opened(page).get_by_role("button", name="Correct: add as red").click()
    expect(opened(page)).to_contain_text("In the gallery as red")
    page.get_by_role("button", name="All answers").click()
    expect(answers(page).filter(has_text="red-205.png")).to_contain_text("In the gallery")


def test_add__is_ended_by_one_button(look: Visit, serve: Serve, own_store: VectorStore) -> None:
    """A long run of adding says how far it is; what was not sent by then never is."""
    encoder = GatedEncoder()
    encoder.open.set()
    visitor = look(at=serve(encoder=encoder))
    page = answered(visitor, *MANY)
    encoder.open.clear()
    page.get_by_role("button", name="Select all shown").click()
    bar = page.get_by_role("group", name="Selected answers")
    bar.get_by_label("Label for the selected").fill("wrong")
    bar.get_by_role("button", name="Add", exact=True).click()
    expect(bar).to_contain_text("0 of 30 images")
    bar.get_by_role("button", name="Cancel").click()
    encoder.open.set()
    expect(visitor.said("30 images not added")).to_be_visible()
    expect(bar).to_contain_text("30 selected")
    assert own_store.counts().get("wrong", 0) <= 2 * 8


def test_conflict__in_a_selection_is_left_for_a_choice(
    look: Visit, serve: Serve, own_store: VectorStore
) -> None:
    """A picture that has another label since is not overruled; its answer offers both."""
    service = serve()
    visitor = look(at=service)
    page = answered(visitor, *MANY)
    form = {"images": MANY[0]}
    service.http.post("/v1/references", files=form, data={"label": "garnet"})
    page.get_by_label("Select red-200.png").check()
    page.get_by_role("button", name="Add each under its answer").click()
    expect(answers(page).filter(has_text="red-200.png")).to_contain_text("Choose a label")
    answers(page).filter(has_text="red-200.png").get_by_role("button").click()
    opened(page).get_by_role("button", name="Keep garnet").click()
    expect(opened(page)).to_contain_text("In the gallery as garnet")
    assert own_store.counts()["garnet"] == 1


def test_csv__is_what_the_command_writes(look: Visit, serve: Serve) -> None:
    """The same columns and cells, in the order in which was asked, also for what has no answer."""
    files = (*MANY[:9], ('=odd, "name".png', b"nothing"))
    service = serve()
    visitor = look(at=service)
    page = answered(visitor, *files)
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download (CSV)").click()
    assert re.fullmatch(r"answers-\d{4}-\d\d-\d\d\.csv", downloading.value.suggested_filename)
    with Path(downloading.value.path()).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert tuple(reader.fieldnames or ()) == tuple(COLUMNS)
    posted = service.http.post("/v1/classify", files=[("images", named) for named in files])
    for row, result in zip(rows, posted.json()["results"], strict=True):
        if result["error"] is not None:
            assert row["path"] == '\'=odd, "name".png'
            assert row["problem"] == result["error"]["detail"]
            assert row["label"] == row["score"] == row["state"] == ""
            continue
        own = row_of(QueryResult(result["query"], answer_from(result["answer"])))
        for name, kind in COLUMNS.items():
            if own[name] is None:
                assert row[name] == ""
            else:
                assert kind(row[name]) == pytest.approx(own[name])


def test_reload__answers_pictures_and_what_was_added_are_still_there(
    look: Visit, own_store: VectorStore
) -> None:
    """The page is loaded again: nothing is asked again, and everything can still be done."""
    visitor = look()
    page = answered(visitor, *MANY, ("broken.png", b"nothing"))
    page.get_by_label("Select red-200.png").check()
    page.get_by_role("button", name="Add each under its answer").click()
    expect(visitor.said("1 image in the gallery as “red”")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(answers(page)).to_have_count(31)
    assert not [url for url in asked if url.endswith("/v1/classify")]
    assert is_shown(answers(page).nth(2).locator(".shot img"))
    expect(answers(page).filter(has_text="red-200.png")).to_contain_text("In the gallery")
    answers(page).filter(has_text="red-201.png").get_by_role("button").click()
    page.reload()
    expect(opened(page)).to_have_accessible_name("red-201.png")
    assert is_shown(opened(page).get_by_alt_text("The query red-201.png"))
    opened(page).get_by_role("button", name="Correct: add as red").click()
    expect(opened(page)).to_contain_text("In the gallery as red")
    assert own_store.counts()["red"] == 8
    page.get_by_role("button", name="All answers").click()
    page.get_by_role("button", name="Clear the answers").click()
    page.reload()
    expect(page.get_by_text("Answers appear here")).to_be_visible()


def test_reload__what_was_still_waiting_is_asked_again(look: Visit, serve: Serve) -> None:
    """Pictures that were on their way are not lost."""
    encoder = GatedEncoder()
    visitor = look(at=serve(encoder=encoder))
    visitor.choose(*MANY[:12])
    expect(visitor.page.get_by_text("0 of 12 images")).to_be_visible()
    visitor.page.reload()
    expect(answers(visitor.page)).to_have_count(12)
    encoder.open.set()
    expect(visitor.page.get_by_text("Looking…")).to_have_count(0)
    expect(visitor.page.get_by_text("No answer")).to_have_count(0)


def test_reload__another_tab_has_its_own(look: Visit) -> None:
    """What one tab was asked is not shown by another."""
    visitor = look()
    answered(visitor, *MANY[:9])
    other = visitor.context.new_page()
    other.goto(visitor.url)
    expect(other.get_by_text("Answers appear here")).to_be_visible()


def test_folder__is_taken_and_what_is_no_picture_is_said(visitor: Visitor, tmp_path: Path) -> None:
    """Dropped or chosen: pictures of all folders inside, with their paths in the file."""
    for name in ("b/1.png", "a/2.png", "a/10.png"):
        (tmp_path / "drawer" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "drawer" / name).write_bytes(picture("red", len(name)))
    (tmp_path / "drawer" / "notes.txt").write_text("no picture")
    (tmp_path / "drawer" / ".hidden.png").write_bytes(b"not for us")
    page = visitor.page
    visitor.drop(tmp_path / "drawer")
    expect(visitor.said("1 file left out: no picture")).to_be_visible()
    expect(page.get_by_role("article")).to_have_count(3)
    page.locator("#files-folder").set_input_files(tmp_path / "drawer")
    expect(page.get_by_role("article")).to_have_count(6)
    expect(page.get_by_text("Looking…")).to_have_count(0)
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download (CSV)").click()
    lines = Path(downloading.value.path()).read_text(encoding="utf-8").splitlines()[1:]
    paths = ["drawer/a/2.png", "drawer/a/10.png", "drawer/b/1.png"]
    assert [line.split(",")[0] for line in lines] == paths * 2


def test_many_more__than_a_page_holds_are_left_out_and_said(visitor: Visitor) -> None:
    """The page holds two thousand; the command line is named for the rest."""
    page = visitor.page
    page.evaluate(
        """async () => {
            const input = document.querySelector("#files");
            const files = new DataTransfer();
            for (let i = 0; i < 2010; i += 1) {
                files.items.add(new File(["x"], `${i}.png`, {type: "image/png"}));
            }
            input.files = files.files;
            input.dispatchEvent(new Event("change"));
        }"""
    )
    expect(visitor.said("10 images left out")).to_contain_text("classify query FOLDER")
    expect(page.get_by_role("button", name="All 2000", exact=True)).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    visitor.expected.append(REFUSED)


def test_proxy__that_asks_for_patience_is_waited_for(visitor: Visitor) -> None:
    """429 with Retry-After is no failure: the same request is sent again."""
    refused: list[str] = []

    def once(route):  # type: ignore[no-untyped-def]
        if refused:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.fulfill(status=429, headers={"Retry-After": "1"}, body="slow down")

    visitor.page.route("**/v1/classify", once)
    visitor.expected.append(REFUSED)
    visitor.choose(("0031.png", picture("red", 100)))
    expect(visitor.card("0031.png").get_by_role("heading", level=2)).to_contain_text("red")
    assert len(refused) == 1


@pytest.mark.parametrize("layout", ["Grid", "Table"])
def test_phone__the_list_fits_and_axe_finds_nothing(look: Visit, layout: str) -> None:
    """On 390 pixels nothing has to be scrolled sideways, and every part has its name."""
    visitor = look(viewport=PHONE, has_touch=True, is_mobile=True, reduced_motion="reduce")
    page = answered(visitor, *MANY)
    page.get_by_role("button", name=layout).click()
    page.get_by_role("checkbox").nth(1).check()
    expect(page.get_by_role("group", name="Selected answers")).to_be_in_viewport()
    visitor.screenshot(f"phone-many-{layout.lower()}")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert visitor.violations() == []


def test_five_hundred__stay_smooth(visitor: Visitor) -> None:
    """The page's own work for 500 answers is a fraction of a second, and so is filtering them."""
    page = visitor.page
    page.route("**/v1/classify", lambda route: route.fulfill(json=RESULTS))
    page.evaluate(
        """async (bytes) => {
            const input = document.querySelector("#files");
            const files = new DataTransfer();
            for (let i = 0; i < 500; i += 1) {
                files.items.add(new File([new Uint8Array(bytes)], `${i}.png`, {type: "image/png"}));
            }
            input.files = files.files;
            input.dispatchEvent(new Event("change"));
        }""",
        list(painted(COLOURS["red"])),
    )
    expect(page.get_by_role("button", name="All 500", exact=True)).to_be_visible()
    expect(page.get_by_text("Looking…")).to_have_count(0, timeout=60_000)
    assert page.evaluate("document.querySelectorAll('main *').length") < 500 * 30
    longest = page.evaluate(
        """() => {
            const since = performance.now();
            [...document.querySelectorAll(".switch button")].at(-1).click();
            document.body.getBoundingClientRect();
            return performance.now() - since;
        }"""
    )
    assert longest < 2000  # ms, on a busy machine; 60 on an idle one


RESULTS = {
    "results": [
        {
            "query": "x",
            "error": None,
            "thumbnail": None,
            "answer": {
                "mode": "knn",
                "label": "red",
                "score": 0.9,
                "runners_up": [{"label": "blue", "score": 0.1}],
                "neighbours": [],
            },
        }
    ]
    * 8
}
