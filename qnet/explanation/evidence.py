"""Class activation maps: where in a slice the evidence lies."""

import numpy as np
import torch

from qnet.explanation.template import Evidence
from qnet.images.data import read_stack
from qnet.networks.model import ImageModel
from qnet.networks.predict import image_scores, prepare, vote_score


@torch.inference_mode()
def evidence_map(model: ImageModel, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Exact share of each cell of the last feature maps in the decision of the image model.

    .. math:: M = \sum_k (w_k^+ - w_k^-) A_k + b^+ - b^-,\quad \overline{M} = l^+ - l^-

    with feature maps A, weights w and biases b of the last layer and logits l, positive minus negative. The biases
    belong to no cell; spread evenly, they make the mean of a map the decision.

    Parameters
    ----------
    model : ImageModel
    images : (N, 3, C, C) float32 array
        Prepared as for prediction.

    Returns
    -------
    maps : (N, h, w) float array
        Evidence in logits: above zero speaks for the positive class. Cells lie 32 pixels apart (16 or 8 with fewer
        stages), see `qnet.explanation.template.cell_weights`; what a cell sees is wider than that.
    logit_difference : (N,) float array

    References
    ----------
    .. [1] Zhou et al., CVPR (2016), doi:10.1109/cvpr.2016.319
    """
    features = model.feature_maps(torch.from_numpy(images).to(model.mean.device))  # (N, K, h, w)
    head = model.resnet.fc
    maps = torch.einsum("k,nkhw->nhw", head.weight[1] - head.weight[0], features) + head.bias[1] - head.bias[0]
    return maps.cpu().numpy(), maps.mean((1, 2)).cpu().numpy()


def random_control(model: ImageModel, seed: int) -> ImageModel:
    """The same network before any training: random weights, the same standardisation and channels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        control = ImageModel(stages=model.stages)
    for name, value in model.named_buffers(recurse=False):
        getattr(control, name).copy_(value)
    return control.to(model.mean.device).eval()


def explain_fold(
    model: ImageModel, about: dict, stacks: dict[str, str], labels: dict[str, int], groups: tuple[str, str]
) -> list[Evidence]:
    """Evidence maps of the subjects that a model has not seen, and of a random network on the same images.

    Parameters
    ----------
    model : ImageModel
    about : dict
        How it was made, as its file says; the random network is drawn from its seed and fold.
    stacks : {participant: path}
    labels : {participant: 0 or 1}
        The held-out subjects.
    groups : (negative, positive)
    """
    control = random_control(model, 1000 * about["seed"] + about["fold"])
    cases = []
    for participant, label in labels.items():
        images, _ = read_stack(stacks[participant], about["input"])
        prepared = prepare(images, about, participant)
        scores = image_scores(model, prepared)
        cases.append(
            Evidence(
                participant=participant,
                group=groups[label],
                stack=stacks[participant],
                input=about["input"],
                correct=(vote_score(scores) >= 0.5) == bool(label),
                scores=scores,
                maps=evidence_map(model, prepared)[0],
                control=evidence_map(control, prepared)[0],
                crop_size=prepared.shape[-1],
            )
        )
    return cases
