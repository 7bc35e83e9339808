"""The network of `locate_nuclei.method: network`, for its training: a small U-Net on half a deep brain.

:mod:`recon.regions.segmentation` applies the trained weights with NumPy; the two agree, as a test asserts.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qnet.networks.inversion import SLOPE, SUB, folded, unfolded

WIDE, DEEP, LAYERS = 24, 64, 4  # channels at half and at a quarter of the resolution, layers there
CHANNELS = 3  # maps
EPSILON = 1e-3  # added to a variance
FIRST_BACKGROUND = 4.0  # logit with which the training starts everywhere: few voxels are nuclei


def evened(x: Tensor) -> Tensor:
    """Each channel (B, C, X, Y, Z) of each volume with mean 0 and variance 1 (arXiv:1607.08022)."""
    variance, mean = torch.var_mean(x, (2, 3, 4), correction=0, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + EPSILON)


class Segmenter(nn.Module):
    """Maps of the deep brain → logits of the classes, background first.

    Parameters
    ----------
    atlas : (class, X/2, Y/2, Z/2) how often each class is there, which the network reads beside the maps
    """

    atlas: Tensor

    def __init__(self, atlas: Tensor) -> None:
        super().__init__()
        classes = len(atlas)
        self.register_buffer("atlas", atlas)
        self.first = nn.Conv3d(SUB * CHANNELS + 1 + classes, WIDE, 3, padding=1)
        self.given = nn.Linear(CHANNELS, WIDE, bias=False)
        self.second = nn.Conv3d(WIDE, WIDE, 3, padding=1)
        self.down = nn.Conv3d(SUB * WIDE, DEEP, 1)
        self.deep = nn.ModuleList(nn.Conv3d(DEEP, DEEP, 3, padding=1) for _ in range(LAYERS))
        self.up = nn.Conv3d(DEEP, SUB * WIDE, 1)
        self.third = nn.Conv3d(WIDE, WIDE, 3, padding=1)
        self.fourth = nn.Conv3d(WIDE, WIDE, 3, padding=1)
        self.last = nn.Conv3d(WIDE, SUB * classes, 1)
        for layer in (self.first, self.second, self.down, *self.deep, self.up, self.third, self.fourth, self.last):
            nn.init.kaiming_normal_(layer.weight, SLOPE)
            nn.init.constant_(layer.get_parameter("bias"), 0)
        self.last.weight.data *= 0.1
        self.last.get_parameter("bias").data[:SUB] = FIRST_BACKGROUND
        nn.init.zeros_(self.given.weight)

    def forward(self, maps: Tensor, known: Tensor, given: Tensor) -> Tensor:
        """(B, 3, X, Y, Z) maps, (B, 1, X, Y, Z) where χ is known, (B, 3) which maps are given → (B, class, X, Y, Z)."""

        def active(x: Tensor) -> Tensor:
            return F.leaky_relu(x, SLOPE)

        def quick(x: Tensor) -> Tensor:
            return x.contiguous(memory_format=torch.channels_last_3d)

        atlas = self.atlas.expand(len(maps), *self.atlas.shape)
        x = quick(torch.cat([folded(maps), F.avg_pool3d(known, 2), atlas], 1))
        x = active(evened(self.first(x)) + self.given(given)[:, :, None, None, None])
        kept = active(evened(self.second(x)))
        x = active(evened(self.down(quick(folded(kept)))))
        for layer in self.deep:
            x = active(x + evened(layer(x)))
        x = active(quick(kept + unfolded(evened(self.up(x)))))
        x = active(evened(self.third(x)))
        x = active(evened(self.fourth(x)))
        return unfolded(self.last(x))
