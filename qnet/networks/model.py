"""The network of stage 1, and how torch is set up."""

import os
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from qnet.networks.compiler import leave_compiler_out

STAGES = 4  # of ResNet18
FEATURES = 512  # of ResNet18 after global average pooling; half as many for each stage less


class Standardised(nn.Module):
    """What all networks on images share: channels are standardised by `mean` and `std`, then multiplied by `channels`.

    These are one or zero: a channel that is not used is exactly zero whatever it holds. The buffers travel with the
    weights.

    Parameters
    ----------
    channels : (3,) bool
        Which channels are used.
    """

    mean: Tensor
    std: Tensor
    channels: Tensor

    def __init__(self, channels: Sequence[bool] | np.ndarray):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        self.register_buffer("std", torch.ones(3, 1, 1))
        self.register_buffer("channels", torch.tensor([float(used) for used in channels]).view(3, 1, 1))

    def standardise_by(self, images: Tensor) -> None:
        """Take channel means and standard deviations from training images (…, 3, C, C), float16 or float32."""
        for c in range(3):  # one at a time, as a copy in float32
            spread, centre = torch.std_mean(images[..., c, :, :].float())
            self.mean[c] = centre
            self.std[c] = spread.clamp_min(1e-6)

    def standardised(self, images: Tensor) -> Tensor:
        """Images (…, 3, C, C) as the network reads them."""
        return (images - self.mean) * (self.channels / self.std)


class ImageModel(Standardised):
    """ResNet18 on one slice: (N, 3, C, C) in [0, 1] → logits (N, 2), negative and positive.

    Without its last stages it is smaller (11.2, 2.8 and 0.7 million weights with 4, 3 and 2), has F = 512, 256 or 128
    features, and a feature map of 32, 16 or 8 pixels a cell. Architecture of He et al., doi:10.1109/cvpr.2016.90.

    Parameters
    ----------
    channels : (3,) bool
        Which channels are used.
    stages : int
        Of ResNet18 that are there.
    """

    def __init__(self, channels: Sequence[bool] | np.ndarray = (True, True, True), stages: int = STAGES):
        from torchvision.models import resnet18  # slow to import, and stage 2 does without

        super().__init__(channels)
        self.resnet = resnet18(num_classes=2)
        self.stages = stages
        if stages < STAGES:
            for number in range(stages + 1, STAGES + 1):
                setattr(self.resnet, f"layer{number}", nn.Identity())
            self.resnet.fc = nn.Linear(FEATURES >> (STAGES - stages), 2)

    def feature_maps(self, images: Tensor) -> Tensor:
        """(N, 3, C, C) → (N, F, C/32, C/32) with all stages."""
        net = self.resnet
        x = net.maxpool(net.relu(net.bn1(net.conv1(self.standardised(images)))))  # (N, 64, C/4, C/4)
        return net.layer4(net.layer3(net.layer2(net.layer1(x))))

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, C, C) → (N, F): global average pooling of the feature maps."""
        return self.feature_maps(images).mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.resnet.fc(self.embed(images))


def prepare_torch(threads: int) -> torch.device:
    """Fix the number of threads and deterministic algorithms; choose the GPU where there is one."""
    leave_compiler_out()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with it
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("error")  # the same as use_deterministic_algorithms, two seconds sooner
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # torch sets it late
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
