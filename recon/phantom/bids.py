"""Texts and tables that make the simulated cohort a BIDS dataset."""

from itertools import product

import pandas as pd

from recon.intake.vendors import Vendor
from recon.phantom.cohort import Simulate, Subject, oracle_score
from recon.regions.nuclei import nucleus_names

BIDS_VERSION = "1.10.0"
SYNTHETIC = "SYNTHETIC DATA"  # `qnet.labels` has the same, and a test keeps them equal
RESEARCH_USE = "Research use only: not a medical device, not for diagnosis."
NAME = f"{SYNTHETIC}: multi-echo gradient echo cohort"
README = f"""# {NAME}

Every image in this dataset is SIMULATED; no person was scanned. Each head is an individually deformed MNI152 template
with parametric deep grey nuclei, veins, skull and air spaces; its field is the dipole convolution of susceptibility.

- `participants.tsv`: age, sex and group. Groups come in pairs of equal sex and, unless the preset is `confounded`, age.
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


def participants(people: list[Subject]) -> pd.DataFrame:
    """The table participants.tsv."""
    rows = [(f"sub-{p.label}", p.age, p.sex, p.group) for p in people]
    return pd.DataFrame(rows, columns=["participant_id", "age", "sex", "group"])


def latents(people: list[Subject]) -> pd.DataFrame:
    """Ground truth of every subject: oracle score, then ``<nucleus>_chi_ppb`` and ``<nucleus>_r2star_hz``."""
    table = participants(people)
    table["oracle_score"] = [oracle_score(p) for p in people]
    for i, name in enumerate(nucleus_names()):
        table[f"{name}_chi_ppb"] = [p.chi_ppb[i] for p in people]
        table[f"{name}_r2star_hz"] = [p.r2star_hz[i] for p in people]
    return table


def sidecars(cfg: Simulate, vendor: Vendor, part: str) -> list[dict]:
    """JSON sidecars of all images of one part, in the order of `recon.phantom.signal.acquire`."""
    return [
        {
            "EchoTime": te_s,
            "FlipAngle": flip_angle_deg,
            "RepetitionTimeExcitation": cfg.tr_s,
            "MagneticFieldStrength": cfg.b0_tesla,
            "Manufacturer": vendor.name,
            "ManufacturersModelName": "simulated",
            **vendor.pixels(part).facts,
            "MRAcquisitionType": "3D",
            "PulseSequenceType": "spoiled multi-echo gradient echo",
            "Units": vendor.units if part == "phase" else "arbitrary",
        }
        for flip_angle_deg, te_s in product(sorted(cfg.flip_angles_deg), cfg.te_s)
    ]
