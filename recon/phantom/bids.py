"""Texts and tables that make the simulated cohort a BIDS dataset."""

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from recon.intake.vendors import VENDORS, Vendor
from recon.phantom import tissue
from recon.phantom.cohort import Simulate, Subject, at_site, oracle_score
from recon.regions.nuclei import nucleus_names

if TYPE_CHECKING:
    import pandas as pd

BIDS_VERSION = "1.10.0"
SYNTHETIC = "SYNTHETIC DATA"  # `qnet.labels` has the same, and a test keeps them equal
RESEARCH_USE = "Research use only: not a medical device, not for diagnosis."
NAME = f"{SYNTHETIC}: multi-echo gradient echo cohort"
README = f"""# {NAME}

Every image in this dataset is SIMULATED; no person was scanned. Each head is an individually deformed MNI152 template
with parametric deep grey nuclei, veins, skull and air spaces; its field is the dipole convolution of susceptibility.

- `participants.tsv`: age, sex, group and, in a study of several centres, site. Groups come in pairs of equal sex and,
  unless the preset is `confounded` or their sites differ, age.
- `derivatives/ground-truth/`: true susceptibility, R2*, T1, fields, brain and nuclei of every subject, the iron of
  every nucleus (`cohort.tsv`) and the best result that any classifier can expect (`ceiling.json`).

A paramagnetic source advances the phase, unless the images are written as GE writes them.

{RESEARCH_USE}
"""
PARTICIPANTS_JSON = {
    "age": {"Description": "age of the simulated participant", "Units": "year"},
    "sex": {"Description": "sex of the simulated participant", "Levels": {"M": "male", "F": "female"}},
    "group": {
        "Description": "simulated diagnosis",
        "Levels": {"HH": "hereditary haemochromatosis", "HC": "healthy control"},
    },
}
SITE = {"Description": "centre of the simulated study"}
RAW_DESCRIPTION = {
    "Name": NAME,
    "BIDSVersion": BIDS_VERSION,
    "DatasetType": "raw",
    "License": "CC0",
    "Authors": ["simulated, no person was scanned"],
    "GeneratedBy": [{"Name": "recon.phantom"}],
}
TRUTH_DESCRIPTION = RAW_DESCRIPTION | {
    "Name": f"{NAME}: ground truth",
    "DatasetType": "derivative",
    "SourceDatasets": [{"URL": "../.."}],
}
TRUTH_IGNORE = "*_fieldmap.*\ncohort.tsv\nceiling.json\n"  # BIDS has no name for these


def participants(people: list[Subject]) -> "pd.DataFrame":
    """The table participants.tsv, with a column `site` where there are sites."""
    import pandas as pd  # not for the job of one subject, which writes no table

    rows = [(f"sub-{p.label}", p.age, p.sex, p.group) for p in people]
    table = pd.DataFrame(rows, columns=["participant_id", "age", "sex", "group"])
    return table.assign(site=[p.site for p in people]) if any(p.site for p in people) else table


def participants_json(cfg: Simulate) -> dict:
    """What the columns of participants.tsv mean."""
    if not cfg.sites:
        return PARTICIPANTS_JSON
    return PARTICIPANTS_JSON | {"site": SITE | {"Levels": {site: scanner(at_site(cfg, site)) for site in cfg.sites}}}


def scanner(cfg: Simulate) -> str:
    """The scanner of one site in words."""
    voxel = " x ".join(f"{edge:g}" for edge in cfg.voxel_size_mm)
    echoes = " ".join(f"{1000 * te_s:g}" for te_s in cfg.te_s)
    written = f"images as {VENDORS[cfg.vendor].name} writes them"
    return f"simulated, {written}, {cfg.b0_tesla:g} T, voxels {voxel} mm, echoes at {echoes} ms, SNR {cfg.snr:g}"


def latents(people: list[Subject], cfg: Simulate) -> "pd.DataFrame":
    """Ground truth of every subject: oracle score, then ``<nucleus>_chi_ppb`` and ``<nucleus>_r2star_hz``.

    R2* is that in the main field of the subject's scanner.
    """
    table = participants(people)
    table["oracle_score"] = [oracle_score(p) for p in people]
    rates = [tissue.r2star_at(np.array(p.r2star_hz), at_site(cfg, p.site).b0_tesla) for p in people]
    for i, name in enumerate(nucleus_names()):
        table[f"{name}_chi_ppb"] = [p.chi_ppb[i] for p in people]
        table[f"{name}_r2star_hz"] = [rate[i] for rate in rates]
    return table


def model_name(site: str) -> str:
    """`ManufacturersModelName` of a site's scanner: no model of a vendor, and another at each site."""
    return f"simulated, site {site}" if site else "simulated"


def sidecars(cfg: Simulate, vendor: Vendor, part: str, site: str = "") -> list[dict]:
    """JSON sidecars of all images of one part, in the order of `recon.phantom.signal.acquire`.

    Parameters
    ----------
    cfg : settings of the scanner, see `recon.phantom.cohort.at_site`
    vendor : Vendor, as whose images they are written
    part : one of the vendor's parts
    site : name of the site; empty in a cohort of one centre
    """
    return [
        {
            "EchoTime": te_s,
            "FlipAngle": flip_angle_deg,
            "RepetitionTimeExcitation": cfg.tr_s,
            "MagneticFieldStrength": cfg.b0_tesla,
            "Manufacturer": vendor.name,
            "ManufacturersModelName": model_name(site),
            **vendor.pixels(part).facts,
            "MRAcquisitionType": "3D",
            "PulseSequenceType": "spoiled multi-echo gradient echo",
            "Units": vendor.units if part == "phase" else "arbitrary",
        }
        for flip_angle_deg, te_s in product(sorted(cfg.flip_angles_deg), cfg.te_s)
    ]
