"""A trained run applied to a scan that it has not seen."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from qnet.application.bundle import verified
from qnet.application.outcome import MODELS
from qnet.application.similarity import embedding_distance, unusual_embedding
from qnet.explanation.evidence import evidence_map
from qnet.images.data import read_stack
from qnet.networks.heads.models import read_scan_model
from qnet.networks.located import Means, beside, located
from qnet.networks.predict import embed, image_scores, prepare, scan_scores
from qnet.networks.weights import read_image_model
from qnet.regional_means import regional_means


def apply_run(
    stack: str | Path,
    bundle: Mapping,
    folder: str | Path,
    age: float | None,
    device: torch.device,
    site: str | None = None,
    stats: str | Path | None = None,
) -> dict:
    """Ask every network of a run about one scan.

    Parameters
    ----------
    stack : path
        Result of `slice_stack`.
    bundle : dict
        See `qnet.application.bundle`.
    folder : path
        Where the bundle lies.
    age : float, optional [years]
    device : torch device
    site : str, optional
        Where the scan was made, for networks that read harmonised windows.
    stats : path, optional
        Statistics per nucleus of the scan, for heads that read what was located.

    Returns
    -------
    dict
        Plain values: `scores`, rows of input, model, seed, fold, score; `evidence` by input: `slice`, `cells`
        (h, w) [logit], averaged over the networks, and `crop_size` [pixels]; `unusual`, sentences about embeddings
        that are unlike those of the training scans.

    Raises
    ------
    FileNotFoundError, ValueError
        Weights are absent or not those of the training.
    """
    means = regional_means(stats) if stats else {}
    found: dict = {"scores": [], "evidence": {}, "unusual": []}
    for name in dict.fromkeys(entry["input"] for entry in bundle["weights"]):
        images, slices = read_stack(stack, name)
        entries = [entry for entry in bundle["weights"] if entry["input"] == name]
        views = [_ask(images, entry, folder, means, np.nan if age is None else age, device, site) for entry in entries]
        for entry, view in zip(entries, views, strict=True):
            about = {key: entry[key] for key in ("input", "seed", "fold")}
            scores = zip(MODELS, (view["scan"], float(view["images"].mean())), strict=True)
            found["scores"] += [{**about, "model": model, "score": score} for model, score in scores]
        found["evidence"][name] = {
            "slice": int(slices[len(slices) // 2]),
            "cells": np.mean([view["cells"] for view in views], axis=0).tolist(),
            "crop_size": views[0]["crop_size"],
        }
        found["unusual"] += _embedding_sentences(name, entries, views, bundle["similarity"])
    return found


def _ask(
    images: np.ndarray,
    entry: Mapping,
    folder: str | Path,
    means: Means,
    age: float,
    device: torch.device,
    site: str | None,
) -> dict:
    """What one pair of networks makes of images (T, 3, S, S) in physical units and the means over the nuclei."""
    image_model, about = read_image_model(verified(folder, entry, "image"))
    scan_model, judges = read_scan_model(verified(folder, entry, "scan"))
    image_model.to(device)
    prepared = np.ascontiguousarray(prepare(images, about, site=site))
    features = read = embed(image_model, prepared)
    if "regions" in judges:
        read = beside(features, located(means, judges["regions"], about, site=site))
    return {
        "images": image_scores(image_model, prepared),
        "scan": scan_scores(scan_model.to(device), read, age)[1],
        "cells": evidence_map(image_model, prepared[[len(images) // 2]])[0][0],
        "crop_size": prepared.shape[-1],
        "features": features,
    }


def _embedding_sentences(name: str, entries: list[dict], views: list[dict], similarity: Mapping) -> list[str]:
    """A sentence if the networks of one input see a scan unlike those of the training."""
    places = {(place["input"], place["seed"], place["fold"]): place for place in similarity["embeddings"]}
    pairs = [
        (places[key], view["features"])
        for entry, view in zip(entries, views, strict=True)
        if (key := (entry["input"], entry["seed"], entry["fold"])) in places
    ]
    if not pairs:
        return []
    distances = [embedding_distance(place, features) for place, features in pairs]
    return unusual_embedding(distances, [place["held_out"] for place, _ in pairs], similarity["typical"], name)
