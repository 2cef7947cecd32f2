"""What a bundle says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holotype.characters import printable

if TYPE_CHECKING:
    from classify.bundle.contents import Contents


def about(contents: Contents) -> str:
    """A few lines for people, and the licence notes."""
    notes, sample, report = contents.notes, contents.sample, contents.head.record
    encoder = contents.facts["fingerprint"]
    kept = "all" if sample.is_whole else f"a sample of {len(sample.references)} of the"
    lines = [
        f"gallery       {printable(sample.gallery)}: {sample.total} references of "
        f"{len(contents.counts)} classes",
        f"labels        {', '.join(printable(label) for label in sorted(contents.counts))}",
        f"head          {report.version}, exactly as its service answers in linear mode",
        f"neighbours    {kept} {sample.total} references",
        f"encoder       {encoder['backbone']}, {encoder['image_size']} pixels, "
        f"{encoder['dimension']} numbers",
        f"fingerprint   {notes['fingerprint']}",
        f"made          {notes['made_at']} with {notes['made_with']}",
    ]
    if (cost := notes.get("quantised")) is not None:
        lines.append(f"quantised     int8: {cost['said']}")
    return "\n".join([*lines, "", notes["licences"].rstrip()])
