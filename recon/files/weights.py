"""Trained weights on disk: safetensors, read without running what a file holds."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from recon.files.io import read_json

DTYPES = {"F16": np.float16, "F32": np.float32}
HEAD = 8  # bytes of the length of the header


@cache
def trained(weights: Path, card: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Weights that are shipped, and their card, which has their hash and the command that makes both.

    Raises
    ------
    ValueError
        The file is not the one of the card.
    """
    told = read_json(card)
    return read_weights(weights, told["sha256"], told["command"]), told


def read_weights(path: Path, sha256: str, command: str) -> dict[str, np.ndarray]:
    """Arrays of a safetensors file by name, as float32.

    Parameters
    ----------
    path : of the file
    sha256 : what its bytes must hash to
    command : that makes the file and its card anew, for the message

    Raises
    ------
    ValueError
        The file is missing, or is another one; the message names it, what was expected and what was found.
    """
    if not path.is_file():
        raise ValueError(f"{path}: expected the weights with SHA-256 {sha256}, found no file")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path}: expected the weights with SHA-256 {sha256}, found {found}: restore the file, or train both it "
            f"and {path.with_suffix('.json').name} again with {command}"
        )
    start = HEAD + int.from_bytes(content[:HEAD], "little")
    entries = json.loads(content[HEAD:start])
    entries.pop("__metadata__", None)
    return {name: _array(content[start:], entry) for name, entry in entries.items()}


def _array(data: bytes, entry: dict) -> np.ndarray:
    """One array of the file, float32."""
    first, last = entry["data_offsets"]
    values = np.frombuffer(data[first:last], DTYPES[entry["dtype"]])
    return values.reshape(entry["shape"]).astype(np.float32)
