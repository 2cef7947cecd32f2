"""What `curate duplicates` does once its options are read."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from curate.csv_file import check_csv, write_csv
from curate.done import Done
from curate.duplicates import Duplicates, DuplicateSet, Member, across, described, find_duplicates
from curate.view import GalleryView, read_gallery
from holotype import console
from holotype.access import open_gallery
from holotype.errors import HolotypeError, UsageError
from holotype.history import Action
from holotype.labels import known_label
from holotype.references import BUILT_IN_KEYS, Reference, Where, meta_key

if TYPE_CHECKING:
    from holotype.access import AnyStore
    from holotype.settings import Settings

COMMAND = "curate duplicates"
ALL_EXACT: Final = "all-exact"
SHOWN = 50
"""Sets in the table; files and JSON have all."""
COLUMNS = ("set", "kind", "conflict", "leak", "suggestion", "id", "label", "group", "source",
           "width", "height", "added_at", "similarity", "copy_of")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicatesOptions:
    """What to look for, and what to do about it."""

    between: str | None = None
    threshold: float | None = None
    label: str | None = None
    csv: Path | None = None
    keep_one: Sequence[str] = ()
    merge_groups: Sequence[str] = ()
    remove: Sequence[str] = ()
    yes: bool = False
    as_json: bool = False

    def check(self) -> None:
        """Refuse what cannot be followed.

        Raises:
            UsageError: more than one thing is to be done, or the threshold is no cosine.
        """
        if sum(map(bool, (self.keep_one, self.merge_groups, self.remove))) > 1:
            raise UsageError("give one of --keep-one, --merge-groups and --remove at a time")
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise UsageError(
                f"--threshold {self.threshold:g} is no similarity: it lies above 0 and up to 1, "
                "such as .95"
            )
        check_csv(self.csv)
        if (self.keep_one or self.remove) and not self.yes and not sys.stdin.isatty():
            raise UsageError("removing asks first, and nobody can answer here: give --yes")


def run_duplicates(settings: Settings, options: DuplicatesOptions) -> int:
    """`curate duplicates`; returns the exit code."""
    options.check()
    with open_gallery(settings, command=COMMAND) as gallery:
        key = _key(gallery, options.between)
        view = read_gallery(gallery)
        found = _find(gallery, view, options, key)
        done = _act(gallery, view, found, options)
    if options.csv is not None:
        write_csv(options.csv, COLUMNS, _rows(found))
    if options.as_json:
        told = found.to_dict()
        if done is not None:
            told["done"] = asdict(done)
        console.out_json(told)
    elif done is None:
        _show(found)
    _say(found, options)
    if done is None:
        return console.EXIT_DONE
    return done.say("regrouped" if options.merge_groups else "removed")


def _key(gallery: AnyStore, between: str | None) -> str | None:
    """The payload key that `--between` names.

    Raises:
        UnknownFilterKey: no reference has it.
    """
    if between is None:
        return None
    key = between if between in BUILT_IN_KEYS else f"meta.{meta_key(between)}"
    gallery.count(where=Where.equal(key, "-"))
    return key


def _find(
    gallery: AnyStore, view: GalleryView, options: DuplicatesOptions, key: str | None
) -> Duplicates:
    if key == "group" and not any(view.groups):
        raise UsageError(
            f"no reference of gallery {gallery.gallery!r} has a group, so none can be shared: "
            "leave out --between, and --merge-groups gives the members of a set one"
        )
    with console.progress("compared", "references") as progress:
        progress.set_total(len(view))
        found = find_duplicates(view, threshold=options.threshold, advance=progress.advance)
    references = {r.id: r for r in gallery.get([id_ for one in found.sets for id_ in one.ids])}
    found = described(found, references, gallery.thumbnails(_copies(found)))
    if key == "group":
        found = replace(found, sets=tuple(one for one in found.sets if one.leak))
    elif key is not None:
        found = across(found, {id_: _value(r, key) for id_, r in references.items()})
    if options.label is not None:
        labels = known_label(options.label, gallery.counts(), gallery=gallery.gallery)
        chosen = (s for s in found.sets if any(m.label in labels for m in s.members))
        found = replace(found, sets=tuple(chosen))
    return found


def _copies(found: Duplicates) -> list[str]:
    """Members that look like copies, and those that they look like copies of."""
    ids = {m.id: m.copy_of for one in found.sets for m in one.members if m.copy_of}
    return sorted(ids.keys() | ids.values())


def _value(reference: Reference, key: str) -> str | None:
    if key in BUILT_IN_KEYS:
        return str(getattr(reference, key))
    return reference.meta.get(key.removeprefix("meta."))


def _act(
    gallery: AnyStore, view: GalleryView, found: Duplicates, options: DuplicatesOptions
) -> Done | None:
    if options.keep_one:
        return _keep_one(gallery, found, options)
    if options.merge_groups:
        return _merge_groups(gallery, view, found, options)
    if options.remove:
        ids = {id_ for one in found.sets for id_ in one.ids}
        left = {id_: "it is in no set" for id_ in options.remove if id_ not in ids}
        chosen = [id_ for id_ in dict.fromkeys(options.remove) if id_ in ids]
        return Done(_removed(gallery, chosen, options), left)
    return None


def _keep_one(gallery: AnyStore, found: Duplicates, options: DuplicatesOptions) -> Done:
    """All but the best member of each set go; of all exact ones, all copies of the same label."""
    chosen, left = _named(found, [mark for mark in options.keep_one if mark != ALL_EXACT])
    going = {member.id: one for one in chosen for member in one.members[1:]}
    if ALL_EXACT in options.keep_one:
        for one in found.sets:
            copies = [member.id for member in one.members if member.copy_of]
            if copies and one.conflict and one not in chosen:
                left[one.mark] = (
                    f"its labels differ: resolve them, or name it: --keep-one {one.mark}"
                )
            elif one not in chosen:
                going |= dict.fromkeys(copies, one)
    # Somebody may have removed or relabelled one meanwhile: what is kept has to be there.
    now = gallery.existing([id_ for one in going.values() for id_ in one.ids])
    for one in list(going.values()):
        if any(now.get(member.id) != member.label for member in one.members):
            left[one.mark] = "it has changed meanwhile: look again"
    ids = [id_ for id_, one in going.items() if one.mark not in left]
    return Done(_removed(gallery, ids, options), left)


def _removed(gallery: AnyStore, ids: Sequence[str], options: DuplicatesOptions) -> int:
    if not ids:
        return 0
    what = console.counted(len(ids), "reference")
    question = f"Remove {what} from gallery {gallery.gallery!r}?"
    if not options.yes and not console.confirmed(question):
        raise HolotypeError("nothing was removed")
    return gallery.remove(ids=ids, action=Action.new("remove", why="duplicates"))


def _merge_groups(
    gallery: AnyStore, view: GalleryView, found: Duplicates, options: DuplicatesOptions
) -> Done:
    """The groups of the members become one, with all that is in them."""
    chosen, left = _named(found, options.merge_groups)
    action = Action.new("regroup", why="duplicates are held together")
    members: dict[str, set[str]] = defaultdict(set)
    group_of = {id_: group for id_, group in zip(view.ids, view.groups, strict=True) if group}
    for id_, group in group_of.items():
        members[group].add(id_)
    changed = 0
    for one in chosen:
        groups = list(dict.fromkeys(group_of[id_] for id_ in one.ids if id_ in group_of))
        into = groups[0] if groups else f"duplicates-{one.mark}"
        ids = set(one.ids).union(*(members.pop(group) for group in groups))
        members[into] = ids
        others = sorted(id_ for id_ in ids if group_of.get(id_) != into)
        changed += gallery.regroup(into, ids=others, action=action) if others else 0
        group_of |= dict.fromkeys(ids, into)
    return Done(changed, left)


def _named(found: Duplicates, marks: Iterable[str]) -> tuple[list[DuplicateSet], dict[str, str]]:
    """The sets with these marks, and what is wrong with the marks that none has."""
    by_mark = {one.mark: one for one in found.sets}
    wanted = list(dict.fromkeys(marks))
    left = {
        mark: "no set is called that now: it has changed, or is not among those asked for"
        for mark in wanted
        if mark not in by_mark
    }
    return [by_mark[mark] for mark in wanted if mark in by_mark], left


def _show(found: Duplicates) -> None:
    shown = found.sets[:SHOWN]
    width = max((len(member.label) for one in shown for member in one.members), default=0)
    for one in shown:
        what = [one.kind, *(["conflict"] if one.conflict else []), *(["leak"] if one.leak else [])]
        console.out(f"{one.mark}  {', '.join(what)}: {one.suggestion}")
        for member in one.members:
            console.out(f"  {_line(member, width)}")
    if len(found.sets) > SHOWN:
        console.say(f"{len(found.sets) - SHOWN} more sets: --json or --csv FILE has all")


def _rows(found: Duplicates) -> list[dict[str, Any]]:
    """A member each."""
    told = (one.to_dict() for one in found.sets)
    return [{**one, **member} for one in told for member in one["members"]]


def _line(member: Member, width: int) -> str:
    known = member.reference
    assert known is not None
    size = "vector" if known.is_vector else f"{known.width}x{known.height}"
    copy = "copy" if member.copy_of else f"{member.similarity:.3f}"
    group = "" if member.group is None else f"  group {member.group}"
    return f"{copy:>5}  {member.id}  {member.label:<{width}}  {size:>9}  {known.source}{group}"


def _say(found: Duplicates, options: DuplicatesOptions) -> None:
    exact = sum(one.kind == "exact" for one in found.sets)
    conflicts, leaks = (sum(getattr(s, what) for s in found.sets) for what in ("conflict", "leak"))
    how = "given"
    if options.threshold is None:
        lowest, highest = min(found.thresholds.values()), max(found.thresholds.values())
        how = f"chosen by class from {lowest:.3f} to {highest:.3f}"
    if found.compared < found.references:
        console.say(
            f"compared with all: {found.compared} of {found.references} references, drawn at "
            "random: sets without one of them were not found"
        )
    console.say(
        f"{len(found.sets)} sets ({exact} exact, {conflicts} with conflicting labels, {leaks} "
        f"across groups or values) among {console.counted(found.references, 'reference')}; "
        f"duplicates are nearer than a similarity of {found.threshold:.3f} ({how})"
    )
