"""The checklists TRIPOD+AI, CLAIM and PROBAST+AI as far as a run can know; the rest is left to the authors, by name.

TRIPOD+AI: Collins 2024, 10.1136/bmj-2023-078378. CLAIM, update of 2024: Tejani 2024, 10.1148/ryai.240300. PROBAST+AI:
Moons 2025, 10.1136/bmj-2024-082505; its judgements are a reader's, not a run's. The items are paraphrased in the files
of GUIDELINES below resources/; the answers there are sentences with places for facts: those of a study in column `run`,
those of an external validation in column `validation`, where `as run` stands for the same sentence.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from qnet.evaluation.names import NETWORKS
from qnet.folds import GROUPED, LEAVE_ONE_SITE_OUT, SCHEMES
from qnet.harmonise import COMBAT, CONTROLS, harmonises_windows
from workflow.lib.home import HOME
from workflow.lib.report.cohort import describe
from workflow.lib.report.report_data import Rows, auc_over_sites, flags, kind, of_models
from workflow.lib.words import counts, known, number, p_value, percent

RESOURCES = HOME / "resources"
GUIDELINES = {"TRIPOD+AI": "tripod_ai.tsv", "CLAIM 2024": "claim.tsv", "PROBAST+AI": "probast_ai.tsv"}
ABSENT = "not computed in this run"
CALIBRATION = (("calibration in the large", "intercept"), ("slope", "slope"))  # names of columns of `validation`
COLUMNS = ["guideline", "item", "section", "asks_for", "filled", "run", "authors"]
STUDY, VALIDATION, AS_RUN = "run", "validation", "as run"  # columns of the files, and a cell of the latter


def checklist(facts: dict[str, str], column: str = STUDY) -> pd.DataFrame:
    """All items of the guidelines with their answers.

    Parameters
    ----------
    facts : of `facts`, or of `validation_facts` for the column VALIDATION
    column : whose answers

    Returns
    -------
    DataFrame
        guideline, item, section, asks_for, filled (`run`, `partly` or `authors`), run, authors
    """
    parts = []
    for guideline, file in GUIDELINES.items():
        table = pd.read_csv(RESOURCES / file, sep="\t", dtype=str, keep_default_na=False, na_values=["n/a"]).fillna("")
        answers = table[column].mask(table[column] == AS_RUN, table[STUDY])
        run = answers.map(lambda text: " ".join(text.format(**facts).split()))
        parts.append(table.assign(guideline=guideline, run=run, filled=_filled(run, table["authors"])))
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def _filled(run: pd.Series, authors: pd.Series) -> pd.Series:
    """Who answers an item."""
    return pd.Series("partly", run.index).mask(authors == "", "run").mask(run == "", "authors")


def facts(
    cfg: dict, people: pd.DataFrame, flow: dict, tables: dict[str, Rows], versions: dict[str, str], synthetic: bool
) -> dict[str, str]:
    """Everything that the sentences of the checklists ask of a run.

    Parameters
    ----------
    cfg : configuration
    people : rows of folds.tsv
    flow : see `workflow.lib.report.cohort.flow`
    tables : rows of the evaluation's tables by name, see `workflow.lib.report.report_data.read_tables`
    versions : software → version
    synthetic : whether the cohort is simulated
    """
    return (
        _of_data(cfg, people, flow, synthetic)
        | _of_folds(cfg, people)
        | _of_methods(cfg, versions)
        | _of_results(tables, cfg["evaluate"]["confidence"])
    )


def validation_facts(
    cfg: dict, people: pd.DataFrame, flow: dict, tables: dict[str, Rows], versions: dict[str, str], synthetic: bool,
    model: Mapping,
) -> dict[str, str]:  # fmt: skip
    """The same of an external validation.

    Parameters
    ----------
    people : rows of `workflow.lib.study.participants.to_diagnose`
    model : the bundle of the trained run, see `qnet.application.bundle`, whose settings of the learning count; maps
        are made as there, or the run is refused
    """
    learnt = {"harmonisation": model["harmonisation"], **model["learning"]}
    evaluate = cfg["evaluate"] | {"threshold": model["threshold"], "primary": [model["decision"]]}
    return (
        _of_data(cfg, people, flow, synthetic)
        | _of_methods(cfg | learnt | {"evaluate": evaluate}, versions)
        | _of_validation(model, tables, cfg["evaluate"]["confidence"])
    )


def settings(section: dict) -> str:
    """The settings of a section in words: `epochs 100, batch size 64`."""
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in section.items())


def _value(value: object) -> str:
    return f"({settings(value)})" if isinstance(value, dict) else number(value, 6) or "none"


def _of_data(cfg: dict, people: pd.DataFrame, flow: dict, synthetic: bool) -> dict[str, str]:
    """Who took part, and where their images come from."""
    groups = counts(people["group"].value_counts().sort_index().to_dict())
    simulate = cfg["simulate"]
    simulated = f"Simulated cohort: preset {simulate['preset']}, seed {simulate['seed']}."
    half = 1.96 * (0.8 * 0.2 / len(people)) ** 0.5
    steps = [f"{step['name']}: {sum(step['counts'].values())} ({counts(step['counts'])})" for step in flow["steps"]]
    return {
        "positive": cfg["participants"]["positive_label"],
        "negative": cfg["participants"]["negative_label"],
        "n": str(len(people)),
        "groups": groups,
        "smaller_group": str(people["group"].value_counts().min()),
        "demographics": "; ".join(_who(name, part) for name, part in people.groupby("group")) + ".",
        "flow": "; ".join(steps) + ".",
        "sites": _sites(people),
        "source": simulated if synthetic else f"A BIDS dataset of the user, called {cfg['dataset']} here.",
        "persons": "No person took part: the cohort is simulated." if synthetic else "",
        "data_sharing": "The cohort can be simulated again from settings and seed." if synthetic else "",
        "identification": "Simulated; nobody to identify." if synthetic else
        "DICOM conversion keeps no names, dates or patient numbers; other images are used as they come.",
        "precision": f"{groups}. At an accuracy of 80 %, {len(people)} subjects give a 95 % interval of "
        f"± {100 * half:.0f} points: smaller differences cannot be resolved.",
        "left_out": "Subjects without usable images or group are left out and named in the flow of participants "
        f"({_lost(flow)} here).",
    }  # fmt: skip


def _of_folds(cfg: dict, people: pd.DataFrame) -> dict[str, str]:
    """How the subjects were divided."""
    sizes, scheme = people["fold"].value_counts(), cfg["folds"]["scheme"]
    return {
        "folds": f"Cross-validation: {people['fold'].nunique()} {SCHEMES[scheme]}"
        f"{_seed(cfg['folds'])}; tested on one fold, trained on the others.",
        "relatives": _relatives(scheme),
        "missing": "Those of unknown age or sex are diagnosed; checks for confounding leave them out, and baselines "
        "that read age or sex take the median of the training subjects.",
        "difference": "The site: each is tested by models of the others. Otherwise none by design: the same cohort."
        if scheme == LEAVE_ONE_SITE_OUT else "None by design: the same cohort.",
        "fold_sizes": f"test folds of {sizes.min()} to {sizes.max()} subjects",
    }  # fmt: skip


def _seed(folds: dict) -> str:
    """` (seed 0)`; nothing where no chance decides."""
    return "" if folds["scheme"] == LEAVE_ONE_SITE_OUT else f" (seed {folds['seed']})"


def _relatives(scheme: str) -> str:
    """Whether relatives, or several names of one person, can be on both sides of the split."""
    if scheme == GROUPED:
        return "Relatives, and several names of one person, share a fold where participants.tsv gives them one family."
    return f"Two names of one person, or relatives, are not told from each other (folds.scheme is {scheme})."


def _who(group: str, members: pd.DataFrame) -> str:
    """`HH: 49 subjects, age 56.1 ± 13.2 (21 to 84), 18 F, 31 M`."""
    about = describe(members)
    return f"{group}: {about['n']} subjects, age {about['age']} years, {about['sex']}"


def _sites(people: pd.DataFrame) -> str:
    """`3 sites (20 A, 30 B, 10 C).`; nothing where the table tells none."""
    if "site" not in people or people["site"].isna().all():
        return ""
    count = people["site"].nunique()
    return f"{count} {'site' if count == 1 else 'sites'} ({describe(people)['site']})."


def _lost(flow: dict) -> int:
    """How many of those who were found were not diagnosed."""
    return sum(flow["steps"][0]["counts"].values()) - sum(flow["steps"][-1]["counts"].values())


def _of_methods(cfg: dict, versions: dict[str, str]) -> dict[str, str]:
    """How maps, networks and statistics were made."""
    image, scan, evaluate = cfg["train_image_model"], cfg["train_scan_model"], cfg["evaluate"]
    seeds = cfg["runs"]["seeds"]
    augmentation = settings(image.get("augmentation", {}))
    schedule = {name: value for name, value in image.items() if name not in ("augmentation", "weights")}
    head = {name: value for name, value in scan.items() if name in ("head", "hidden_size")}
    windows = " and the windows of the maps" if harmonises_windows(cfg) else ", not the maps,"
    choosing = "scan model and baselines choose theirs" if scan.get("choices") else "baselines choose theirs"
    architectures = "ResNet18 on single slices, with and without averaging of weights; a scan model over its embeddings"
    return {
        "preparation": f"Reconstruction by the arm '{cfg['pipeline']}': methods.md.",
        "channels": "Three channels per slice: susceptibility, R2*, T1-weighted.",
        "slices": f"{cfg['slice_stack']['slices']} slices through the basal ganglia of each scan, found by "
        f"registration; of subjects with several scans, only the {cfg['participants']['scan']} is used.",
        "own_boxes": ", boxes come from the user's table" if cfg["locate_nuclei"]["boxes"] else "",
        "normalise": f"Intensities: {settings(cfg['normalise'])}." if "normalise" in cfg else "",
        "architectures": architectures + ".",
        "models": f"{architectures} (Q-Net; {settings(head)}).",
        "learnt": "the image model is fixed, but the scan model is not, and" if image["trainable"] == "head"
        else "a ResNet18 has 11 million weights, and",
        "seen_groups": "One step knows the outcome: a site that a training lacks is harmonised by its own controls "
        "(combat.unseen_site: controls)." if cfg["harmonisation"] == COMBAT and cfg["combat"]["unseen_site"] == CONTROLS
        else "",
        "initial": f"Image model: {Path(image['weights']).name}; scan model: random.",
        "given_weights": "" if image["weights"] in ("none", "imagenet")
        else ", but for the given initial weights, which all folds share",
        "schedule": f"Image model: {settings(schedule)}. Scan model: {settings(scan)}.",
        "augmentation": f"Augmentation: {augmentation}." if augmentation else "",
        "tuning": "Nothing is chosen by the test folds: fixed settings, last epoch; "
        f"{choosing} inside the training folds.",
        "n_seeds": f"{len(seeds)} {'run' if len(seeds) == 1 else 'runs'} (seeds {', '.join(map(str, seeds))})",
        "threshold": f"a score of {evaluate['threshold']}",
        "metrics": "Accuracy, sensitivity, specificity, F1 (mean of both groups by size) and AUC, by slice and by "
        "scan; Brier score, calibration slope and intercept, reliability curve; net benefit.",
        "statistics": f"{percent(evaluate['confidence'], 0)} % intervals: Wilson, DeLong, {evaluate['bootstrap']} "
        "resamples of whole subjects; DeLong test clustered by subject, exact McNemar test, Holm adjustment; corrected "
        "resampled t-test over the folds.",
        "harmonisation": f"Regional features{windows} were harmonised over sites by ComBat, in each fold by its "
        "training subjects: tables/harmonisation.tsv." if cfg["harmonisation"] == COMBAT else "",
        "primary_names": _primary_names(evaluate.get("primary", [])),
        "software": ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
    }  # fmt: skip


def _primary_names(primary: list[dict]) -> str:
    return " against ".join(f"{one['model']} ({one['input']})" for one in primary) or "none"


def _of_results(tables: dict[str, Rows], confidence: float) -> dict[str, str]:
    """What came out, in short."""
    table3 = tables["table3"]
    networks = [row for row in table3 if row["model"] in NETWORKS]
    others = dict.fromkeys(row["model"] for row in table3 if row["model"] not in NETWORKS and kind(row) != "Limits")
    primary = [row for row in tables["contrasts"] if row["role"] == "primary"]
    variants = dict.fromkeys(row["variant"] for row in tables["ablation"] if row["variant"] != "main")
    level = percent(confidence, 0)
    wrong = [f"{_name(row)} {number(row['fn'] + row['fp'])} of {number(row['subjects'])}" for row in networks]
    return {
        "results": f"AUC by scan ({level} % interval): {'; '.join(map(_auc, networks)) or ABSENT}.",
        "comparisons": ", ".join(others) or ABSENT,
        "primary": f"Primary contrast: {'; '.join(map(_difference, primary)) or ABSENT}.",
        "confounds": _confounds(tables["confounds"]),
        "by_site": _by_site(tables["confounds"], tables["between_sites"]),
        "subgroups": "tables/subgroups.tsv" if tables["subgroups"] else ABSENT,
        "ablation": ", ".join(variants) or ABSENT,
        "failures": f"Misclassified subjects: {'; '.join(wrong) or ABSENT}. Which ones: qnet/predictions.tsv.",
    }


def _of_validation(model: Mapping, tables: dict[str, Rows], confidence: float) -> dict[str, str]:
    """What a trained run is worth on subjects that it has not seen, in short, and how that is told."""
    (first,) = of_models(tables["validation"], [model["decision"]])
    strata = of_models(tables["validation_strata"], [model["decision"]])
    updates = of_models(tables["validation_updates"], [model["decision"]])
    level, who = percent(confidence, 0), model["data"]["groups"]
    sizes = {row["stratum"]: row["subjects"] for row in strata}
    supported = [row["update"] for row in updates if row["supported"] == "yes"]
    wrong = f"{number(first['fn'] + first['fp'])} of {number(first['subjects'])}"
    calibration = [f"{name} {_signed(first, key)}" for name, key in CALIBRATION if known(first[key])]
    return {
        "model": model["dataset"],
        "networks": str(len(model["weights"])),
        "trained_groups": counts({name: about["n"] for name, about in who.items() if name != "all"}),
        "unseen": "Subjects of the training are refused under whatever name where its run.json tells the checksums of "
        "their images.",
        "differences": f"{number(sizes.get('unlike training', 0))} of {number(sizes['all'])} scans are unlike those of "
        "the training in protocol, image statistics or network features.",
        "metrics": "AUC, and its difference to that of the cross-validation; sensitivity and specificity; calibration "
        "in the large, slope, reliability curve, Brier score; net benefit.",
        "statistics": f"{level} % intervals: DeLong for AUC, Wilson for proportions, Wald for calibration.",
        "results": f"AUC ({level} % interval): {_auc(first)}; {', '.join(calibration) or 'calibration not estimable'}.",
        "by_site": _validation_by_site(tables["validation_sites"], strata, model["decision"]),
        "subgroups": "tables/validation_strata.tsv",
        "updates": f"Supported: {supported[0]}." if supported else "None is supported.",
        "failures": f"{wrong} are decided wrongly; they come first among the subjects of validation.html.",
    }


def _signed(row: dict, name: str) -> str:
    """`−0.31 (−0.80 to 0.18)`."""
    return f"{row[name]:.2f} ({row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f})".replace("-", "−")


def _validation_by_site(sites: Rows, strata: Rows, decision: Mapping[str, str]) -> str:
    """What a validation tells of its sites."""
    if not any(row["stratum"].startswith("site ") for row in strata):
        return "Not examined: participants.tsv tells no sites."
    told = [_over(row) for row in auc_over_sites(of_models(sites, [decision]))]
    mean = f" Mean AUC over sites: {told[0]}; tables/validation_sites.tsv." if told else ""
    return f"AUC and calibration within each site: tables/validation_strata.tsv.{mean}"


def _name(row: dict) -> str:
    return f"{row['model']} ({row['input']})" if known(row.get("input")) else row["model"]


def _auc(row: dict) -> str:
    """`Q-Net (crop) 0.871 (0.802 to 0.940)`."""
    interval = f" ({row['auc_low']:.3f} to {row['auc_high']:.3f})" if known(row["auc_low"]) else ""
    return f"{_name(row)} {row['auc']:.3f}{interval}"


def _difference(row: dict) -> str:
    """The contrast of two models in one sentence."""
    interval = f"{row['difference_low']:+.3f} to {row['difference_high']:+.3f}"
    return f"difference in AUC {row['difference']:+.3f} ({interval}), p = {p_value(row['p'])}"


def _confounds(confounds: Rows) -> str:
    if not confounds:
        return ABSENT
    return f"tables/confounds.tsv, {len(flags(confounds))} flags"


def _over(row: dict) -> str:
    """`Q-Net (crop) 0.80 (0.70 to 0.90)`, of a mean over sites."""
    return f"{_name(row)} {row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def _by_site(confounds: Rows, between_sites: Rows) -> str:
    """Where the sites are compared, and what networks reach over them."""
    if not any(row["check"] == "within site" for row in confounds):
        return "Not examined: participants.tsv tells no sites."
    told = [row for row in auc_over_sites(between_sites) if row["model"] in NETWORKS]
    over = [_over(row) for row in told]
    mean = f" Mean AUC over sites: {'; '.join(over)}." if over else ""
    return (
        f"AUC of every model within each site, and of the site alone: tables/confounds.tsv.{mean} What may be "
        "expected at another site: tables/between_sites.tsv."
    )
