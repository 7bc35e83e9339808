#!/usr/bin/env bash
# MLstatkit calls two models with the same ROC curve different, with p = 0.
#
# Where the variance of the difference of two AUCs is 0, Delong_test of MLstatkit 0.1.91 falls back to a bootstrap, as
# its documentation says. There the two-sided p is twice the smaller of two shares, of differences <= 0 and of those
# > 0. If all differences are 0 the second share is 0 and p = 0 with it, although z = 0 should go with p = 1. So ends
# every comparison in which both models order each ill and each healthy subject alike: a model with itself, with a
# calibrated copy of itself, or two models that part the groups without error, as happens in small samples. If a
# single pair of subjects is exchanged, p is that of DeLong's test and sound.
#
# Exits 0 if this is still so, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet "MLstatkit==0.1.91" "numpy==2.4.6" "scipy==1.17.1" "scikit-learn==1.9.1"

env/bin/python - <<'PYTHON' | tee seen
"""Scores of forty people, the last twenty of them ill."""

import numpy as np
from MLstatkit import Delong_test

ill = np.repeat([0, 1], 20)
score = np.random.default_rng(0).normal(size=40) + ill
ranks = np.argsort(np.argsort(score))
swapped = ranks.astype(float)
swapped[[ranks[:20].argmax(), 20 + ranks[20:].argmin()]] = ranks[20:].min(), ranks[:20].max()


def compare(label, first, second):
    z, p, _, _, auc, other, info = Delong_test(ill, first, second, random_state=0)
    print(f"{label}: AUC {auc:.3f} and {other:.3f}, {info['method']}, z = {z:.2f}, p = {p:.2g}")


compare("itself", score, score)
compare("calibrated copy", score, 1 / (1 + np.exp(-score)))
compare("two without error", ill + 0.1 * score, ill - 0.1 * score)
compare("two people exchanged", score, swapped)
PYTHON
diff seen - <<'EXPECTED'
itself: AUC 0.865 and 0.865, bootstrap, z = 0.00, p = 0
calibrated copy: AUC 0.865 and 0.865, bootstrap, z = 0.00, p = 0
two without error: AUC 1.000 and 1.000, bootstrap, z = 0.00, p = 0
two people exchanged: AUC 0.865 and 0.917, delong, z = 1.36, p = 0.17
EXPECTED
