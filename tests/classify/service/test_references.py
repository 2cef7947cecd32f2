"""`/v1/references` and `/v1/classes`: the operations of `ingest`, by HTTP."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import quote

import pytest

from holotype.references import Where, reference_id
from tests.classify.conftest import picture
from tests.classify.service.conftest import Serve, images
from tests.running import Running


def id_of(data: bytes) -> str:
    """The id that a picture has as a reference."""
    return reference_id(hashlib.sha256(data).hexdigest())


def test_add__one_label_for_all(service: Running) -> None:
    """Added is durable, known is not embedded again, broken is named; all in order."""
    new, known = picture("red", 200), picture("red", 0)
    response = service.http.post(
        "/v1/references",
        data={"label": " red ", "group": "g1", "set": ["site=C", "lens=50"]},
        files=images(new, known, b"junk"),
    )
    assert response.status_code == 200
    outcomes = response.json()["outcomes"]
    assert [o["outcome"] for o in outcomes] == ["added", "already_present", "broken"]
    assert outcomes[0] == {
        "source": "0.png", "outcome": "added", "label": "red", "id": id_of(new), "reason": None,
    }  # fmt: skip
    assert outcomes[2]["reason"].startswith("not a picture")
    stored = service.http.get(f"/v1/references/{id_of(new)}").json()
    assert stored["label"] == "red"
    assert stored["group"] == "g1"
    assert stored["meta"] == {"site": "C", "lens": "50"}
    assert (stored["width"], stored["height"]) == (48, 40)


def test_add__each_with_its_own(service: Running) -> None:
    """`items` gives label, group, source and metadata image by image; the form fills gaps."""
    first, second = picture("red", 201), picture("blue", 201)
    items = [{"label": "crimson", "source": "drawer/1", "meta": {"site": "D"}}, {}]
    response = service.http.post(
        "/v1/references",
        data={"label": "navy", "set": "site=E", "items": json.dumps(items)},
        files=images(first, second),
    )
    assert [o["label"] for o in response.json()["outcomes"]] == ["crimson", "navy"]
    stored = [service.http.get(f"/v1/references/{id_of(d)}").json() for d in (first, second)]
    assert [(s["source"], s["meta"]["site"]) for s in stored] == [("drawer/1", "D"), ("1.png", "E")]


def test_add__a_new_class_is_known_at_once(service: Running) -> None:
    """The next query is answered with it; no other image is embedded."""
    service.http.post("/v1/references", data={"label": "grey"}, files=images(_grey(0), _grey(1)))
    (result,) = service.http.post("/v1/classify", files=images(_grey(9)), data={"k": "2"}).json()[
        "results"
    ]
    assert result["answer"]["label"] == "grey"


@pytest.mark.parametrize(
    ("policy", "outcome", "label_after"),
    [("error", "label_conflict", "red"), ("keep", "kept", "red"), ("replace", "relabelled", "x")],
)
def test_add__present_under_another_label(
    service: Running, policy: str, outcome: str, label_after: str
) -> None:
    """The same three policies as on the command line."""
    data = picture("red", 1)
    response = service.http.post(
        "/v1/references", data={"label": "x", "on_conflict": policy}, files=images(data)
    )
    assert response.json()["outcomes"][0]["outcome"] == outcome
    assert service.http.get(f"/v1/references/{id_of(data)}").json()["label"] == label_after


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "'0.png' has no label"),
        ({"label": "a\tb\x01"}, "cannot be printed"),
        ({"label": "  "}, "the label is empty"),
        ({"label": ".."}, "the label '..' cannot be used"),
        ({"items": '[{"label": "a/./b"}]'}, "the label 'a/./b' cannot be used"),
        ({"label": "x" * 201}, "at most 200 characters"),
        ({"label": "x", "set": "site"}, "write key=value"),
        ({"label": "x", "set": "a.b=1"}, "metadata key 'a.b' is malformed"),
        ({"items": "[{}, {}]", "label": "x"}, "`items` has 2 entries for 1 images"),
        ({"items": "nonsense", "label": "x"}, "`items` cannot be read"),
        ({"items": '[{"lable": "x"}]'}, "0.lable: Extra inputs are not permitted"),
    ],
)
def test_add__what_cannot_be_followed(reading: Running, data: dict[str, str], said: str) -> None:
    """422 with the item and the remedy; nothing is added."""
    before = reading.http.get("/v1/gallery").json()["references"]
    response = reading.http.post("/v1/references", data=data, files=images(picture("red", 202)))
    assert response.status_code == 422
    assert said in response.json()["detail"]
    assert reading.http.get("/v1/gallery").json()["references"] == before


def test_known__asked_before_uploading(reading: Running) -> None:
    """Ids come back with their labels; unknown ones do not come back."""
    ids = [id_of(picture("red", 0)), id_of(b"nothing")]
    known = reading.http.post("/v1/references/known", json={"ids": ids}).json()
    assert known == {"labels": {ids[0]: "red"}}


def test_list__filter_and_paging(reading: Running) -> None:
    """Pages in id order, without gaps or repeats."""
    first = reading.http.get("/v1/references", params={"where": "label=red", "limit": 4}).json()
    rest = reading.http.get(
        "/v1/references",
        params={"where": "label=red", "limit": 4, "after": first["next_after"]},
    ).json()
    ids = [r["id"] for r in first["references"] + rest["references"]]
    assert len(ids) == len(set(ids)) == 6
    assert rest["next_after"] is None


def test_relabel_and_remove__one_reference(service: Running) -> None:
    """A correction is a payload operation; removing twice is said."""
    path = f"/v1/references/{id_of(picture('green', 2))}"
    assert service.http.patch(path, json={"label": "moss"}).json()["label"] == "moss"
    assert service.http.delete(path).status_code == 204
    for gone in (service.http.get(path), service.http.delete(path),
                 service.http.patch(path, json={"label": "x"}),
                 service.http.get(f"{path}/thumbnail")):  # fmt: skip
        assert gone.status_code == 404
        assert gone.json()["type"] == "urn:holotype:problem:not-found"


def test_relabel_and_remove__several(service: Running) -> None:
    """By ids or by filter, and never by neither or both."""
    ids = [id_of(picture("green", n)) for n in (0, 1)]
    post = service.http.post
    assert post("/v1/references/relabel", json={"ids": ids, "label": "moss"}).json() == {
        "changed": 2
    }
    body = {"where": ["label=blue", "site=A"], "label": "sky"}
    assert post("/v1/references/relabel", json=body).json() == {"changed": 3}
    assert post("/v1/references/remove", json={"where": ["label=red"]}).json() == {"changed": 6}
    classes = service.http.get("/v1/classes").json()["classes"]
    assert {c["label"]: c["count"] for c in classes} == {
        "green": 4, "blue": 3, "sky": 3, "moss": 2,
    }  # fmt: skip
    for wrong in ({}, {"ids": ids, "where": ["label=x"]}):
        refused = post("/v1/references/remove", json=wrong)
        assert refused.status_code == 422
        assert "either ids or where" in refused.json()["detail"]


def test_classes__rename_and_merge(service: Running) -> None:
    """A new name renames; the name of another class merges."""
    rename = service.http.patch("/v1/classes/red", json={"label": "a/b red"}).json()
    assert rename == {"label": "a/b red", "changed": 6, "merged": False}
    merge = service.http.patch("/v1/classes/a%2Fb red", json={"label": "blue"}).json()
    assert merge == {"label": "blue", "changed": 6, "merged": True}
    classes = service.http.get("/v1/classes").json()["classes"]
    assert classes == [{"label": "blue", "count": 12}, {"label": "green", "count": 6}]


def test_classes__remove(service: Running) -> None:
    """All its references go; a class that is not there is said."""
    assert service.http.delete("/v1/classes/red").json() == {"changed": 6}
    again = service.http.delete("/v1/classes/red")
    assert again.status_code == 404
    assert "no reference has the label 'red'" in again.json()["detail"]


def test_classes__are_found_in_any_spelling(service: Running) -> None:
    """Decomposed letters and odd white space name the same class, in addresses and filters."""
    store, http = service.service.store, service.http
    store.relabel("K\u00e4fer", where=Where.equal("label", "red"))
    store.relabel("Bombus\u00a0terrestris", where=Where.equal("label", "green"))  # as once stored
    for written in ("K\u00e4fer", "Ka\u0308fer", "K\u00e4fer\u200b "):
        page = http.get("/v1/references", params={"where": f"label={written}"}).json()
        assert len(page["references"]) == 6
        left = http.get("/v1/classes", params={"where": f"label!={written}"}).json()["classes"]
        assert {c["label"] for c in left} == {"Bombus\u00a0terrestris", "blue"}
    left = http.get("/v1/classes", params={"where": "label!=Bombus terrestris"}).json()["classes"]
    assert {c["label"] for c in left} == {"K\u00e4fer", "blue"}
    found = http.get("/v1/references", params={"where": "label=Bombus  terrestris"}).json()
    assert {r["label"] for r in found["references"]} == {"Bombus\u00a0terrestris"}
    renamed = http.patch(
        f"/v1/classes/{quote('Ka' + chr(0x308) + 'fer')}", json={"label": "beetle"}
    )
    assert renamed.json() == {"label": "beetle", "changed": 6, "merged": False}
    respelled = http.patch("/v1/classes/Bombus terrestris", json={"label": "Bombus terrestris"})
    assert respelled.json() == {"label": "Bombus terrestris", "changed": 6, "merged": False}
    missing = http.delete(f"/v1/classes/{quote('b' + chr(0x435) + 'etle')}")
    assert missing.status_code == 404
    assert "character 2 is U+0435 (CYRILLIC SMALL LETTER IE) in the one" in missing.json()["detail"]


def test_classes__under_a_filter(reading: Running) -> None:
    """Counts of what matches."""
    found = reading.http.get("/v1/classes", params={"where": ["site=A", "label=red"]}).json()
    assert found == {"classes": [{"label": "red", "count": 3}]}


def test_gallery__says_what_it_answers_from(reading: Running) -> None:
    """The embedding space, the size, the keys and the bounds."""
    about = reading.http.get("/v1/gallery").json()
    assert about["name"] == "default"
    assert about["fingerprint"]["backbone"] == "colour"
    assert (about["references"], about["classes"]) == (18, 3)
    assert about["filter_keys"] == ["group", "label", "meta.site", "source"]
    assert about["head"] is None
    assert about["max_images"] == 64
    assert about["max_body_bytes"] == 64 << 20
    assert about["keeps_queries"] is False


def test_paths__that_do_not_exist(reading: Running) -> None:
    """An unknown path and a wrong method are problems, too."""
    missing = reading.http.get("/v1/nothing")
    assert (missing.status_code, missing.json()["title"]) == (404, "Not Found")
    assert missing.headers["content-type"] == "application/problem+json"
    assert reading.http.put("/v1/classes").status_code == 405


def _grey(seed: int) -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (40, 40), (120 + seed, 120, 120)).save(file, "PNG")
    return file.getvalue()


def test_add__too_many_metadata_keys(serve: Serve) -> None:
    """400 with the setting; nothing of the request is added, and no index is made."""
    running = serve(max_meta_keys=3)
    item = {"label": "red", "meta": {f"k{n}": "x" for n in range(1000)}}
    refused = running.http.post(
        "/v1/references",
        files=images(picture("red", 960), picture("red", 961)),
        data={"items": json.dumps([{"label": "red"}, item])},
    )
    assert refused.status_code == 400
    assert refused.json()["type"] == "urn:holotype:problem:too-many-keys"
    assert "3 metadata keys (HOLOTYPE_MAX_META_KEYS)" in refused.json()["detail"]
    about = running.http.get("/v1/gallery").json()
    assert (about["references"], about["filter_keys"]) == (
        18,
        ["group", "label", "meta.site", "source"],
    )
