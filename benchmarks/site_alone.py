"""How often simulated cohorts are flagged because the site alone predicts the group: printed, by size and sites.

    python -m benchmarks.site_alone [--cohorts N]

Labels and sites alone are drawn, no heads: half of the subjects are patients. Sites either do not matter, or there are
two and three quarters of the patients, but a quarter of the controls, are scanned at the first.
"""

import argparse
from collections.abc import Sequence

import numpy as np

from qnet.evaluation.confounds import auc_row, separates, share_by_site

CONFIDENCE = 0.95
EVEN = [(subjects, sites) for subjects in (48, 96) for sites in (2, 4, 6)]
UNEVEN, LEAN = (24, 48, 96), 0.75  # subjects; share of the patients, and of the controls elsewhere, at the first site


def flagged(subjects: int, sites: int, lean: float | None, cohorts: int) -> float:
    """Share of cohorts that are flagged.

    Parameters
    ----------
    subjects, sites : of a cohort
    lean : share of the patients at the first of two sites, which has 1 - lean of the controls; None for even sites
    cohorts : drawn
    """
    chance, labels = np.random.default_rng(0), np.arange(subjects) % 2 == 1
    found = 0
    for _ in range(cohorts):
        if lean is None:
            site = chance.integers(0, sites, subjects)
        else:
            site = (chance.random(subjects) > np.where(labels, lean, 1 - lean)).astype(int)
        row = auc_row(labels, share_by_site(labels, site.astype(str)), CONFIDENCE)
        found += separates(row, above_only=True)
    return found / cohorts


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each size and number of sites."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.site_alone", description=__doc__)
    parser.add_argument("--cohorts", type=int, default=2000)
    cohorts = parser.parse_args(arguments).cohorts
    for subjects, sites in EVEN:
        print(f"{subjects} subjects, {sites} even sites: {100 * flagged(subjects, sites, None, cohorts):.1f} % flagged")
    for subjects in UNEVEN:
        share = 100 * flagged(subjects, 2, LEAN, cohorts)
        print(f"{subjects} subjects, 2 sites, {100 * LEAN:g} % of the patients at one: {share:.1f} % flagged")


if __name__ == "__main__":
    main()
