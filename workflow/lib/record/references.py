"""The literature that a run cites, and what the sidecar of a map says of the method that estimated it."""

import csv
from collections.abc import Iterable, Mapping
from typing import Any

import jinja2

from recon.registry import Stage
from workflow.lib.home import HOME

REFERENCES = HOME / "resources" / "references.tsv"


def entries() -> dict[str, dict[str, str]]:
    """Authors, year, title, journal, volume, pages and DOI by key; empty where there is none."""
    with REFERENCES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return {row.pop("key"): {name: "" if text == "n/a" else text for name, text in row.items()} for row in rows}


def reference(entry: Mapping[str, str]) -> str:
    """One line of the list of references."""
    place = f"{entry['volume']}:{entry['pages']}" if entry["volume"] else entry["pages"]
    authors, end = entry["authors"].replace(";", ",").removesuffix("."), "" if entry["title"].endswith("?") else "."
    return f"{authors}. {entry['title']}{end} {entry['journal']} {entry['year']};{place}. doi:{entry['doi']}"


def estimation(algorithm: str, keys: Iterable[str] = ()) -> dict[str, str]:
    """What BIDS asks of a quantitative map (appendix Quantitative MRI): `EstimationAlgorithm`, `EstimationReference`.

    Parameters
    ----------
    algorithm : its name
    keys : of references.tsv, the studies that it is based on
    """
    table = entries()
    papers = "; ".join(reference(table[key]) for key in dict.fromkeys(keys))
    return {"EstimationAlgorithm": algorithm} | ({"EstimationReference": papers} if papers else {})


def estimation_of(stage: Stage, section: Mapping[str, Any], single: bool = False) -> dict[str, str]:
    """The same of the method that a section of the config chooses, with what its own sentence cites.

    Parameters
    ----------
    stage : of the reconstruction
    section : of the config
    single : whether the scan has one echo only
    """
    name: str = section[stage.key]
    cited: list[str] = []

    def cite(*keys: str) -> str:
        cited.extend(keys)
        return ""

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True)
    environment.filters["n"] = str
    environment.from_string(stage.method(name).sentence).render(**stage.chosen(section), single=single, cite=cite)
    return estimation(name, cited)
