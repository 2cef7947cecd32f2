"""What the commands do once their options are read: open, act, print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from head.following import following
from head.opening import promote_through, retrain_through, rollback_through
from head.options import RetrainStatus
from head.versions import registry
from holotype import console
from holotype.access import Access, open_gallery
from holotype.errors import HeadBusy, StoreLocked

if TYPE_CHECKING:
    from pathlib import Path

    from head.options import RetrainOptions, RetrainResult
    from holotype.settings import Settings

COMMAND = "retrain"


def run_retrain(settings: Settings, options: RetrainOptions, *, as_json: bool) -> int:
    """`retrain`; returns the exit code."""
    with following(as_json=as_json) as tell, _opened(settings) as access:
        result = retrain_through(access, options, tell=tell)
    if as_json:
        console.out_json(result.to_dict())
    else:
        _show_result(result)
    held = result.status is RetrainStatus.HELD
    return console.EXIT_SOME_FAILED if held else console.EXIT_DONE


def run_list(settings: Settings, *, as_json: bool) -> None:
    """`retrain list`."""
    from head.render import show_versions, version_line

    with open_gallery(settings, command=f"{COMMAND} list") as gallery:
        records, pointer = gallery.heads(), gallery.active_head()
    active = None if pointer is None else pointer.version
    if as_json:
        for record in records:
            console.out_json(version_line(record, active=active))
    elif records:
        show_versions(records, active=active)
    else:
        console.say(f"gallery {settings.gallery!r} has no trained head yet: run `retrain`")


def run_show(settings: Settings, version: str, *, as_json: bool) -> None:
    """`retrain show`."""
    from head.render import report_for_people, show_report

    with open_gallery(settings, command=f"{COMMAND} show") as gallery:
        record, pointer = registry.record_of(gallery, version), gallery.active_head()
    active = None if pointer is None else pointer.version
    if as_json:
        console.out_json(report_for_people(record, active=active))
    else:
        show_report(record, active=active)


def run_promote(settings: Settings, version: str) -> None:
    """`retrain promote`."""
    with Access(settings, command=f"{COMMAND} promote") as access:
        promote_through(access, version)
    console.out(f"head {version} answers from now on")


def run_rollback(settings: Settings) -> None:
    """`retrain rollback`."""
    with Access(settings, command=f"{COMMAND} rollback") as access:
        pointer = rollback_through(access)
    console.out(f"head {pointer.version} answers from now on")


def run_export(settings: Settings, version: str, folder: Path) -> None:
    """`retrain export`."""
    from head.versions.export import export_head

    with Access(settings, command=f"{COMMAND} export", here=True) as access:
        head, fingerprint = registry.load(access.store, version), access.store.fingerprint
    for path in export_head(head, fingerprint, folder):
        console.out(str(path))


def _opened(settings: Settings) -> Access:
    try:
        return Access(settings, command=COMMAND)
    except StoreLocked as error:
        owner = error.owner
        if owner is not None and owner.command == COMMAND:
            raise HeadBusy(
                f"another retrain is running on gallery {settings.gallery!r} (holder process "
                f"{owner.pid} on {owner.host}, since {owner.since}): wait for it"
            ) from error
        raise


def _show_result(result: RetrainResult) -> None:
    from head.render import show_summary

    if result.status is RetrainStatus.NOT_NEEDED:
        console.out(f"nothing to do: {result.reason}")
    else:
        show_summary(result)
