"""What the gallery commands do once their options are read: open, ask, change, print."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from holotype import console
from holotype.access import open_gallery
from holotype.characters import uniform
from holotype.errors import HolotypeError, UsageError
from holotype.history import Action
from holotype.intake.words import clean_label
from holotype.references import Where
from ingest import gallery

if TYPE_CHECKING:
    from holotype.settings import Settings
    from ingest.gallery import ChangeCount


def show_classes(settings: Settings, *, as_json: bool) -> None:
    """`ingest classes`."""
    with open_gallery(settings, command="ingest classes") as store:
        counts = store.counts()
    if as_json:
        for label, count in counts.items():
            console.out_json({"label": label, "count": count})
        return
    width = max((len(str(count)) for count in counts.values()), default=1)
    for label, count in counts.items():
        console.out(f"{count:>{width}}  {label}")
    console.say(f"{sum(counts.values())} references in {len(counts)} classes")
    for label in counts:
        spelling = uniform(label)
        if label != spelling:
            console.say(
                f"the label {label!a} is spelled as earlier versions did: `ingest relabel "
                f"--from '{spelling}' --to '{spelling}'` makes all that look the same one class"
            )


def show_references(
    settings: Settings,
    *,
    label: str | None,
    where: Sequence[str],
    limit: int,
    after: str | None,
    as_json: bool,
) -> None:
    """`ingest list`."""
    with open_gallery(settings, command="ingest list") as store:
        chosen = Where.parse(where)
        if label is not None:
            chosen = Where(chosen.conditions + gallery.of_class(store, label).conditions)
        chosen = chosen.among(store.counts())
        page = store.list_references(where=chosen, limit=limit, after=after)
    width = max((len(reference.label) for reference in page.references), default=0)
    for reference in page.references:
        if as_json:
            console.out_json(asdict(reference))
        else:
            size = "vector" if reference.is_vector else f"{reference.width}x{reference.height}"
            console.out(
                f"{reference.id}  {reference.label:<{width}}  {size:>9}  {reference.source}"
            )
    if page.next_after is not None:
        console.say(f"there are more: go on with --after {page.next_after}")
    elif not page.references:
        console.say("no references")


def run_relabel(
    settings: Settings,
    to: str,
    *,
    ids: Sequence[str],
    from_label: str | None,
    why: str | None,
    as_json: bool,
) -> int:
    """`ingest relabel`; returns the exit code."""
    _require_one(ids, from_label, "--from LABEL")
    new, action = clean_label(to), Action.new("relabel", why=why)
    with open_gallery(settings, command="ingest relabel") as store:
        changed = gallery.relabel(store, new, ids=ids, from_label=from_label, action=action)
    return _say_changed(changed, f"relabelled to {new!r}", as_json=as_json)


def run_remove(
    settings: Settings,
    *,
    ids: Sequence[str],
    label: str | None,
    yes: bool,
    why: str | None,
    as_json: bool,
) -> int:
    """`ingest remove`; returns the exit code."""
    _require_one(ids, label, "--label LABEL")
    if not yes and not sys.stdin.isatty():
        raise UsageError("removing asks first, and nobody can answer here: give --yes")
    action = Action.new("remove", why=why)
    with open_gallery(settings, command="ingest remove") as store:
        count = gallery.count_chosen(store, ids=ids, label=label)
        what = console.counted(count, "reference")
        question = f"Remove {what} from gallery {settings.gallery!r}?"
        if not yes and not console.confirmed(question):
            raise HolotypeError("nothing was removed")
        changed = gallery.remove(store, ids=ids, label=label, action=action)
    return _say_changed(changed, "removed", as_json=as_json)


def _require_one(ids: Sequence[str], label: str | None, option: str) -> None:
    if bool(ids) == (label is not None):
        raise UsageError(f"name either ids or {option}")


def _say_changed(changed: ChangeCount, what: str, *, as_json: bool) -> int:
    for id_ in changed.missing:
        console.say(f"not in the gallery: {id_}")
    if as_json:
        console.out_json(asdict(changed))
    console.say(f"{what}: {console.counted(changed.count, 'reference')}")
    return console.EXIT_SOME_FAILED if changed.missing else console.EXIT_DONE
