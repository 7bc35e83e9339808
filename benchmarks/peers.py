"""Peers with an environment of their own."""

import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measure import ONE_THREAD, Cost

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / "benchmarks" / ".venv" / "bin" / "python"  # `make bench` builds it
TIMEOUT_S = 180


class PeerFailed(Exception):
    """The peer is absent, crashed or took too long; the message says which."""


def brainextractor(image: np.ndarray, voxel_size_mm: tuple[float, ...], threshold: float) -> tuple[Cost, np.ndarray]:
    """Cost and brain mask (X, Y, Z) of brainextractor.

    Raises
    ------
    PeerFailed
    """
    if not PYTHON.is_file():
        raise PeerFailed("not installed")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, image=image, voxel_size_mm=voxel_size_mm, threshold=threshold)
        command = [PYTHON, "-m", "benchmarks.brainextractor_peer", source, target]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=os.environ | ONE_THREAD, capture_output=True, text=True, timeout=TIMEOUT_S
            )
        except subprocess.TimeoutExpired as late:
            raise PeerFailed(f"failed: no end after {TIMEOUT_S} s") from late
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [""]
            reason = f"signal {-done.returncode}" if done.returncode < 0 else lines[-1]
            raise PeerFailed(f"failed: {reason}")
        with np.load(target) as made:
            return Cost(*made["cost"].tolist()), made["mask"]
