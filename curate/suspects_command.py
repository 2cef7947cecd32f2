"""What `curate suspects` does once its options are read: look, act, print."""

from __future__ import annotations

import shlex
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from curate.csv_file import check_csv, write_csv
from curate.done import Done
from curate.suspects import ABOVE, Cohort, Suspect, Suspects, look
from curate.view import read_gallery
from holotype import console
from holotype.access import open_gallery
from holotype.characters import printable
from holotype.errors import HolotypeError, TooFewReferences, UsageError
from holotype.history import Action
from holotype.labels import known_label

if TYPE_CHECKING:
    from holotype.access import AnyStore
    from holotype.settings import Settings

COMMAND: Final = "curate suspects"
ALL: Final = "all"
COLUMNS = (
    "cohort", "id", "label", "proposed", "p_wrong", "p_given", "p_proposed",
    "nearest_given", "nearest_proposed",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectsOptions:
    """What to look for, and what to do about it."""

    label: str | None = None
    limit: int = 50
    above: float = ABOVE
    seed: int = 0
    csv: Path | None = None
    accept: Sequence[str] = ()
    keep: Sequence[str] = ()
    remove: Sequence[str] = ()
    yes: bool = False
    as_json: bool = False

    def check(self) -> None:
        """Refuse what cannot be followed.

        Raises:
            UsageError: a suspect is to be accepted and kept, say, or nobody can be asked.
        """
        check_csv(self.csv)
        if not 0 <= self.above <= 1:
            raise UsageError(f"--above {self.above:g} is no probability: it lies in 0 to 1")
        named = [*self.accept, *self.keep, *self.remove]
        twice = next((name for name in named if named.count(name) > 1), None)
        if twice is not None:
            raise UsageError(f"{twice} is named twice: accept, keep or remove it")
        if self.remove and not self.yes and not sys.stdin.isatty():
            raise UsageError("removing asks first, and nobody can answer here: give --yes")


def run_suspects(settings: Settings, options: SuspectsOptions) -> int:
    """`curate suspects`; returns the exit code.

    Raises:
        EmptyGallery: there are no references.
        TooFewReferences: there is one class, or one independent reference a class.
        UnknownLabel, UsageError, OutputError: see the options.
    """
    options.check()
    with open_gallery(settings, command=COMMAND) as gallery:
        found = _find(gallery, options)
        done = _act(gallery, found, options)
    if options.csv is not None:
        write_csv(options.csv, COLUMNS, [_row(c, m) for c in found.cohorts for m in c.members])
    if options.as_json:
        told = found.to_dict()
        if done is not None:
            told["done"] = asdict(done)
        console.out_json(told)
    elif done is None and found.cohorts:
        console.for_people(soft_wrap=False).print(_table(found.cohorts[: options.limit]))
    if done is not None:
        return done.say("changed")
    _say(found, options)
    return console.EXIT_DONE


def _find(gallery: AnyStore, options: SuspectsOptions) -> Suspects:
    view = read_gallery(gallery)
    labels = None
    if options.label is not None:
        labels = known_label(options.label, gallery.counts(), gallery=gallery.gallery)
    with view.threads():
        found = look(view, above=options.above, seed=options.seed)
    if not found.scored:
        raise TooFewReferences(
            f"no label of gallery {gallery.gallery!r} can be doubted: that takes two classes, and "
            "two independent references of a class that differ; add more with `ingest add`"
        )
    return undecided(gallery, found, labels)


def undecided(
    gallery: AnyStore, found: Suspects, labels: Collection[str] | None = None
) -> Suspects:
    """Without those that somebody relabelled, removed, or looked at and kept.

    Args:
        gallery: as it is now.
        found: perhaps of an earlier state of it.
        labels: only suspects that carry one of these; None: all.
    """
    now = {one.id: one for one in gallery.get([member.id for member in found.members])}

    def is_open(member: Suspect) -> bool:
        reference = now.get(member.id)
        return (
            reference is not None
            and reference.label == member.label
            and reference.dismissed != member.mark
        )

    cohorts = []
    for cohort in found.cohorts:
        members = [member for member in cohort.members if is_open(member)]
        if members and (labels is None or cohort.label in labels):
            cohorts.append(replace(cohort, members=members))
    cohorts.sort(key=lambda one: -one.expected)
    return replace(found, cohorts=cohorts)


def _act(gallery: AnyStore, found: Suspects, options: SuspectsOptions) -> Done | None:
    if not (options.accept or options.keep or options.remove):
        return None
    left: dict[str, str] = {}
    chosen = {
        what: _named(found, getattr(options, what), left) for what in ("accept", "keep", "remove")
    }
    _require_one_each(chosen)
    if chosen["remove"] and not options.yes:
        what = console.counted(len(chosen["remove"]), "reference")
        question = f"Remove {what} from {gallery.gallery!r}?"
        if not console.confirmed(question):
            raise HolotypeError("nothing was changed")
    changed = _accept(gallery, _still(gallery, chosen["accept"], left))
    kept = _still(gallery, chosen["keep"], left)
    if kept:
        marks = {one.id: one.mark for one in kept}
        changed += gallery.dismiss(marks, action=Action.new("dismiss", why="no suspect"))
    removed = [one.id for one in _still(gallery, chosen["remove"], left)]
    if removed:
        changed += gallery.remove(ids=removed, action=Action.new("remove", why="suspects"))
    return Done(changed, left)


def _accept(gallery: AnyStore, suspects: Iterable[Suspect]) -> int:
    """They get the proposed labels; one action, to be undone as one."""
    by_label: dict[str, list[str]] = defaultdict(list)
    for one in suspects:
        by_label[one.proposed].append(one.id)
    action = Action.new("relabel", why="suspects")
    return sum(gallery.relabel(label, ids=ids, action=action) for label, ids in by_label.items())


def _named(found: Suspects, names: Iterable[str], left: dict[str, str]) -> list[Suspect]:
    """Suspects, and members of cohorts, with these names; `left` is told of names that none has."""
    by_name = {member.id: [member] for member in found.members}
    by_name |= {cohort.mark: cohort.members for cohort in found.cohorts}
    by_name[ALL] = found.members
    chosen: dict[str, Suspect] = {}
    for name in names:
        if name not in by_name:
            left[name] = (
                "no suspect and no cohort is called that now: it was changed or decided, a cohort "
                "has other members than it had, or --above is not what it was; look again"
            )
        chosen |= {member.id: member for member in by_name.get(name, ())}
    return list(chosen.values())


def _require_one_each(chosen: dict[str, list[Suspect]]) -> None:
    seen: dict[str, str] = {}
    for what, suspects in chosen.items():
        for one in suspects:
            if one.id in seen:
                raise UsageError(
                    f"{one.id} is among those to {seen[one.id]} and those to {what}: nothing was "
                    "changed"
                )
            seen[one.id] = what


def _still(gallery: AnyStore, suspects: list[Suspect], left: dict[str, str]) -> list[Suspect]:
    """Those that still carry the label that was doubted: somebody may have been quicker."""
    now = gallery.existing([one.id for one in suspects])
    for one in suspects:
        if one.id not in now:
            left[one.id] = "it was removed meanwhile"
        elif now[one.id] != one.label:
            left[one.id] = f"it was {one.label} and is {now[one.id]} by now"
    return [one for one in suspects if one.id not in left]


def _row(cohort: Cohort, member: Suspect) -> dict[str, Any]:
    return {
        **asdict(member),
        "cohort": cohort.mark,
        "nearest_given": " ".join(member.evidence.given),
        "nearest_proposed": " ".join(member.evidence.proposed),
    }


def _say(found: Suspects, options: SuspectsOptions) -> None:
    if len(found.cohorts) > options.limit and not options.as_json:
        more = len(found.cohorts) - options.limit
        console.say(f"{console.counted(more, 'more cohort')}: --limit, --json or --csv shows them")
    if found.looked_at < found.references:
        console.say(
            f"looked at {found.looked_at} of {found.references} references, drawn at random: "
            "--seed 1 looks at others"
        )
    expected = sum(one.expected for one in found.cohorts)
    console.say(
        f"{console.counted(len(found.members), 'suspect')} in "
        f"{console.counted(len(found.cohorts), 'cohort')}, "
        f"about {expected:.0f} of them wrong, among {found.scored} labels that can be doubted "
        f"(of {console.counted(found.references, 'reference')})"
    )
    if found.cohorts:
        _say_next(found.cohorts[0], options)


def _say_next(cohort: Cohort, options: SuspectsOptions) -> None:
    again = COMMAND
    again += f" --above {options.above:g}" if options.above != ABOVE else ""
    again += f" --label {shlex.quote(options.label)}" if options.label is not None else ""
    again += f" --seed {options.seed}" if options.seed else ""
    console.say(
        f"next: {again} --accept {cohort.mark} relabels these as proposed, --keep {cohort.mark} "
        f"says that they are right, {COMMAND} --json shows the nearest of both classes"
    )


def _table(cohorts: Sequence[Cohort]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("cohort", "label", "proposed"):
        table.add_column(name, overflow="fold")
    for name in ("suspects", "wrong", "like label", "like proposed"):
        table.add_column(name, justify="right")
    table.add_column("the surest of them", no_wrap=True)
    for one in cohorts:
        n = len(one.members)
        table.add_row(
            one.mark,
            printable(one.label),
            printable(one.proposed),
            str(n),
            f"{one.expected:.1f}",
            f"{sum(member.p_given for member in one.members) / n:.0%}",
            f"{sum(member.p_proposed for member in one.members) / n:.0%}",
            one.members[0].id,
        )
    return table
