"""Nuclei by a trained network: labels of the deep brain from χ, with R2* and a T1-weighted image where they are given.

The network sees half a deep brain at a time, in MNI space under the affine registration, always as a right one: the
left half is mirrored. :mod:`qnet.networks.segmentation` trains the same network in torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from recon.files.home import HOME
from recon.files.weights import trained
from recon.maths.convolution import convolve3, folded, unfolded
from recon.regions.shapes import NUCLEI

WEIGHTS = HOME / "resources" / "segmentation.safetensors"
CARD = WEIGHTS.with_suffix(".json")  # how they were made, their hash, and the names of the classes

STEP_MM = 1.5
LOW_MM = np.array([-9.0, -76.5, -51.0])  # MNI place of voxel 0; beyond the midline, so that what meets there is seen
SHAPE = (36, 80, 64)  # multiples of four: the network halves it twice
CHANNELS = ("chi", "r2star", "t1w")
LIMIT = 4.0  # of a normalised map
LEAST_KNOWN = 0.2  # of the half's voxels: below it nothing is labelled there
SLOPE = 0.1  # of the leaky ReLU
EPSILON = 1e-3  # added to a variance
Weights = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Segmented:
    """Labels (X, Y, Z) uint8, and for each label that was found the Dice coefficient that its probabilities expect."""

    labels: np.ndarray
    expected_dice: dict[int, float]


def mirror(side: str) -> np.ndarray:
    """(3,) signs that take MNI coordinates of a side to those of the right one."""
    return np.array([1.0 if side == "R" else -1.0, 1.0, 1.0])


def at_resolution(data: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """A map (X, Y, Z), blurred where its voxels are smaller than STEP_MM, so that none of them is skipped."""
    voxel_mm = np.linalg.norm(affine[:3, :3], axis=0)
    return ndimage.gaussian_filter(data.astype(np.float32), 0.4 * np.maximum(STEP_MM / voxel_mm - 1, 0))


def half(data: np.ndarray, affine: np.ndarray, subject_to_mni: np.ndarray, side: str) -> np.ndarray:
    """A map (X, Y, Z) float32 of the subject on the grid of a side: SHAPE, zero outside the image."""
    to_voxel = np.linalg.inv(subject_to_mni @ affine)
    matrix = to_voxel[:3, :3] * mirror(side)
    return ndimage.affine_transform(
        data, matrix * STEP_MM, matrix @ LOW_MM + to_voxel[:3, 3], SHAPE, np.float32, order=1
    )


def normalised(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """A map with median 0, half of its range from the 5th to the 95th percentile 1, within LIMIT, 0 where unknown."""
    low, middle, high = np.percentile(values[known], [5, 50, 95]) if known.any() else (0.0, 0.0, 0.0)
    scale = max((high - low) / 2, 1e-9)
    return np.where(known, np.clip((values - middle) / scale, -LIMIT, LIMIT), 0).astype(np.float32)


def evened(x: np.ndarray) -> np.ndarray:
    """Each channel (X, Y, Z, C) with mean 0 and variance 1."""
    return (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + np.float32(EPSILON))


def logits(weights: Weights, maps: np.ndarray, known: np.ndarray, given: np.ndarray) -> np.ndarray:
    """The U-Net of three resolutions, the finest of them only in and out.

    Parameters
    ----------
    weights : by the names of :class:`qnet.networks.segmentation.Segmenter`
    maps : (X, Y, Z, CHANNELS) float32, normalised, 0 where a map is not given
    known : (X, Y, Z) float32, share of a voxel in which χ is known
    given : (CHANNELS,) float32, 1 where a map is given

    Returns
    -------
    (X, Y, Z, class) float32, background first
    """

    def conv(name: str, x: np.ndarray) -> np.ndarray:
        kernel = np.moveaxis(weights[f"{name}.weight"], (0, 1), (4, 3))
        bias = weights[f"{name}.bias"]
        return convolve3(x, kernel, bias) if kernel.shape[0] == 3 else x @ kernel[0, 0, 0] + bias

    def active(x: np.ndarray) -> np.ndarray:
        return np.maximum(x, np.float32(SLOPE) * x, out=x)

    mean_known = folded(known[..., None]).mean(-1, keepdims=True)
    atlas = np.moveaxis(weights["atlas"], 0, -1)
    x = evened(conv("first", np.concatenate([folded(maps), mean_known, atlas], -1)))
    x = active(x + weights["given.weight"] @ given)
    kept = active(evened(conv("second", x)))
    x = active(evened(conv("down", folded(kept))))
    for number in range(sum(name.startswith("deep.") and name.endswith("bias") for name in weights)):
        x = active(x + evened(conv(f"deep.{number}", x)))
    x = active(unfolded(evened(conv("up", x))) + kept)
    for name in ("third", "fourth"):
        x = active(evened(conv(name, x)))
    return unfolded(conv("last", x))


def segment(
    maps: Mapping[str, np.ndarray],
    known: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
    subject_to_mni: np.ndarray,
    weights: Weights | None = None,
    card: Mapping[str, Any] | None = None,
) -> Segmented:
    """Label the nuclei of a registered brain.

    Parameters
    ----------
    maps : name of CHANNELS → (X, Y, Z) float array; χ must be there
    known : (X, Y, Z) bool, where χ was measured
    mask : (X, Y, Z) bool, voxels that may get a label
    affine : (4, 4), voxel indices → scanner mm
    subject_to_mni : (4, 4), the affine registration
    weights, card : those that are shipped, by default

    Raises
    ------
    ValueError
        The shipped weights are missing or are not those of their card.

    References
    ----------
    .. [1] Billot et al., Med Image Anal 86:102789 (2023), doi:10.1016/j.media.2023.102789: synthetic training
    """
    if weights is None or card is None:
        weights, card = trained(WEIGHTS, CARD)
    names, temperature = card["classes"], card["temperature"]
    label_of = {key: label for label, key in NUCLEI.items()}
    index = np.argwhere(mask)
    to_mni = subject_to_mni @ affine
    points = (index @ to_mni[:3, :3].T + to_mni[:3, 3]).astype(np.float32)
    labels, expected = np.zeros(mask.shape, np.uint8), {}
    share = at_resolution(known, affine)
    blurred = {
        name: at_resolution(np.where(known, np.nan_to_num(data), 0), affine)
        for name, data in maps.items()
        if name in CHANNELS
    }
    for side in "LR":
        seen, given = pictures(blurred, share, affine, subject_to_mni, side)
        if (seen[..., -1] > 0.5).mean() < LEAST_KNOWN:
            continue
        scores = logits(weights, seen[..., :-1], seen[..., -1], given) / np.float32(temperature)
        place = (points * mirror(side) - LOW_MM) / STEP_MM
        own = (place[:, 0] > -LOW_MM[0] / STEP_MM) & ((place >= 0) & (place <= np.array(SHAPE) - 1)).all(1)
        found = np.stack([ndimage.map_coordinates(scores[..., k], place[own].T, order=1) for k in range(len(names))])
        best = found.argmax(0)
        chance = np.exp(found - found.max(0))
        chance /= chance.sum(0)
        for k, name in enumerate(names[1:], start=1):
            chosen = best == k
            if chosen.any():
                label = label_of[name, side]
                labels[tuple(index[own][chosen].T)] = label
                expected[label] = float(2 * chance[k, chosen].sum() / (chosen.sum() + chance[k].sum()))
    return Segmented(labels=labels, expected_dice=expected)


def pictures(
    maps: Mapping[str, np.ndarray], share: np.ndarray, affine: np.ndarray, subject_to_mni: np.ndarray, side: str
) -> tuple[np.ndarray, np.ndarray]:
    """What the network reads of a side: maps and the share known (X, Y, Z, CHANNELS + 1), and which maps are given.

    `maps` and `share` are those of :func:`at_resolution`.
    """
    known = half(share, affine, subject_to_mni, side)
    given = np.array([name in maps for name in CHANNELS], np.float32)
    seen = [
        normalised(half(maps[name], affine, subject_to_mni, side), known > 0.5)
        if name in maps
        else np.zeros(SHAPE, np.float32)
        for name in CHANNELS
    ]
    return np.stack([*seen, known], -1), given
