"""What stage 2 learns from: embeddings of the training scans that look like those of scans never seen.

The network of stage 1 has learnt its training slices nearly by heart, so their embeddings tell the classes apart
better than those of held-out slices do. `in_sample` trains on them nonetheless, as the paper does; `augmented` embeds
changed copies, and `out_of_fold` embeds each subject by a network that has not seen it. Held-out subjects are always
embedded by the averaged network of the fold.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from qnet.images.augment import Augmentation, augment, pipeline, seed_of
from qnet.images.normalise import Normalise, normalise
from qnet.networks.predict import embed, on_common_scale, prepare
from qnet.networks.volumes import Network

KINDS = ("in_sample", "augmented", "out_of_fold")
Made = tuple[Network, dict]  # a network, and how it was made, as its file says


def embed_fold(
    scans: Iterable[tuple[str, np.ndarray]],
    training: list[str],
    outer: Made,
    inner: list[Made],
    inner_of: dict[str, int],
    kind: str,
    copies: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Embeddings of all scans of one fold, and what stage 2 trains on.

    Parameters
    ----------
    scans : of (participant, images (T, 3, S, S) in physical units)
        Each is looked at once, so that they need not fit into memory together.
    training : participants of the training folds
    outer : Made
        The averaged image model of the fold.
    inner : list of Made
        `out_of_fold`: number j was trained on `training` without inner fold j. Else empty.
    inner_of : {participant: inner fold}
        `out_of_fold`: of all participants in `training`. Else empty.
    kind : str
        One of KINDS.
    copies : int
        Of each training scan, for `augmented`.
    seed : int
        Of the augmentation.

    Returns
    -------
    dict
        participant: (T, F) float32, each scan as the outer network sees it; `training/` participant:
        (R, T, F) float32, the versions to train on, `copies` of them for `augmented` and else one.

    Raises
    ------
    ValueError
        Unknown kind, or not one inner network per inner fold.
    """
    if kind not in KINDS:
        raise ValueError(f"features: expected one of {KINDS}, found {kind!r}")
    numbers, wanted = [about["inner"] for _, about in inner], sorted(set(inner_of.values()))
    if kind == "out_of_fold" and numbers != wanted:
        raise ValueError(f"out_of_fold: expected image models of the inner folds {wanted}, found {numbers}")
    own: dict[str, np.ndarray] = {}
    seen: list[dict[str, np.ndarray]] = [{} for _ in inner]
    versions: dict[str, np.ndarray] = {}
    for participant, images in scans:
        own[participant] = embed(outer[0], prepare(images, outer[1], participant))
        if participant not in training:
            continue
        for (model, about), found in zip(inner, seen, strict=True):
            found[participant] = embed(model, prepare(images, about, participant))
        if kind == "augmented":
            common = on_common_scale(images, outer[1], participant)
            versions[participant] = augmented(outer, common, copies, seed_of(seed, training.index(participant)))
    if kind != "augmented":
        source = own if kind == "in_sample" else out_of_fold(own, seen, inner_of)
        versions = {participant: source[participant][None] for participant in training}
    return own | {f"training/{participant}": version for participant, version in versions.items()}


def augmented(network: Made, images: np.ndarray, copies: int, seed: int) -> np.ndarray:
    """Embeddings of changed copies of one scan, each slice of each copy changed by its own draw.

    Parameters
    ----------
    network : Made
    images : (T, 3, S, S) float array
        In physical units, windows harmonised.
    copies : int
    seed : int
        The draw depends on it, on the copy and on the slice alone.

    Returns
    -------
    (copies, T, F) float32 array
    """
    model, about = network
    params = Augmentation(**about["augmentation"])
    normalised = normalise(images, Normalise(**about["normalise"]))
    transform, index = pipeline(images.shape[-1], params), np.arange(len(images))
    draws = (augment(normalised, index, seed, copy, transform) for copy in range(copies))
    return np.stack([embed(model, draw) for draw in draws])


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """x → (x - moving_mean) rotation scale + fixed_mean."""

    moving_mean: np.ndarray
    rotation: np.ndarray
    scale: float
    fixed_mean: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(…, D) features of the moving network → (…, D) float32 in the space of the fixed one."""
        turned = (features.astype(float) - self.moving_mean) @ self.rotation
        return (self.scale * turned + self.fixed_mean).astype(np.float32)


def align(moving: np.ndarray, fixed: np.ndarray) -> Alignment:
    r"""Fit the orthogonal Procrustes map between the features that two networks give the same slices.

    The units of two networks have nothing to do with each other, but a turn of the feature space changes nothing
    that the following layers could not undo. With both sets centred and brought to unit root mean square,

    .. math:: \hat Q = \arg\min_{Q^\top Q = 1} \|X Q - Y\|_F = U V^\top,\quad X^\top Y = U S V^\top

    (Schönemann 1966, doi:10.1007/BF02289451). The scale is the ratio of root mean squares and not the factor of
    least squares, which would shrink the features by the part that the networks do not share.

    Limits: features of two networks are not turned copies of each other, so a residue stays, and what a network
    found that the other did not is carried over as if it were the same. Along directions that hardly vary over the
    slices given here, all of them where there are fewer slices than features, Q is arbitrary: it keeps the length
    of a deviation but not its direction. Turned features can be negative where those of the network never are.

    Parameters
    ----------
    moving, fixed : (N, D) float array
        Features of the same N slices; both networks must have been trained on them, so that they are equally
        sure of them.
    """
    x_mean, y_mean = moving.mean(0, dtype=float), fixed.mean(0, dtype=float)
    x, y = moving - x_mean, fixed - y_mean
    u, _, vt = np.linalg.svd(x.T @ y)
    scale = np.linalg.norm(y) / max(np.linalg.norm(x), np.finfo(float).tiny)
    return Alignment(moving_mean=x_mean, rotation=u @ vt, scale=float(scale), fixed_mean=y_mean)


def out_of_fold(
    outer: dict[str, np.ndarray], inner: list[dict[str, np.ndarray]], inner_of: dict[str, int]
) -> dict[str, np.ndarray]:
    """Embeddings of each training subject by the inner network that has not seen it, in the outer network's space.

    Inner network j was trained without the subjects of inner fold j. Its map to the outer network is fitted on the
    other training subjects, which both have seen, and applied to those of fold j, which only the outer has seen and
    whose outer embeddings are not used. An inner network has learnt from fewer subjects than the outer one, so that
    these embeddings tell the classes apart a little worse than those of held-out subjects do, not better.

    Parameters
    ----------
    outer : {participant: (T, F)}
        Embeddings by the network of the fold, at least of its training subjects.
    inner : list of {participant: (T, F)}
        Embeddings of the training subjects by each inner network.
    inner_of : {participant: inner fold}
        Of the training subjects.

    Returns
    -------
    {participant: (T, F)} float32, in the order of `inner_of`
    """
    maps = []
    for number, own in enumerate(inner):
        seen = [participant for participant, fold in inner_of.items() if fold != number]
        maps.append(align(*(np.concatenate([by[participant] for participant in seen]) for by in (own, outer))))
    return {participant: maps[fold](inner[fold][participant]) for participant, fold in inner_of.items()}
