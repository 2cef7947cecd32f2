"""The service's own linear algebra takes one thread; the encoder's threads stay as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, sys
import holotype.encoder.quick_start
from holotype.errors import EncoderError

def instead_of_loading(settings):
    torch_was_there = "torch" in sys.modules
    import torch
    from threadpoolctl import threadpool_info
    held = [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"]
    print(json.dumps([held, torch.get_num_threads(), torch_was_there]))
    raise EncoderError("seen enough")

holotype.encoder.quick_start.load_quickly = instead_of_loading
sys.argv = ["classify", "serve", "--port", "0", "--create"]
from classify.cli import main
main()
"""


def test_serve__holds_linear_algebra_before_torch_is_there(tmp_path: Path) -> None:
    """By the time the encoder is loaded, numpy's threads are one and torch's are still two."""
    two = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | two | {"HOLOTYPE_HOME": str(tmp_path)},
    )
    assert "seen enough" in done.stderr
    held, of_torch, torch_was_there = json.loads(done.stdout)
    assert not torch_was_there
    assert set(held) <= {1}
    assert of_torch == 2
