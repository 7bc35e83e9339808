"""A trained run that is applied to new subjects: where it lies, and whether their maps are made as its own were."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from qnet.harmonise import FEWEST_CONTROLS, NONE, harmonises_windows
from qnet.networks.heads.registry import reads_located
from recon.intake.scan import Scan
from recon.problems import IntakeError, Problem, as_yaml, config_line, to_type
from workflow.lib.jobs.checksums import sha256
from workflow.lib.study.participants import Participants

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


def preprocessing(cfg: Mapping, by_labels: bool | None = None) -> dict:
    """The settings that decide what the networks see of a scan, with the values of the arm in place.

    Everything from the brain mask to the normalised slices counts. These do not: how raw values are to be read
    (`prepare_echoes`, `field_mapping.bipolar`) and boxes drawn by hand, which belong to a dataset; names, columns and
    training rates, which change no image. The centre crop comes with the weights. How nuclei are labelled counts where
    the scan model reads means over them, `by_labels`; by default what `train_scan_model` says.
    """
    by_labels = reads_located(cfg["train_scan_model"]) if by_labels is None else by_labels
    own = OWN | {"locate_nuclei": OWN["locate_nuclei"] - ({"method"} if by_labels else set())}
    return {
        section: {key: value for key, value in cfg[section].items() if key not in own.get(section, ())}
        for section in SECTIONS
    }


def differences(bundle: Mapping, cfg: Mapping) -> list[Problem]:
    """A problem for each setting by which the maps of this run would differ from those that a model learnt from."""
    learnt = bundle["preprocessing"]
    by_labels = "method" in learnt.get("locate_nuclei", {})
    now = json.loads(json.dumps(preprocessing(cfg, by_labels)))  # tuples become lists, as in the bundle
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


def site_bound(bundle: Mapping, sites: Mapping[str, str], site_column: str) -> list[Problem]:
    """A problem for each scan of a site that the training had not, where networks read windows harmonised over sites.

    Parameters
    ----------
    bundle : of the model
    sites : scan → site, "" where it is unknown
    site_column : `participants.site_column`
    """
    if not harmonises_windows({"harmonisation": bundle["harmonisation"], **bundle["preprocessing"]}):
        return []
    known = bundle.get("window_sites", [])  # none in a bundle of before they were kept
    learnt = f"{bundle['dataset']} has learnt ({', '.join(known) or 'none'})"
    expected = f"in column `{site_column}` a site whose windows the model {learnt}"
    advice = (
        f"those of a new site follow from {FEWEST_CONTROLS} or more controls of it: train again with them in the "
        f"study, or train a model for any site with --config harmonisation={NONE}"
    )
    found = {scan: f"{site}: {advice}" if site else "none" for scan, site in sites.items() if site not in known}
    return [Problem(scan, expected, text) for scan, text in found.items()]


def swapped(bundle: Mapping, cfg: Mapping) -> list[Problem]:
    """A problem if the positive group of a configuration is the negative one of a model, or the other way round."""
    negative, positive = (group.name for group in Participants(**cfg["participants"]).groups)
    classes = bundle["classes"]
    if positive != classes["negative"] and negative != classes["positive"]:
        return []
    expected = f"{classes['positive']} (negative: {classes['negative']}), as the model {bundle['dataset']} was trained"
    labels = ", ".join(f"{side}_label: {as_yaml(classes[side])}" for side in ("negative", "positive"))
    line = config_line(f"participants={{{labels}}}")
    return [Problem("config, participants.positive_label", expected, f"{positive} (negative: {negative}): {line}")]


def seen(path: Path, cfg: Mapping, scans: Iterable[Scan]) -> list[Problem]:
    """A problem for each scan that the run of a model has read as well, as far as its run.json tells.

    Parameters
    ----------
    path : of the bundle; without run.json in the folder above nothing is known
    cfg : the whole configuration
    scans : those to be judged; the first image of each is compared by its bytes
    """
    file = path.parent.parent / "run.json"
    if not file.is_file():
        return []
    record = json.loads(file.read_text(encoding="utf-8"))
    if cfg["bids_dir"] is None and cfg["dicom_dir"] is None:
        return _same_cohort(record["config"], cfg)
    known = {found: name for name, found in record["inputs"].items()}
    sums = {scan.name: sha256(scan.series.files[0]) for scan in scans}
    return [
        Problem(name, "a subject that the model has not seen", f"the image {known[found]} of its training run")
        for name, found in sums.items() if found in known
    ]  # fmt: skip


def _same_cohort(trained: Mapping, cfg: Mapping) -> list[Problem]:
    """A problem if two simulated cohorts draw the same subjects."""
    simulated = trained["bids_dir"] is None and trained["dicom_dir"] is None
    same = all(trained["simulate"][key] == cfg["simulate"][key] for key in ("preset", "seed"))
    if not (simulated and same):
        return []
    expected = f"subjects that the model has not seen: another seed, {to_type('simulate.seed', 'N')}"
    return [Problem("config, simulate.seed", expected, str(cfg["simulate"]["seed"]))]


def _text(value: object) -> str:
    return value if value is MISSING else json.dumps(value)
