"""The methods section of a paper, from the configuration and the data that were used: text, references, BibTeX."""

from collections import Counter, UserString
from collections.abc import Iterable

import pandas as pd

from qnet.evaluation.manifest import DIFFERENCE
from qnet.folds import SCHEMES
from qnet.harmonise import FEWEST_CONTROLS
from qnet.networks.heads.registry import head_of
from recon.combine import echo_range
from recon.pipeline import STAGES
from recon.regions.fluid import largest_r2star_hz
from recon.registry import taken
from workflow.lib.record.references import entries, reference
from workflow.lib.report.acquisition_table import milliseconds, obliquity_deg, reasons, voxel
from workflow.lib.report.html import filled_markdown, markdown_fragment
from workflow.lib.report.reference import region_name
from workflow.lib.words import plain

MOST = 4  # different values that a sentence lists
FILTERS = {"n": lambda value: plain([value], 6)[0]}
OVER_SITES = (
    "pooled over sites by random effects (restricted maximum likelihood; intervals after Hartung and Knapp, never "
    "narrower than those of known variances; areas as their logits)"
)
USER_MAPS = ("desc-brain_mask", "desc-stage_T1w", "desc-nuclei_dseg")


def references() -> pd.DataFrame:
    """Authors, year, title, journal, volume, pages and DOI by key."""
    return pd.DataFrame.from_dict(entries(), orient="index")


def distinct(values: Iterable[str]) -> str:
    """`3 T`, or `3 T (8 scans), 1.5 T (1 scan)`; many values are only counted."""
    counts = Counter(values)
    if len(counts) > MOST:
        return f"{len(counts)} different values, see the sidecars"
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{value} ({n} {'scan' if n == 1 else 'scans'})" for value, n in counts.most_common())


def spread(values: Iterable[float], unit: str) -> str:
    """`3°`, or `0 to 12.3°`."""
    return " to ".join(dict.fromkeys(plain((min(values := list(values)), max(values)), 3))) + unit


def facts(acquisitions: list[dict]) -> dict[str, str]:
    """What a reader must know of the images of all scans."""
    every = {
        "scanner": [a.get("decisions", {}).get("Manufacturer") for a in acquisitions],
        "field strength": [f"{a['b0_tesla']:.4g} T" for a in acquisitions],
        "echo times": [milliseconds(a["te_s"]) for a in acquisitions],
        "repetition time": [f"{1000 * a['tr_s']:g} ms" if a.get("tr_s") else None for a in acquisitions],
        "flip angle": [f"{a['flip_angle_deg']:g}°" if a.get("flip_angle_deg") else None for a in acquisitions],
        "voxels": [voxel(a["voxel_size_mm"]) for a in acquisitions],
    }
    known = {name: [value for value in values if value] for name, values in every.items()}
    said = {name: distinct(values) for name, values in known.items() if values}
    return said | {"B₀ off the nearest voxel axis": spread([obliquity_deg(a["b0_dir"]) for a in acquisitions], "°")}


def decided(acquisitions: list[dict]) -> dict[str, str]:
    """What was decided about the scanner's values, by subject of the decision."""
    said = [reasons(a) for a in acquisitions]
    subjects = dict.fromkeys(subject for of_scan in said for subject in of_scan if subject != "Manufacturer")
    return {subject: _decision([of_scan[subject] for of_scan in said if subject in of_scan]) for subject in subjects}


def _decision(sentences: list[str]) -> str:
    """The sentence that all scans share, or else the part before the evidence of each: `decision: evidence`."""
    return distinct(sentences if len(set(sentences)) == 1 else (sentence.split(":")[0] for sentence in sentences))


def reference_facts(cfg: dict, acquisitions: list[dict]) -> dict:
    """The reference of susceptibility: its name, the limit of R2* for fluid, and volume and place from the sidecars."""
    chi = [a["maps"]["Chimap"] for a in acquisitions if "Chimap" in a.get("maps", {})]
    of = {key: [one[key] for one in chi if key in one] for key in ("ReferenceVolumeML", "ReferenceAboveWholeBrain")}
    volumes, places = of["ReferenceVolumeML"], [1000 * ppm for ppm in of["ReferenceAboveWholeBrain"]]
    return {
        "name": region_name(cfg["combine_echoes"]["reference"]),
        "limit": spread([largest_r2star_hz(a["b0_tesla"]) for a in acquisitions], " s⁻¹"),
        "volume": spread(volumes, " ml") if volumes else "",
        "place": spread(places, " ppb") if places else "",
    }


def cohort(cfg: dict, acquisitions: list[dict]) -> dict:
    """Everything that the template asks of the data."""
    masks = [a.get("maps", {}).get("desc-brain_mask", {}) for a in acquisitions]
    own = {name: sum(a.get("maps", {}).get(name, {}).get("Tool") == "user" for a in acquisitions) for name in USER_MAPS}
    extracted = [mask for mask in masks if mask.get("Tool") != "user"]
    flips = [a["maps"]["T1map"]["FlipAngle"] for a in acquisitions if "T1map" in a.get("maps", {})]
    n_echoes, simulate = len(acquisitions[0]["te_s"]), cfg["simulate"]
    used = [i + 1 for i in range(n_echoes)[echo_range(n_echoes, **taken(echo_range, cfg["combine_echoes"]))]]
    thresholds = [mask.get("FractionalIntensityThreshold", 0) for mask in extracted]
    return {
        "n": len(acquisitions),
        "n_echoes": n_echoes,
        "facts": facts(acquisitions),
        "decided": decided(acquisitions),
        "snr_of_sites": {name: site.get("snr", simulate["snr"]) for name, site in sorted(simulate["sites"].items())},
        "noted": sum(bool(a.get("decisions", {}).get("Notes")) for a in acquisitions),
        "extracted": len(extracted),
        "bet": distinct(mask.get("Tool", cfg["brain_mask"]["tool"]) for mask in extracted) if extracted else "",
        "leaked": sum(threshold > cfg["brain_mask"]["threshold"] for threshold in thresholds),
        "own": own,
        "reference": reference_facts(cfg, acquisitions),
        "averaged": f"echoes {used[0]} to {used[-1]}" if len(used) > 1 else "",
        "t1_flips": distinct(" and ".join(f"{angle:g}°" for angle in pair) for pair in flips) if flips else "",
    }


def methods_text(
    cfg: dict, acquisitions: list[dict], versions: dict[str, str], synthetic: bool,
    repeated: bool = False, several_sites: bool = False,
) -> str:  # fmt: skip
    """Methods in Markdown, with numbered references to exactly what was used.

    Parameters
    ----------
    cfg : configuration with the values of the arm in place (`recon.settings.arm`)
    acquisitions : for each scan what `recon.acquisition.Acquisition` writes; under `maps`, if known, the sidecars of
        its maps by name (`desc-brain_mask`, `desc-stage_T1w`, `desc-nuclei_dseg`, `T1map`, `Chimap`)
    versions : software → version
    synthetic : whether the data are simulated
    repeated : whether a subject has several scans
    several_sites : whether the diagnosed subjects come from more than one site

    Returns
    -------
    str
    """
    cited: dict[str, int] = {}  # key → number, in the order of use

    def cite(*keys: str) -> str:
        return f"[{', '.join(str(cited.setdefault(key, len(cited) + 1)) for key in keys)}]"

    data = cohort(cfg, acquisitions)

    def said(section: str) -> UserString:
        stage, values = STAGES[section], cfg[section]
        method = stage.method(values[stage.key])
        single = data["n_echoes"] == 1
        return markdown_fragment(method.sentence, FILTERS, cite=cite, single=single, **stage.chosen(values))

    text = filled_markdown(
        "methods.md.j2", FILTERS,
        cfg=cfg, data=data, versions=versions, synthetic=synthetic, repeated=repeated, several_sites=several_sites,
        head=head_of(cfg["train_scan_model"]["head"]), dealing=SCHEMES[cfg["folds"]["scheme"]], cite=cite, said=said,
        fewest_controls=FEWEST_CONTROLS, subgroup_difference=DIFFERENCE, over_sites=OVER_SITES,
    )  # fmt: skip
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    table = references()
    listed = [f"{number}. {reference(table.loc[key].to_dict())}" for key, number in cited.items()]
    return "\n\n".join([*filter(None, paragraphs), "## References", "\n".join(listed)]) + "\n"


def bibtex(text: str) -> str:
    """BibTeX entries of the references in a methods text."""
    table = references()
    return "\n".join(_entry(key, row) for key, row in table.iterrows() if f"doi:{row.doi}\n" in text)


def _entry(key: str, row: pd.Series) -> str:
    fields = {
        "author": " and ".join(map(_author, row.authors.split("; "))),
        "title": f"{{{row.title}}}",  # in braces of its own, which keep its capitals
        "journal": row.journal,
        "year": row.year,
        "volume": row.volume,
        "pages": row.pages.replace("-", "--"),
        "doi": row.doi,
    }
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@article{{{key},\n" + ",\n".join(lines) + "\n}\n"


def _author(name: str) -> str:
    """`Fan AP` → `Fan, A. P.`; a committee stays whole."""
    if name == "et al.":
        return "others"
    family, _, initials = name.rpartition(" ")
    return f"{family}, {'. '.join(initials)}." if initials.isupper() else f"{{{name}}}"
