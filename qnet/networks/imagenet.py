"""Where the ImageNet weights of torchvision's ResNet18 are published. Without torch, as a preparation asks too."""

WEIGHTS_URL = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
WEIGHTS_SHA256 = "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec"
