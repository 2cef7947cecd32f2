"""`__main__.py` of a bundle: what Python runs when it is given the file.

It says what is missing before anything that needs it is imported, in words that old versions of
Python read, too.
"""

import os
import sys
import zipfile
from importlib.util import find_spec

NEEDED = {"onnxruntime": "onnxruntime", "numpy": "numpy", "PIL": "pillow"}
"""What must be importable, and what it is called where one gets it."""


def problem(bundle: str):  # type: ignore[no-untyped-def]  # no `str | None` in old Pythons
    """What keeps the bundle from running here; None where nothing does."""
    if sys.version_info < (3, 11):  # noqa: UP036  an older one may well be asked to run it
        return "this bundle needs Python 3.11 or newer; this is " + sys.version.split()[0]
    missing = [package for name, package in NEEDED.items() if find_spec(name) is None]
    if missing:
        names = " ".join(missing)
        return "this bundle needs " + names + ": `python -m pip install " + names + "`"
    try:
        with zipfile.ZipFile(bundle) as archive:
            for name in archive.namelist():
                if name.endswith(".py"):
                    archive.read(name)  # Python's own importer does not look at checksums
    except Exception as error:  # noqa: BLE001  whatever a damaged zip leads to
        return bundle + " is damaged (" + str(error) + "): copy it again, or make it anew"
    return None


if __name__ == "__main__":
    file = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  as old as Python
    why = problem(file)
    if why is not None:
        sys.exit(why)
    from classify.bundle.main import main

    sys.exit(main(sys.argv[1:], bundle=file))
