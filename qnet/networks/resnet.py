"""ResNet18 (He et al., doi:10.1109/cvpr.2016.90), its parameters named and drawn as torchvision's.

Torchvision's own takes longer to import than torch: its detection models load torch's compiler.
"""

from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512)  # channels of the four layers, of two blocks each


def convolution(given: int, made: int, size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size of the image but for its stride."""
    return nn.Conv2d(given, made, size, stride, padding=size // 2, bias=False)


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, given: int, made: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = convolution(given, made, 3, stride)
        self.bn1 = nn.BatchNorm2d(made)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = convolution(made, made, 3)
        self.bn2 = nn.BatchNorm2d(made)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        around = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += around
        return self.relu(y)


class ResNet18(nn.Module):
    """Layers of a ResNet18; `networks.model` runs them.

    Parameters
    ----------
    num_classes : outputs of the last layer
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv1 = convolution(3, WIDTHS[0], 7, 2)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = _layer(WIDTHS[0], WIDTHS[0], 1)
        self.layer2 = _layer(WIDTHS[0], WIDTHS[1], 2)
        self.layer3 = _layer(WIDTHS[1], WIDTHS[2], 2)
        self.layer4 = _layer(WIDTHS[2], WIDTHS[3], 2)
        self.fc = nn.Linear(WIDTHS[3], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # batch norms begin as one and zero by themselves
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _layer(given: int, made: int, stride: int) -> nn.Sequential:
    """Two blocks; the way around the first is a convolution where it changes the image's size."""
    around = nn.Sequential(convolution(given, made, 1, stride), nn.BatchNorm2d(made)) if stride > 1 else None
    return nn.Sequential(Block(given, made, stride, around), Block(made, made, 1, None))
