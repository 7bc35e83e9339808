#!/usr/bin/env bash
# The BIDS validator takes a raw dataset that names its converter for a derivative.
#
# BIDS recommends GeneratedBy in the dataset_description.json of raw datasets too, for example to name the converter,
# and has "raw" for the default of DatasetType. bids-validator-deno 3.0.2 decides otherwise: where GeneratedBy is there
# and DatasetType is not, it applies the rules of derivatives. A valid multi-echo dataset then has the error that
# SkullStripped is missing from every sidecar, and rules of raw data are not applied: a phase image without Units, an
# error otherwise, passes once SkullStripped is added as the message asks. The remedy is one line,
# "DatasetType": "raw", which no message names; that rules of derivatives are at work is only seen from their names,
# which --verbose prints.
#
# Exits 0 if this is still so, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet "bids-validator-deno==3.0.2" "bidsschematools==2.0.1" "nibabel==5.4.2" "numpy==2.4.6"

env/bin/python - <<'PYTHON' | tee seen
"""Two echoes, magnitude and phase, under three descriptions of the dataset."""

import json
import re
import subprocess
from itertools import product
from pathlib import Path

import nibabel
import numpy as np
from bidsschematools.schema import load_schema

schema = load_schema()
print("GeneratedBy of a raw dataset:", schema.rules.json.dataset.dataset_description.fields.GeneratedBy)
default = re.search('default value is `"(.*)"`', schema.objects.metadata.DatasetType.description)
print("default of DatasetType:", default.group(1))


def errors(description, phase, further):
    root = Path("dataset")
    anat = root / "sub-01" / "anat"
    anat.mkdir(parents=True, exist_ok=True)
    (root / "README").write_text("Two echoes of a made-up gradient echo.\n")
    (root / "dataset_description.json").write_text(json.dumps(description))
    for echo, part in product((1, 2), ("mag", "phase")):
        stem = anat / f"sub-01_echo-{echo}_part-{part}_MEGRE"
        nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4)), f"{stem}.nii.gz")
        sidecar = {"EchoTime": 0.005 * echo} | (phase if part == "phase" else {}) | further
        stem.with_suffix(".json").write_text(json.dumps(sidecar))
    command = ["env/bin/bids-validator-deno", root, "--format", "json"]
    result = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    found = {issue["subCode"] for issue in result["issues"]["issues"] if issue.get("severity") == "error"}
    return ", ".join(sorted(found)) or "none"


plain = {"Name": "Made up", "BIDSVersion": "1.10.0"}
named = plain | {"GeneratedBy": [{"Name": "dcm2niix"}]}
stripped = {"SkullStripped": False}
print("nothing named:", errors(plain, {"Units": "rad"}, {}))
print("nothing named, no Units:", errors(plain, {}, {}))
print("converter named:", errors(named, {"Units": "rad"}, {}))
print("converter named, no Units, SkullStripped:", errors(named, {}, stripped))
print("converter named, raw:", errors(named | {"DatasetType": "raw"}, {"Units": "rad"}, {}))
print("converter named, raw, no Units:", errors(named | {"DatasetType": "raw"}, {}, {}))
PYTHON
diff seen - <<'EXPECTED'
GeneratedBy of a raw dataset: recommended
default of DatasetType: raw
nothing named: none
nothing named, no Units: Units
converter named: SkullStripped
converter named, no Units, SkullStripped: none
converter named, raw: none
converter named, raw, no Units: Units
EXPECTED
