"""Weights on disk: where an image model starts from, and what a training writes."""

import hashlib
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from qnet.atomic import atomic
from qnet.home import HOME
from qnet.networks.model import STAGES, ImageModel
from qnet.networks.names import NETWORKS
from qnet.networks.volumes import Network, new_network

SHIPPED = "shipped"  # the encoder that comes with the project
ENCODER = HOME / "resources" / "encoder.safetensors"
NAMED = ("none", "imagenet")
OWN = ("mean", "std")  # buffers that a file of this project has beside the ResNet18
PREPROCESSING = ("input", "normalise")  # entries of a file's story that its images must share


def initialise(model: ImageModel, weights: str) -> None:
    """Start from random weights (`none`), ImageNet (`imagenet`), the encoder that is shipped or a file (a path).

    A file is a state dict of ResNet18 (.pth or .safetensors) or an image model of this project, whose channel
    means and standard deviations are taken over too. The last layer is always new: it has two outputs. Nothing
    is downloaded.

    Raises
    ------
    FileNotFoundError
        There is no such file, or ImageNet weights are not in the folder where torch keeps downloads.
    ValueError
        The file is not that of a ResNet18, or not the ImageNet weights that it should be.
    """
    if weights == "none":
        return
    path = _file_of(weights)
    state = {name.removeprefix("resnet."): value for name, value in _read_state(path).items()}
    own = {name: state.pop(name) for name in OWN if name in state}
    state.pop("channels", None)  # says what that model used, not what this one does
    model.resnet.load_state_dict(_body(path, state, model.resnet.state_dict()), strict=False)
    for name, value in own.items():
        getattr(model, name).copy_(value)


def check_encoder(weights: str, about: dict) -> None:
    """Refuse to start from an image model of this project that was trained on images made in another way.

    Parameters
    ----------
    weights : none | imagenet | shipped | path
    about : dict
        The story of the training to come, with `input` and `normalise`.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file names another input or another normalisation; the message gives both.
    """
    if weights in NAMED:
        return
    story = read_story(_file_of(weights))
    for name in PREPROCESSING:
        found, wanted = story.get(name), json.loads(json.dumps(about[name]))  # tuples become lists, as in the file
        if found is not None and found != wanted:
            raise ValueError(f"{weights}: expected an encoder for {name} {wanted}, found one for {found}")
    if "fold" in story:
        told = f"{weights} has seen the training subjects of fold {story['fold']} of its study"
        print(f"{told}: results are biased if any of them is tested here", file=sys.stderr)


def read_story(path: str | Path) -> dict:
    """How the weights of a file were made; nothing where it does not say."""
    if Path(path).suffix != ".safetensors":
        return {}
    with safe_open(path, "pt") as file:
        return json.loads((file.metadata() or {}).get("qnet", "{}"))


def write_weights(path: str | Path, model: nn.Module, about: dict, small: bool = False) -> None:
    """Write weights as safetensors, `small`: as float16; `about` (plain values) says how they were made."""
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    if small:
        state = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    with atomic(path) as part:
        save_file(state, part, metadata={"qnet": json.dumps(about, sort_keys=True)})


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], dict]:
    """Tensors of a weights file, float32 where they are floats, and how they were made."""
    state = load_file(path)
    return {name: v.float() if v.is_floating_point() else v for name, v in state.items()}, read_story(path)


def stages_of(names: Iterable[str]) -> int:
    """How many stages of a ResNet18 the tensors of these names belong to."""
    found = {int(number) for name in names for number in re.findall(r"(?:^|\.)layer([1-4])\.", name)}
    return max(found, default=STAGES)


def stages_to_start_from(weights: str) -> int:
    """Stages of the image model that starts from `weights`, as in `initialise`."""
    return STAGES if weights in NAMED else stages_of(_read_state(_file_of(weights)))


def read_network(path: str | Path) -> tuple[Network, dict]:
    """The network of stage 1 of a weights file, in evaluation mode, and how it was made."""
    state, about = read_weights(path)
    model = new_network(about.get("network", NETWORKS[0]), stages=stages_of(state))
    if isinstance(model, ImageModel):
        outputs, inputs = state["resnet.fc.weight"].shape  # an encoder tells more than two numbers
        model.resnet.fc = nn.Linear(inputs, outputs)
    model.load_state_dict(state)
    return model.eval(), about


def read_image_model(path: str | Path) -> tuple[ImageModel, dict]:
    """The same where it must be a ResNet18, as that of the main run is; ValueError where it is another."""
    model, about = read_network(path)
    if not isinstance(model, ImageModel):
        raise ValueError(f"{path}: expected the weights of a ResNet18, found those of {about['network']}")
    return model, about


def named_file(weights: str) -> Path:
    """The path that a setting `weights` stands for, there or not."""
    return ENCODER if weights == SHIPPED else Path(weights)


def _file_of(weights: str) -> Path:
    """The file that a setting other than `none` stands for, its SHA-256 checked where that is known."""
    from torchvision.models import ResNet18_Weights

    url = ResNet18_Weights.IMAGENET1K_V1.url
    name = url.rsplit("/", 1)[-1]
    path = Path(torch.hub.get_dir()) / "checkpoints" / name if weights == "imagenet" else named_file(weights)
    if not path.is_file() and weights == "imagenet":
        raise FileNotFoundError(
            f"weights: expected the ImageNet weights at {path}, found no file. They are not downloaded automatically: "
            f"put {url} there, or give the path of your copy in place of 'imagenet'"
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"weights: expected none, imagenet, shipped or the path of a state dict, found {weights!r}"
        )
    if weights == SHIPPED:
        wanted = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["sha256"]
        if hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
            raise ValueError(f"{path}: expected the SHA-256 of its card, {wanted}, found another")
    start = Path(name).stem.rsplit("-", 1)[-1]  # torch names its files by the start of their SHA-256
    if path.name == name and not hashlib.sha256(path.read_bytes()).hexdigest().startswith(start):
        raise ValueError(f"{path}: expected a SHA-256 that starts with {start}, found another: download {url} again")
    return path


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # bytes that are no state dict fail in every way
        raise ValueError(f"{path}: expected a state dict (.pth or .safetensors), found {error}") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path}: expected a state dict, names and tensors, found something else")
    return state


def _body(path: Path, state: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """`state` without its last layer, checked to have the tensors of `own` and no others."""
    body = {name: value for name, value in state.items() if not name.startswith("fc.")}
    wanted = {name: value.shape for name, value in own.items() if not name.startswith("fc.")}
    # older files lack the counters of batch normalisation, which play no part in its arithmetic
    body |= {name: own[name] for name in wanted if name.endswith("num_batches_tracked") and name not in body}
    found = {name: value.shape for name, value in body.items()}
    if found != wanted:
        wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise ValueError(f"{path}: expected the tensors of a ResNet18, found others, e.g. {wrong[:3]}")
    return body
