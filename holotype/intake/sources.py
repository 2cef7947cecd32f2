"""What a caller names, as a source of pictures: the same rules on a command line and in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from holotype.errors import UsageError
from holotype.images.finding import Unreadable, find_runs
from holotype.intake.folders import Folders
from holotype.intake.groups import parse_group
from holotype.intake.manifest import Manifest
from holotype.intake.tables import FILE_NAME, Columns, read_table
from holotype.intake.words import clean_label
from holotype.references import MAX_META_KEYS

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
"""What an image folder of Hugging Face calls its table."""


def source_of(
    paths: Sequence[Path],
    *,
    label: str | None,
    manifest: Path | None,
    group: str | None,
    meta: Mapping[str, str],
    splits_are_classes: bool = False,
    max_meta_keys: int = MAX_META_KEYS,
    root: Path | None = None,
) -> Folders | Manifest:
    """Files and folders, or the rows of a manifest.

    A folder with a `metadata.csv` (.jsonl, .parquet) of `file_name` and `label` is an image folder
    of Hugging Face: the labels are that table's, not the folders', as for everybody who reads it.

    Args:
        paths: image files, and folders whose folders are the classes.
        label: of all of them.
        manifest: instead of paths.
        group: see `holotype.intake.groups`.
        meta: of all of them, from `clean_meta`.
        splits_are_classes: folders called train, val or test are classes.
        max_meta_keys: of a manifest.
        root: what sources are relative to, and the paths of a manifest; None: sources are
            absolute, and these paths relative to the folder that the manifest lies in.

    Raises:
        UsageError: these do not fit together, or a path does not exist.
    """
    rule = parse_group(group)
    if manifest is None:
        if not paths:
            raise UsageError("nothing to add: name files or folders, or a manifest")
        metadata = _metadata_of(paths[0]) if len(paths) == 1 and label is None else None
        if metadata is not None:
            said = _said_of(metadata)
            return Manifest(
                metadata,
                group=rule,
                meta=meta,
                max_meta_keys=max_meta_keys,
                said=said,
                root=root,
            )
        chosen = None if label is None else clean_label(label)
        return Folders(
            paths,
            label=chosen,
            group=rule,
            meta=meta,
            splits_are_classes=splits_are_classes,
            root=root,
        )
    if paths or label is not None:
        raise UsageError("a manifest names paths and labels itself: leave out PATH and --label")
    return Manifest(
        manifest, group=rule, meta=meta, max_meta_keys=max_meta_keys, folder=root, root=root
    )


def _metadata_of(folder: Path) -> Path | None:
    """The table by which an image folder of Hugging Face names its labels."""
    for name in METADATA:
        told: list[Columns] = []
        file = folder / name
        # What cannot be read as such a table is a file beside pictures, as any other.
        with suppress(UsageError, OSError):
            if file.is_file():
                next(read_table(file, told.append), None)
        written = {column for columns in told for column in columns.written}
        if {FILE_NAME, "label"} <= written:
            return file
    return None


def _said_of(metadata: Path) -> tuple[str, ...]:
    rows = sum(1 for _ in read_table(metadata))
    images = sum(
        1 if isinstance(run, Unreadable) else len(run) for run in find_runs([metadata.parent])
    )
    named = "the labels are those of this table, not of folders (--label NAME overrides both)"
    if rows >= images:
        return (named,)
    return named, f"it names {rows} of {images} images in its folder: the others are left out"
