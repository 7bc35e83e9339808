"""The two networks of Q-Net and their weights on disk."""

import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from qnet.data import atomic

FEATURES = 512  # of ResNet18 after global average pooling


class ImageModel(nn.Module):
    """ResNet18 on one slice: (N, 3, C, C) in [0, 1] → logits (N, 2), negative and positive.

    Channels are standardised by `mean` and `std`, buffers that travel with the weights. Architecture of
    He et al., doi:10.1109/cvpr.2016.90.
    """

    mean: Tensor
    std: Tensor

    def __init__(self):
        from torchvision.models import resnet18  # slow to import, and the scan model does without

        super().__init__()
        self.resnet = resnet18(num_classes=2)
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        self.register_buffer("std", torch.ones(3, 1, 1))

    def standardise_by(self, images: Tensor) -> None:
        """Take channel means and standard deviations from training images (N, 3, C, C)."""
        self.mean.copy_(images.mean((0, 2, 3)).view(3, 1, 1))
        self.std.copy_(images.std((0, 2, 3)).clamp_min(1e-6).view(3, 1, 1))

    def feature_maps(self, images: Tensor) -> Tensor:
        """(N, 3, C, C) → (N, 512, C/32, C/32)."""
        net = self.resnet
        x = (images - self.mean) / self.std
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))  # (N, 64, C/4, C/4)
        return net.layer4(net.layer3(net.layer2(net.layer1(x))))

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, C, C) → (N, 512): global average pooling of the feature maps."""
        return self.feature_maps(images).mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.resnet.fc(self.embed(images))


class ScanModel(nn.Module):
    """One bidirectional LSTM layer over the T embedded slices of a scan, with two heads.

    (N, T, 512) → image logits (N, T, 2), from one linear layer that every slice shares, and scan logits
    (N, 2), from one linear layer on the concatenated outputs of all T slices.
    """

    def __init__(self, slices: int, hidden_size: int):
        super().__init__()
        self.slices, self.hidden_size = slices, hidden_size
        self.lstm = nn.LSTM(FEATURES, hidden_size, batch_first=True, bidirectional=True)
        self.image_head = nn.Linear(2 * hidden_size, 2)
        self.scan_head = nn.Linear(2 * hidden_size * slices, 2)

    def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        outputs, _ = self.lstm(embeddings)  # (N, T, 2 H)
        return self.image_head(outputs), self.scan_head(outputs.flatten(1))


def prepare_torch(threads: int) -> torch.device:
    """Fix the number of threads and deterministic algorithms; choose the GPU where there is one."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with it
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("error")  # the same as use_deterministic_algorithms, two seconds sooner
    torch.utils.deterministic.fill_uninitialized_memory = False
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def initialise(model: ImageModel, weights: str) -> None:
    """Start from random weights (`none`), from ImageNet (`imagenet`) or from a ResNet18 state dict (a path).

    The last layer is always new: it has two outputs. Nothing is downloaded.

    Raises
    ------
    FileNotFoundError
        There is no such file, or ImageNet weights are not in the folder where torch keeps downloads.
    ValueError
        The file is not a ResNet18 state dict, or not the ImageNet weights that it should be.
    """
    if weights == "none":
        return
    path = _imagenet_file() if weights == "imagenet" else Path(weights)
    if not path.is_file():
        raise FileNotFoundError(f"weights: expected none, imagenet or the path of a state dict, found {weights!r}")
    state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
    own = model.resnet.state_dict()
    body = {name: value for name, value in state.items() if not name.startswith("fc.")}
    wanted = {name: value.shape for name, value in own.items() if not name.startswith("fc.")}
    # older files lack the counters of batch normalisation, which play no part in its arithmetic
    body |= {name: own[name] for name in wanted if name.endswith("num_batches_tracked") and name not in body}
    found = {name: value.shape for name, value in body.items()}
    if found != wanted:
        wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise ValueError(f"{path}: expected the tensors of a ResNet18, found others, e.g. {wrong[:3]}")
    model.resnet.load_state_dict(body, strict=False)


def _imagenet_file() -> Path:
    from torchvision.models import ResNet18_Weights

    url = ResNet18_Weights.IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not path.is_file():
        raise FileNotFoundError(
            f"weights: expected the ImageNet weights at {path}, found no file. Nothing is downloaded here: "
            f"put {url} there, or give the path of your copy in place of 'imagenet'"
        )
    digest = path.stem.rsplit("-", 1)[-1]  # torch names its files by the start of their SHA-256
    if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(digest):
        raise ValueError(f"{path}: expected a SHA-256 that starts with {digest}, found another")
    return path


def write_weights(path: str, model: nn.Module, about: dict) -> None:
    """Write weights as safetensors; `about` (plain values) says how they were made."""
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    with atomic(path) as part:
        save_file(state, part, metadata={"qnet": json.dumps(about, sort_keys=True)})


def _read_weights(path: str) -> tuple[dict[str, Tensor], dict]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["qnet"])  # noqa: SIM118


def read_image_model(path: str) -> tuple[ImageModel, dict]:
    """The image model of a weights file, in evaluation mode, and how it was made."""
    state, about = _read_weights(path)
    model = ImageModel()
    model.load_state_dict(state)
    return model.eval(), about


def read_scan_model(path: str) -> tuple[ScanModel, dict]:
    """The scan model of a weights file, in evaluation mode, and how it was made."""
    state, about = _read_weights(path)
    model = ScanModel(about["slices"], about["hidden_size"])
    model.load_state_dict(state)
    return model.eval(), about
