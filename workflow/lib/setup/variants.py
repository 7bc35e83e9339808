"""The settings of every training run: the main one, and its variants that are trained beside it."""

from qnet.harmonise import COMBAT, harmonises_windows
from qnet.networks.heads.registry import encoder_heads
from qnet.networks.names import NETWORKS, check_start, sees_scans
from recon.problems import as_yaml, config_line, to_type

MAIN = ""  # the folder of the main run below qnet/
LEARNING = (  # what a variant may change; the rest it shares with the main run
    "preprocessing",
    "quantitative",
    "harmonisation",
    "combat",
    "normalise",
    "runs",
    "train_image_model",
    "train_scan_model",
)
IMAGE_STAGE = ("normalise", "train_image_model")  # sections that decide what an image model is


def merged(settings: dict, changes: dict) -> dict:
    """`settings` with the values of `changes` in place, section by section; neither is changed."""
    return settings | {
        key: merged(settings[key], value) if isinstance(value, dict) and isinstance(settings.get(key), dict) else value
        for key, value in changes.items()
    }


def preprocessed(config: dict) -> dict:
    """The configuration with the preprocessing that `preprocessing` names: for `quantitative` that section's values."""
    return merged(config, config["quantitative"]) if config["preprocessing"] == "quantitative" else config


def folder(name: str) -> str:
    """Where a variant's files are below qnet/: `variants/<name>/`; the main run has no folder of its own."""
    return f"variants/{name}/" if name else MAIN


def runs(config: dict) -> dict[str, dict]:
    """Folder → configuration of the main run and of every variant that `runs.variants` names.

    Raises
    ------
    ValueError
        A name that `variants` does not define, or settings that no run can have.
    """
    names = config["runs"]["variants"]
    if unknown := sorted(set(names) - set(config["variants"])):
        known = ", ".join(config["variants"])
        known_ones = ", ".join(map(as_yaml, sorted(set(names) - set(unknown))))
        line = to_type("runs.variants", f"[{known_ones}]")
        raise ValueError(f"runs.variants: expected names of variants ({known}), found {', '.join(unknown)}: {line}")
    changed = {folder(name): merged(config, config["variants"][name]) for name in names}
    found = {place: preprocessed(settings) for place, settings in ({MAIN: config} | changed).items()}
    for place, settings in found.items():
        _check_scan_stage(place or "the main run", settings)
        if place and settings["harmonisation"] == COMBAT and config["harmonisation"] != COMBAT:
            _check_windows(place, settings)
        stage = settings["train_image_model"]
        check_start(stage["network"], stage["weights"], stage["trainable"])
        if place == MAIN and sees_scans(stage["network"]):
            expected = f"expected {NETWORKS[0]} in the main run, whose slices are explained, and others in variants"
            raise ValueError(f"train_image_model.network: {expected}, found {stage['network']}")
    return found


def _check_windows(run: str, settings: dict) -> None:
    """Refuse a variant in which harmonisation would change nothing: its features are those of the main run."""
    if not harmonises_windows(settings):
        expected = "expected preprocessing: quantitative, whose windows it harmonises"
        raise ValueError(
            f"{run}, harmonisation: {expected}, found images that are each stretched (preprocessing: paper)"
        )


def _check_scan_stage(run: str, settings: dict) -> None:
    """Refuse what needs an encoder that no label of the study has touched, where stage 1 is trained on labels."""
    stage, scan = settings["train_image_model"], settings["train_scan_model"]
    if stage["weights"] not in ("none", "imagenet") and stage["trainable"] == "head":
        return
    found = f"found weights {stage['weights']} and trainable {stage['trainable']}"
    for head in encoder_heads(scan):
        line = config_line("train_image_model={weights: shipped, trainable: head}")
        expected = (
            f"expected train_image_model.weights `shipped` or those of target `pretrain`, and trainable: head ({line})"
        )
        raise ValueError(f"{run}, head {head}: {expected}, {found}")
    if scan["choices"] and scan["features"] != "out_of_fold":
        line = to_type("train_scan_model.features", "out_of_fold")
        expected = f"expected features: out_of_fold ({line}), or a pre-trained encoder with trainable: head"
        raise ValueError(f"{run}, train_scan_model.choices: {expected}, {found} and features {scan['features']}")


def image_run(configs: dict[str, dict], place: str) -> str:
    """The run whose image models a run uses: the first that trains them in the same way, often the main one."""

    def stage(settings: dict) -> list:
        combat = settings["combat"] if harmonises_windows(settings) else None
        return [settings[section] for section in IMAGE_STAGE] + [settings["runs"]["labels"], combat]

    return next(other for other, settings in configs.items() if stage(settings) == stage(configs[place]))
