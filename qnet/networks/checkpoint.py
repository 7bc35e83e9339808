"""Interrupted training resumes where it stopped: one file beside the outputs, removed once they are written."""

import hashlib
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from qnet.atomic import atomic

INTERVAL_S = 60.0  # least time between two files: one of ResNet18 with Adam and a weight average has 180 MB


def fingerprint(settings: dict, *arrays: np.ndarray) -> str:
    """SHA-256 of plain settings, arrays and the code of this package: what the course of a training follows from."""
    digest = hashlib.sha256(json.dumps([settings, torch.__version__], sort_keys=True).encode())
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@dataclass
class Checkpoint:
    """The state of `modules` and of an optimiser after an epoch.

    Parameters
    ----------
    path : Path
    fingerprint : str
        A file with another one belongs to another training and is ignored.
    modules : name → nn.Module
    """

    path: Path
    fingerprint: str
    modules: dict[str, nn.Module]
    _last_s: float = field(default_factory=time.monotonic, init=False)

    def keep(self, optimiser: torch.optim.Optimizer, records: list[dict]) -> None:
        """Write the state after the epochs of `records`, unless the last file is too fresh."""
        if time.monotonic() - self._last_s < INTERVAL_S:
            return
        state = {"fingerprint": self.fingerprint, "records": records, "optimiser": optimiser.state_dict()}
        state["modules"] = {name: module.state_dict() for name, module in self.modules.items()}
        with atomic(self.path) as part:
            torch.save(state, part)
        self._last_s = time.monotonic()

    def resume(self, optimiser: torch.optim.Optimizer) -> list[dict]:
        """Load the state where a file fits → records of the epochs that are done, none otherwise."""
        if not self.path.is_file():
            return []
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:  # a broken file fails in every way
            print(f"{self.path}: ignored: it cannot be read ({error})", file=sys.stderr)
            return []
        if state["fingerprint"] != self.fingerprint:
            print(f"{self.path}: ignored: it comes from other settings, images or code", file=sys.stderr)
            return []
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        optimiser.load_state_dict(state["optimiser"])
        print(f"{self.path}: resuming after epoch {len(state['records'])}", file=sys.stderr)
        return state["records"]
