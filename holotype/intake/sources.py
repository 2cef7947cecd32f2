"""What a caller names, as a source of pictures: the same rules on a command line and in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from holotype.errors import UsageError
from holotype.intake.folders import Folders
from holotype.intake.groups import parse_group
from holotype.intake.manifest import Manifest
from holotype.intake.words import clean_label
from holotype.references import MAX_META_KEYS


def source_of(
    paths: Sequence[Path],
    *,
    label: str | None,
    manifest: Path | None,
    group: str | None,
    meta: Mapping[str, str],
    splits_are_classes: bool = False,
    max_meta_keys: int = MAX_META_KEYS,
) -> Folders | Manifest:
    """Files and folders, or the rows of a manifest.

    Args:
        paths: image files, and folders whose folders are the classes.
        label: of all of them.
        manifest: instead of paths.
        group: see `holotype.intake.groups`.
        meta: of all of them, from `clean_meta`.
        splits_are_classes: folders called train, val or test are classes.
        max_meta_keys: of a manifest.

    Raises:
        UsageError: these do not fit together, or a path does not exist.
    """
    rule = parse_group(group)
    if manifest is None:
        if not paths:
            raise UsageError("nothing to add: name files or folders, or a manifest")
        chosen = None if label is None else clean_label(label)
        return Folders(
            paths, label=chosen, group=rule, meta=meta, splits_are_classes=splits_are_classes
        )
    if paths or label is not None:
        raise UsageError("a manifest names paths and labels itself: leave out PATH and --label")
    return Manifest(manifest, group=rule, meta=meta, max_meta_keys=max_meta_keys)
