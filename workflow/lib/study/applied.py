"""A trained run that is applied to new subjects: where it lies, and whether their maps are made as its own were."""

import json
from collections.abc import Mapping
from pathlib import Path

from recon.problems import IntakeError, Problem

FORMAT = "Q-Net model bundle"
SECTIONS = (
    "brain_mask", "unwrap_phase", "field_mapping", "local_field", "dipole_inversion", "combine_echoes", "r2star_map",
    "t1w_map", "locate_nuclei", "slice_stack", "normalise",
)  # fmt: skip
OWN = {
    "field_mapping": {"bipolar"},
    "r2star_map": {"coils", "t2star_and_s0"},
    "locate_nuclei": {"boxes", "method"},
}  # keys that say how a dataset was acquired or drawn, or what else is written
MISSING = "nothing"


def bundle_path(model: str, results: str | Path = "results") -> Path:
    """The bundle that `--config model=…` names: a dataset below results/, the folder of a run, or its model.json.

    Raises
    ------
    ValueError
        There is no such bundle.
    """
    named = Path(results, model, "qnet", "model.json")
    for path in (named, Path(model, "qnet", "model.json"), Path(model, "model.json"), Path(model)):
        if path.is_file():
            return path
    raise ValueError(f"model: expected a finished run with {named}, its folder or its model.json, found {model!r}")


def read_model(path: Path) -> dict:
    """The bundle as JSON; `qnet.application.bundle` checks it again in the jobs. ValueError where it is none."""
    try:
        bundle = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected a {FORMAT}, found no JSON: {error}") from None
    if not isinstance(bundle, dict) or not str(bundle.get("format")).startswith(FORMAT):
        raise ValueError(f"{path}: expected a {FORMAT}, found another file")
    return bundle


def trained_model(cfg: Mapping, root: str) -> tuple[Path, dict] | None:
    """Path and content of the bundle that `model` names; None where the configuration names none.

    Parameters
    ----------
    cfg : the whole configuration
    root : folder of the run that the model is applied in

    Raises
    ------
    ValueError
        There is no such bundle, it is of the same dataset, or its maps were made in another way.
    """
    if cfg["model"] is None:
        return None
    path = bundle_path(cfg["model"])
    bundle = read_model(path)
    if found := same_dataset(bundle, path, cfg["dataset"], root) + differences(bundle, cfg):
        raise IntakeError(found)
    return path, bundle


def weight_files(bundle: Mapping, path: Path) -> list[str]:
    """The weights that a bundle names, for the rule that loads them; ValueError where they do not lie beside it."""
    files = [entry[kind] for entry in bundle["weights"] for kind in ("image", "scan")]
    for file in files:
        if Path(file).is_absolute() or ".." in Path(file).parts:
            raise ValueError(f"{path}: expected weights in {path.parent}, the folder of the bundle, found {file!r}")
    return [str(path.parent / file) for file in files]


def preprocessing(cfg: Mapping) -> dict:
    """The settings that decide what the networks see of a scan, with the values of the arm in place.

    Everything from the brain mask to the normalised slices counts. These do not: how raw values are to be read
    (`prepare_echoes`, `field_mapping.bipolar`) and boxes drawn by hand, which belong to a dataset; names, columns and
    training rates, which change no image. The centre crop comes with the weights.
    """
    return {
        section: {key: value for key, value in cfg[section].items() if key not in OWN.get(section, ())}
        for section in SECTIONS
    }


def differences(bundle: Mapping, cfg: Mapping) -> list[Problem]:
    """A problem for each setting by which the maps of this run would differ from those that a model learnt from."""
    learnt = bundle["preprocessing"]
    now = json.loads(json.dumps(preprocessing(cfg)))  # tuples become lists, as in the bundle
    found = []
    for section in sorted(learnt.keys() | now.keys()):
        then, own = learnt.get(section, {}), now.get(section, {})
        for key in sorted(then.keys() | own.keys()):
            a, b = then.get(key, MISSING), own.get(key, MISSING)
            if a != b:
                expected = f"{_text(a)}, with which the model {bundle['dataset']} was trained"
                found.append(Problem(f"config, {section}.{key}", expected, _text(b)))
    return found


def same_dataset(bundle: Mapping, path: Path, dataset: str, root: str | Path) -> list[Problem]:
    """A problem if a model would be applied to the run that trained it, in `root`: its subjects are not unseen."""
    if path.resolve().parent != Path(root, "qnet").resolve():
        return []
    expected = f"a name other than {bundle['dataset']!r}, whose subjects the model has seen"
    return [Problem("config, dataset", expected, f"{dataset!r}")]


def _text(value: object) -> str:
    return value if value is MISSING else json.dumps(value)
