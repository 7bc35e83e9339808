"""Networks that see all slices of a scan at once: 3-D convolutions and a vision transformer, each in place of ResNet18.

All have one form: a scan (T, 3, C, C) → feature maps (T, 512, h, w), one for each slice, that know the other slices.
Averaged over the plane they are the embedding of a slice, and one linear layer makes logits of them; the mean of these
over the slices is the logit of the scan, by which the network is trained. So the rest of the pipeline is that of the
paper's slices: a vote, a scan head, tables.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qnet.networks.model import FEATURES, STAGES, ImageModel, Standardised
from qnet.networks.names import sees_scans

WIDTHS = (24, 48, 96, 192)  # channels of the small network, plane halved after each
TOKEN, LAYERS, HEADS = 96, 4, 4  # of the transformer: width, blocks, heads
CELLS = 7  # tokens along a side of a slice, at least


class VideoResNet(nn.Module):
    """torchvision's ResNet18 for video, `r3d_18` or `mc3_18` (Tran et al., CVPR 2018, doi:10.1109/cvpr.2018.00675).

    `r3d_18` halves the slices as it halves the plane, so that its maps are repeated to all T; `mc3_18` keeps T, and
    after its first block its convolutions are those of a plane.
    """

    def __init__(self, name: str):
        from torchvision.models import video  # slow to import

        super().__init__()
        whole = getattr(video, name)(num_classes=2)
        self.body = nn.Sequential(whole.stem, whole.layer1, whole.layer2, whole.layer3, whole.layer4)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, T, C, C) → (B, 512, T, h, w)."""
        maps = self.body(x)
        slices, found = x.shape[2], maps.shape[2]
        return maps if slices == found else maps[:, :, torch.arange(slices, device=x.device) * found // slices]


class SmallNet(nn.Sequential):
    """Four layers of 3 x 3 x 3, each with a maximum over 2 x 2 of the plane, and one of 1 x 1 x 1 to 512 features."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in zip((3, *WIDTHS[:-1]), WIDTHS, strict=True):
            layers += [
                nn.Conv3d(inputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm3d(outputs),
                nn.ReLU(),
                nn.MaxPool3d((1, 2, 2)),
            ]
        super().__init__(*layers, nn.Conv3d(WIDTHS[-1], FEATURES, 1), nn.ReLU())


class Transformer(nn.Module):
    """A small vision transformer over the cells of all slices and a class token (arXiv:2010.11929).

    Cells are made by convolutions (arXiv:2106.14881), their places in three dimensions are sines and cosines, so that
    any size and number of slices will do. The features of a cell are those of its token and of the class token, added.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, TOKEN)
        stem: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            stem += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.stem = nn.Sequential(*stem, nn.Conv2d(TOKEN, TOKEN, 1))
        self.token = nn.Parameter(torch.zeros(1, 1, TOKEN))
        layer = nn.TransformerEncoderLayer(
            TOKEN, HEADS, 2 * TOKEN, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(TOKEN), enable_nested_tensor=False)
        self.widen = nn.Linear(TOKEN, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, T, C, C) → (B, 512, T, h, w)."""
        b, _, slices = x.shape[:3]
        cells = self.stem(x.transpose(1, 2).flatten(0, 1))
        cells = F.avg_pool2d(cells, max(1, cells.shape[-1] // CELLS))  # (B T, K, h, w)
        h, w = cells.shape[-2:]
        tokens = cells.unflatten(0, (b, slices)).permute(0, 1, 3, 4, 2).flatten(1, 3) + places((slices, h, w)).to(x)
        tokens = self.blocks(torch.cat([self.token.expand(b, 1, -1), tokens], 1))
        features = self.widen(tokens[:, 1:] + tokens[:, :1])
        return features.unflatten(1, (slices, h, w)).permute(0, 4, 1, 2, 3)


def places(shape: tuple[int, int, int]) -> Tensor:
    """(T h w, TOKEN): sines and cosines of the share of the way along each axis, at doubling frequencies."""
    axes = [(torch.arange(n) + 0.5) / n for n in shape]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, 2)  # (N, 3)
    count = TOKEN // 6
    angles = grid[..., None] * torch.pi * 2.0 ** torch.linspace(0, 4, count)  # (N, 3, count)
    return torch.cat([angles.sin(), angles.cos()], -1).flatten(1)


class VolumeModel(Standardised):
    """A network on whole scans: (T, 3, C, C) of one, or (B, T, 3, C, C), in [0, 1] → logits (…, T, 2).

    Parameters
    ----------
    network : str
        One of :data:`qnet.networks.names.NETWORKS` that sees scans.
    channels : (3,) bool
        Which channels are used.
    """

    def __init__(self, network: str, channels: Sequence[bool] | np.ndarray = (True, True, True)):
        super().__init__(channels)
        made = {"conv3d": SmallNet, "vit": Transformer}
        self.network = made[network]() if network in made else VideoResNet(network)
        self.last = nn.Linear(FEATURES, 2)

    def feature_maps(self, images: Tensor) -> Tensor:
        """(…, T, 3, C, C) → (…, T, 512, h, w)."""
        scans = self.standardised(images if images.ndim == 5 else images[None]).transpose(1, 2)
        maps = self.network(scans.contiguous(memory_format=torch.channels_last_3d)).transpose(1, 2)
        return maps if images.ndim == 5 else maps[0]

    def embed(self, images: Tensor) -> Tensor:
        """(…, T, 3, C, C) → (…, T, 512): feature maps averaged over the plane."""
        return self.feature_maps(images).mean((-2, -1))

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.embed(images))


Network = ImageModel | VolumeModel


def new_network(
    network: str, channels: Sequence[bool] | np.ndarray = (True, True, True), stages: int = STAGES
) -> Network:
    """The untrained network of a name, a ResNet18 with that many `stages`; ValueError where there is none."""
    return VolumeModel(network, channels) if sees_scans(network) else ImageModel(channels, stages)
