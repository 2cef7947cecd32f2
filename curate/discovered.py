"""The groups that were shown last, kept beside the gallery: `HOME/<gallery>/discovered.json`.

A class that was just added changes the space in which groups are made: who names one group after
the other would find the rest changed. So a name means the pictures that were shown under it. They
must all still be there, and no reference, or the group is not what it was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curate.discover import group_id
from holotype.errors import OutputError, UsageError
from holotype.store.files import read_json, write_json

if TYPE_CHECKING:
    from holotype.access import Access

LOOK_AGAIN = "look again with `curate discover`, without --name"


def groups_file(access: Access) -> Path:
    """Where they are kept."""
    return access.settings.home / access.gallery.gallery / "discovered.json"


def keep_groups(file: Path, groups: Mapping[str, Sequence[str]]) -> None:
    """Keep the ids of the members of each group, in place of what was kept.

    Raises:
        OutputError: that cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {name: sorted(ids) for name, ids in groups.items()})
    except OSError as error:
        raise OutputError(f"the groups to {file}", error) from error


def members(file: Path, group: str, present: Collection[str]) -> list[str]:
    """The pictures of a group that was shown.

    Args:
        file: where they are kept.
        group: its name.
        present: ids of the pictures that are there now, and are no references.

    Raises:
        UsageError: there is no such group, or it is no longer the same.
    """
    try:
        groups = read_json(file) or {}
    except (OSError, ValueError):
        groups = {}
    ids = groups.get(group)
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise UsageError(f"no group {group!r} was shown last: {LOOK_AGAIN}")
    if group_id(ids) != group:
        raise UsageError(f"group {group!r} cannot be read in {file}: {LOOK_AGAIN}")
    gone = [id_ for id_ in ids if id_ not in present]
    if gone:
        raise UsageError(
            f"group {group!r} is no longer the same: {len(gone)} of its {len(ids)} pictures have "
            f"changed, are gone from where they were, or are references now; nothing was added: "
            f"{LOOK_AGAIN}"
        )
    return ids
