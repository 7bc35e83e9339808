"""Is a new scan like those of the training? Protocol, image statistics and embeddings; sentences where it is not.

Limits are learnt from the training scans, each against the others, so that a scan of the same kind is flagged about
as rarely as the `typical` share says, or as rarely as their number allows: one of n + 1 where n is small.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from qnet.images.normalise import CHANNELS

TOLERANCE = 0.05  # of a protocol value: 2.89 T is 3 T, and voxels are rounded in headers
NO_MAP_PPM = 1e-4  # what resampling smears beyond the end of a map; hardly a voxel of tissue is as close to zero
PERCENTILES = (5, 50, 95)
UNITS = {"QSM": "ppm", "R2star": "1/s", "T1w": "times the scan's median"}
FEWEST = 4  # training scans that limits are learnt from
Ranges = dict[str, list]


def protocol_of(acquisition: Mapping) -> dict[str, list[float]]:
    """Numbers of a protocol by name, with units in the names, from what `acquisition.json` says."""
    voxel_size_mm = sorted(acquisition["voxel_size_mm"])  # whichever axis the slices have
    found = {
        "field strength [T]": [acquisition["b0_tesla"]],
        "number of echoes": [len(acquisition["te_s"])],
        "echo times [ms]": [1000 * te for te in acquisition["te_s"]],
        "voxel edges, shortest first [mm]": voxel_size_mm,
    }
    if acquisition.get("tr_s"):
        found["repetition time [ms]"] = [1000 * acquisition["tr_s"]]
    if acquisition.get("flip_angle_deg"):
        found["flip angle [degree]"] = [acquisition["flip_angle_deg"]]
    return found


def manufacturer_of(acquisition: Mapping) -> str:
    return acquisition.get("decisions", {}).get("Manufacturer") or "unknown"


def training_protocol(acquisitions: Sequence[Mapping]) -> dict:
    """Ranges of the protocols of the training scans, and their manufacturers."""
    ranges: dict[str, list] = {}
    for protocol in map(protocol_of, acquisitions):
        for name, values in protocol.items():
            if len(values) == len(ranges.setdefault(name, [[v, v] for v in values])):
                ranges[name] = [[min(a, v), max(b, v)] for (a, b), v in zip(ranges[name], values, strict=True)]
    return {"ranges": ranges, "manufacturers": sorted({manufacturer_of(a) for a in acquisitions})}


def protocol_differences(training: Mapping, acquisition: Mapping) -> list[str]:
    """A sentence for each protocol value that lies outside the range of the training scans by more than 5 %."""
    sentences, protocol = [], protocol_of(acquisition)
    for name, ranges in training["ranges"].items():
        values = protocol.get(name)
        if values is None:
            sentences.append(f"{name}: unknown for this scan, {_ranges(ranges)} in training.")
        elif len(values) != len(ranges) or not all(map(_inside, values, ranges)):
            sentences.append(f"{name}: {_numbers(values)} in this scan, {_ranges(ranges)} in training.")
    maker = manufacturer_of(acquisition)
    if maker not in training["manufacturers"]:
        sentences.append(f"manufacturer: {maker} of this scan, {', '.join(training['manufacturers'])} in training.")
    return sentences


def _inside(value: float, limits: Sequence[float]) -> bool:
    low, high = limits
    return low * (1 - TOLERANCE) <= value <= high * (1 + TOLERANCE)


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def _ranges(ranges: Sequence[Sequence[float]]) -> str:
    return ", ".join(dict.fromkeys(f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}" for low, high in ranges))


def image_statistics(images: np.ndarray, brain: np.ndarray) -> dict[str, float]:
    """Mean, SD and percentiles of each channel in the brain, over all slices.

    Parameters
    ----------
    images : (T, 3, S, S) float array
        One scan: QSM [ppm], R2* [1/s], T1W [a.u.], which is divided by its median.
    brain : (T, S, S) bool array

    Raises
    ------
    ValueError
        No pixel is in the brain.
    """
    inside = brain & (np.abs(images[:, 0]) > NO_MAP_PPM)  # susceptibility may end short of the brain's rim
    if not inside.any():
        raise ValueError("image statistics: expected pixels in the brain, found none")
    found: dict[str, float] = {}
    for index, channel in enumerate(CHANNELS):
        values = images[:, index][inside].astype(float)
        values = values / (np.median(values) or 1.0) if channel == "T1w" else values
        found |= {f"{channel} mean": values.mean(), f"{channel} SD": values.std()}
        found |= {f"{channel} {q}th percentile": np.percentile(values, q) for q in PERCENTILES}
    del found["T1w 50th percentile"]  # always one
    return {name: float(value) for name, value in found.items()}


def training_statistics(scans: Sequence[Mapping[str, float]], typical: float) -> dict | None:
    r"""Where the statistics of training scans lie, and how far out one of them may lie.

    .. math:: d = \max_s |x_s - m_s| / w_s

    with median m and scaled median absolute deviation w of each statistic s. The limit is the `typical` quantile of
    the d of all training scans, each against m and w of the others.

    Returns
    -------
    dict or None
        Plain numbers for JSON; None for fewer than `FEWEST` scans.
    """
    if len(scans) < FEWEST:
        return None
    names = list(scans[0])
    X = np.array([[scan[name] for name in names] for scan in scans])  # (n, s)
    alone = [_distances(X[i], *_centre(np.delete(X, i, axis=0))).max() for i in range(len(X))]
    median, width = _centre(X)
    return {
        "scans": len(X),
        "typical": typical,
        "limit": float(np.quantile(alone, typical, method="higher")),
        "statistics": {
            name: {"median": float(m), "width": float(w), "low": float(low), "high": float(high)}
            for name, m, w, low, high in zip(names, median, width, X.min(0), X.max(0), strict=True)
        },
    }


def _centre(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and 1.4826 times the median absolute deviation (the SD of a normal), (s,) each.

    The deviation is at least a quarter of the SD: where most scans agree to the digit, it would be zero.
    """
    median = np.median(X, axis=0)
    width = np.maximum(1.4826 * np.median(np.abs(X - median), axis=0), X.std(0) / 4)
    return median, np.maximum(width, 1e-6 * np.maximum(np.abs(median), 1e-6))


def _distances(x: np.ndarray, median: np.ndarray, width: np.ndarray) -> np.ndarray:
    return np.abs(x - median) / width


def unusual_statistics(training: Mapping | None, scan: Mapping[str, float], input_name: str) -> list[str]:
    """A sentence for each channel of a scan with a statistic beyond the limit of the training scans: the farthest."""
    if training is None:
        return [f"{input_name} input: too few training scans to judge whether the images resemble theirs."]
    known, limit = training["statistics"], training["limit"]
    distances = {name: abs(scan[name] - about["median"]) / about["width"] for name, about in known.items()}
    sentences = []
    for channel in CHANNELS:
        off = {name: d for name, d in distances.items() if name.split()[0] == channel and d > limit}
        if not off:
            continue
        name = max(off, key=off.__getitem__)
        low, high = known[name]["low"], known[name]["high"]
        also = f"; {len(off) - 1} more of its statistics are off as well" if len(off) > 1 else ""
        sentences.append(
            f"{input_name} input, {name} in the brain: {scan[name]:.3g} {UNITS[channel]}, {low:.3g} to {high:.3g} in "
            f"training, {off[name]:.1f} robust SDs off (limit {limit:.1f}){also}."
        )
    return sentences


def training_embeddings(scans: Mapping[str, np.ndarray], held_out: Sequence[str]) -> dict:
    """Where the embeddings of one image model lie: its training scans, and how far from them its held-out scans are.

    Parameters
    ----------
    scans : {participant: (T, F)}
        Embeddings of all subjects by this model.
    held_out : participants
        Those that it has not seen. New scans are unseen as well, so these are what they compare with.

    Returns
    -------
    dict
        mean, sd : (F,) lists; held_out : distances
    """
    means = {name: features.mean(0, dtype=float) for name, features in scans.items()}
    seen = np.array([mean for name, mean in means.items() if name not in held_out])
    place = {"mean": _short(seen.mean(0)), "sd": _short(np.maximum(seen.std(0), 1e-3 * seen.std(0).max() + 1e-9))}
    return place | {"held_out": _short([embedding_distance(place, scans[name]) for name in held_out])}


def _short(values: Iterable[float]) -> list[float]:
    """To five digits, which keeps the file small."""
    return [float(f"{value:.5g}") for value in values]


def embedding_distance(place: Mapping, features: np.ndarray) -> float:
    """Root mean square over features of the scan's mean embedding (T, F) → mean, in SDs of the training scans.

    A Mahalanobis distance with a diagonal covariance; 512 features of a hundred scans have no better one.
    """
    off = (features.mean(0, dtype=float) - np.asarray(place["mean"])) / np.asarray(place["sd"])
    return float(np.sqrt(np.mean(off**2)))


def unusual_embedding(
    distances: Sequence[float], held_out: Sequence[Sequence[float]], typical: float, input_name: str
) -> list[str]:
    """A sentence if a scan lies farther from the training scans than held-out scans do, in the view of the networks.

    Parameters
    ----------
    distances : (m,) of the scan, by model
    held_out : m sequences: distances of the held-out scans of each model
    typical : share of the held-out scans that may lie farther inside
    input_name : str
    """
    inside = [np.quantile(known, 0.5) for known in held_out]
    limit = float(np.quantile([d / m for known, m in zip(held_out, inside, strict=True) for d in known], typical))
    found = float(np.mean([d / m for d, m in zip(distances, inside, strict=True)]))
    if found <= limit:
        return []
    return [
        f"{input_name} input: the networks' features are {found:.1f} times as far from the training scans as those of "
        f"held-out scans usually are (limit {limit:.1f})."
    ]
