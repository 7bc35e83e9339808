"""Class activation maps: where in a slice the evidence lies."""

import numpy as np
import torch

from qnet.model import ImageModel


@torch.inference_mode()
def evidence_map(model: ImageModel, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Exact share of each cell of the last feature maps in the decision of the image model.

    .. math:: M = \sum_k (w_k^+ - w_k^-) A_k,\quad \overline{M} + b^+ - b^- = l^+ - l^-

    with feature maps A, weights w and biases b of the last layer and logits l, positive minus negative.

    Parameters
    ----------
    model : ImageModel
    images : (N, 3, C, C) float32 array
        Prepared as for prediction.

    Returns
    -------
    maps : (N, h, w) float array
        Evidence in logits: above zero speaks for the positive class. Cells have 32 pixels a side.
    logit_difference : (N,) float array

    References
    ----------
    .. [1] Zhou et al., CVPR (2016), doi:10.1109/cvpr.2016.319
    """
    features = model.feature_maps(torch.from_numpy(images).to(model.mean.device))  # (N, K, h, w)
    head = model.resnet.fc
    maps = torch.einsum("k,nkhw->nhw", head.weight[1] - head.weight[0], features)
    difference = maps.mean((1, 2)) + head.bias[1] - head.bias[0]
    return maps.cpu().numpy(), difference.cpu().numpy()
