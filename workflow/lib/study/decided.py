"""What the check decided about a series, kept for the job that prepares its echoes, which then only reads them.

It holds for the very files that were looked at (their SHA-256), the settings and the code; the job decides anew
wherever one of these is another. What it writes is the same either way.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from recon.files.io import read_json
from recon.intake.decisions import Decisions, PhaseScale
from recon.problems import ProblemError


def kept(decisions: Decisions, sums: Mapping[str, str], cfg: Mapping, code: Mapping[str, str]) -> dict:
    """Decisions as plain JSON with what they hold for: see :func:`decided`."""
    content = asdict(decisions)
    return {"key": _key(content, sums, cfg, code), **content}


def decided(check: str | Path, sums: Mapping[str, str], cfg: Mapping, code: Mapping[str, str]) -> Decisions | None:
    """The decisions that the check of a scan has kept; None where they do not hold, or there are none.

    Parameters
    ----------
    check : file of the check, with :func:`kept` under `decided`
    sums : SHA-256 of the images and sidecars of the series, by path
    cfg : config section `prepare_echoes`
    code : fingerprints of the script that prepares echoes, of which the decision is a part
    """
    try:
        content = read_json(check).get("decided") or {}
    except ProblemError:  # of simulated scans there is no check
        return None
    if content.pop("key", None) != _key(content, sums, cfg, code):
        return None
    scale, notes = content.pop("scale"), content.pop("notes")
    return Decisions(scale=scale and PhaseScale(*scale), notes=tuple(notes), **content)


def _key(content: Mapping, sums: Mapping[str, str], cfg: Mapping, code: Mapping[str, str]) -> str:
    """Of the decisions as well, so that a file that was edited is not believed."""
    parts = {"decided": content, "sums": sums, "cfg": cfg, "code": code, "numpy": np.__version__}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
