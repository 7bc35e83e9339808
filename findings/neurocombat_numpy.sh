#!/usr/bin/env bash
# neuroCombat cannot adjust to a site of reference with any NumPy from 1.24 on.
#
# neuroCombat 0.2.12 asks for np.int where it looks up the site named by ref_batch. NumPy 1.24 took that name away, and
# the package names no requirements, so that pip puts a newer NumPy beside it without a word. A call whose ref_batch is
# one of the sites then ends in an AttributeError; calls without ref_batch work. If the caller sets np.int = int
# beforehand, ref_batch works too and leaves the values of the site of reference as they were. Seen with NumPy 1.24.4
# and 2.4.6; with NumPy 1.23.5 there is no error. The package's issue 33 on GitHub tells of it too.
#
# Exits 0 if this is still so, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet "neuroCombat==0.2.12" "numpy==2.4.6" "pandas==3.1.1"

env/bin/python - <<'PYTHON' | tee seen
"""Six values of eight people, of whom the last four were measured at a second site that reads 3 higher."""

import contextlib
import io

import numpy as np
import pandas as pd
from neuroCombat import neuroCombat

values = np.random.default_rng(0).normal(size=(6, 8))
values[:, 4:] += 3
people = pd.DataFrame({"site": ["first"] * 4 + ["second"] * 4})


def adjust(label, **options):
    try:
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(divide="ignore"):
            adjusted = neuroCombat(values, people, "site", **options)["data"]
    except AttributeError as error:
        print(f"{label}: AttributeError: {str(error).splitlines()[0]}")
        return
    apart = [abs(data[:, 4:].mean() - data[:, :4].mean()) for data in (values, adjusted)]
    kept = "kept" if np.allclose(adjusted[:, :4], values[:, :4]) else "changed"
    print(f"{label}: sites {'nearer' if apart[1] < apart[0] / 2 else 'as far apart'}, first site {kept}")


adjust("no ref_batch")
adjust("ref_batch", ref_batch="first")
np.int = int
adjust("ref_batch after np.int = int", ref_batch="first")
PYTHON
diff seen - <<'EXPECTED'
no ref_batch: sites nearer, first site changed
ref_batch: AttributeError: module 'numpy' has no attribute 'int'.
ref_batch after np.int = int: sites nearer, first site kept
EXPECTED
