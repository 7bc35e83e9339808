"""The scan heads by name: what the methods text says of each, and what it needs. The networks are in `models`.

This module imports no torch: rules and texts read it. Training does not import it, so that a better sentence trains
nothing again.
"""

from dataclasses import dataclass

LSTM = "A bidirectional LSTM ({hidden_size} units) classified the sequence of embedded slices from "


@dataclass(frozen=True, kw_only=True)
class Head:
    """How stage 2 judges a scan.

    Parameters
    ----------
    sentence : str
        For the methods text, without its full stop; `{hidden_size}` is filled in.
    references : keys of resources/references.tsv
    reads_an_encoder : bool
        Whether it needs an image model that target `pretrain` made.
    reads_located : bool
        Whether it needs the means over the located nuclei beside the embeddings.
    """

    sentence: str
    references: tuple[str, ...] = ()
    reads_an_encoder: bool = False
    reads_located: bool = False


HEADS = {
    "concat": Head(sentence=LSTM + "the outputs of all slices in a row"),
    "mean": Head(sentence=LSTM + "the mean of its outputs"),
    "attention": Head(sentence=LSTM + "the mean of its outputs weighted by gated attention", references=("ilse2018",)),
    "measured": Head(
        sentence="Scans were classified by a linear model of the measurements of each nucleus by an encoder that was "
        "pre-trained on simulated subjects, relative to the values usual at that age",
        reads_an_encoder=True,
    ),
    "nuclei": Head(
        sentence="Scans were classified by a linear model of susceptibility and R2* of each nucleus, both their mean "
        "over its located label and what an encoder that was pre-trained on simulated subjects measures, relative to "
        "the values usual at that age",
        reads_an_encoder=True,
        reads_located=True,
    ),
}


def head_of(name: str) -> Head:
    """The head of a name; ValueError where there is none."""
    if name not in HEADS:
        raise ValueError(f"head: expected one of {', '.join(HEADS)}, found {name!r}")
    return HEADS[name]


def named_heads(stage: dict) -> list[str]:
    """The heads that section `train_scan_model` names, itself or in its choices."""
    return [*dict.fromkeys([stage["head"], *(choice.get("head", stage["head"]) for choice in stage["choices"])])]


def encoder_heads(stage: dict) -> list[str]:
    """Those of them that read an encoder."""
    return [name for name in named_heads(stage) if head_of(name).reads_an_encoder]


def reads_located(stage: dict) -> bool:
    """Whether any of them reads the means over the located nuclei."""
    return any(head_of(name).reads_located for name in named_heads(stage))
