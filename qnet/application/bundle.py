"""The bundle of a trained run: one JSON file that names its weights and all that is needed to apply them.

Plain numbers and text beside safetensors files: nothing is unpickled. Paths are relative to the bundle, so that the
folder can be moved. The bundle holds sums over the training subjects, nobody's own values.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logit

from qnet.atomic import atomic
from qnet.evaluation.calibration import SMALLEST_PROBABILITY, fit_logistic, separated

FORMAT = "Q-Net model bundle 1"
KINDS = ("image", "scan")  # weights of the two stages


def write_bundle(path: str | Path, bundle: Mapping) -> None:
    """Write a bundle; numbers that are not finite become null."""
    text = json.dumps({"format": FORMAT, **plain(bundle)}, indent=1, allow_nan=False)
    with atomic(path) as part:
        part.write_text(text + "\n", encoding="utf-8")


def plain(value: object) -> Any:
    """A copy in the types that JSON has."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_bundle(path: str | Path) -> dict:
    """The bundle of a file.

    Raises
    ------
    ValueError
        The file is not a bundle.
    """
    try:
        bundle = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:  # neither JSON nor UTF-8
        raise ValueError(f"{path}: expected a {FORMAT}, found invalid JSON: {error}") from None
    found = bundle.get("format") if isinstance(bundle, dict) else None
    if found != FORMAT:
        raise ValueError(f"{path}: expected a {FORMAT}, found {found!r}")
    return bundle


def list_weights(image: Iterable[str], scan: Iterable[str], folder: str | Path) -> list[dict]:
    """Input, seed and fold of every pair of weights files, their paths relative to `folder` and their SHA-256.

    Parameters
    ----------
    image, scan : paths
        Averaged image models and scan models in the same order, in `…/<input>/seed-<s>/fold-<k>/`.
    folder : path
        Of the bundle.
    """
    entries = []
    for files in zip(image, scan, strict=True):
        place = Path(files[0]).parent
        if Path(files[1]).parent != place:
            raise ValueError(f"{files[1]}: expected a scan model in {place}")
        input_name, seed, fold = place.parts[-3:]
        entry = {"input": input_name, "seed": int(seed.removeprefix("seed-")), "fold": int(fold.removeprefix("fold-"))}
        for kind, file in zip(KINDS, files, strict=True):
            entry[kind] = Path(file).relative_to(folder).as_posix()
            entry[f"{kind}_sha256"] = sha256(file)
        entries.append(entry)
    return entries


def sha256(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verified(folder: str | Path, entry: Mapping, kind: str) -> Path:
    """The weights file of an entry, once its content is known to be that of the training.

    Raises
    ------
    FileNotFoundError, ValueError
        There is no such file below `folder`, or its checksum is another.
    """
    folder = Path(folder).resolve()
    path = (folder / entry[kind]).resolve()
    if not path.is_relative_to(folder):
        raise ValueError(f"{path}: expected weights in {folder}, the folder of the bundle")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the {kind} model that the bundle names, found no file")
    found = sha256(path)
    if found != entry[f"{kind}_sha256"]:
        raise ValueError(f"{path}: expected SHA-256 {entry[f'{kind}_sha256']}, found {found}; not the trained weights")
    return path


def uncertain_band(labels: np.ndarray, scores: np.ndarray, odds: float) -> list[float]:
    r"""Scores that, among held-out training subjects, correspond to odds of less than `odds` to one.

    .. math:: \operatorname{logit} P(y = 1) = a + b \operatorname{logit} s,\quad |a + b \operatorname{logit} s| < \log o

    Where a score separates the groups, it is the gap between them; where higher scores do not speak for the positive
    group, all scores are uncertain.

    Parameters
    ----------
    labels : (n,) bool
    scores : (n,) in [0, 1]
    odds : float above 1

    Returns
    -------
    [low, high]
    """
    labels = np.asarray(labels, bool)
    x = logit(np.clip(scores, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
    if separated(labels, x):
        low, high = float(np.max(scores[~labels])), float(np.min(scores[labels]))
        return [low, high] if low <= high and np.ptp(scores) > 0 else [0.0, 1.0]
    unit = x.std()  # a fit in standard units is well conditioned
    (a, b), _ = fit_logistic(labels, np.stack([np.ones_like(x), x / unit], axis=1), np.zeros_like(x))
    if b <= 0:
        return [0.0, 1.0]
    edges = (np.array([-1, 1]) * np.log(odds) - a) / b * unit
    return (1 / (1 + np.exp(-edges))).tolist()
