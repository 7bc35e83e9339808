"""The network of every scan head by name: a new one, or that of a weights file."""

from pathlib import Path

from qnet.networks.heads.attention import Attention
from qnet.networks.heads.base import ScanModel
from qnet.networks.heads.concat import Concat
from qnet.networks.heads.mean import Mean
from qnet.networks.heads.measured import Measured, Nuclei
from qnet.networks.model import FEATURES
from qnet.networks.weights import read_weights

MODELS: dict[str, type[ScanModel]] = {
    "concat": Concat, "mean": Mean, "attention": Attention, "measured": Measured, "nuclei": Nuclei,
}  # fmt: skip


def model_of(head: str) -> type[ScanModel]:
    """The network of a head; ValueError where there is no such head."""
    if head not in MODELS:
        raise ValueError(f"head: expected one of {', '.join(MODELS)}, found {head!r}")
    return MODELS[head]


def new_model(
    head: str, hidden_size: int, slices: int, encoder: str | Path | None = None, features: int = FEATURES
) -> ScanModel:
    """The untrained network of a head; parameters as in `ScanModel.build`."""
    return model_of(head).build(hidden_size, slices, encoder, features)


def read_scan_model(path: str | Path) -> tuple[ScanModel, dict]:
    """The scan model of a weights file, in evaluation mode, and how it was made."""
    state, about = read_weights(path)
    model = model_of(about["head"]).read(state, about)
    model.load_state_dict(state)
    return model.eval(), about
