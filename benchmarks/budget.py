r"""What a chain's error is made of: `python -m benchmarks.budget [--size SIZE …] [--heads FOLDER …] [--out FOLDER]`.

The error of χ over the whole brain is divided by *sequential substitution*: the chain is run again with one more true
input at a time, and each part is what the squared error falls by. In this order, from the chain as it is:

noise
    the total field is the true one: noise, wraps and receive phase are gone
slow field
    the local field is that of the sources within the final mask: gone is what background removal left, or took
streaks
    what is left when the true field of the whole brain is inverted
support
    the rest: χ outside the final mask, which counts as zero; the reference to the mean of that mask; and what the
    inversion loses because it knows the field of the final mask alone

The parts add up to the squared error exactly; a part may be below zero where errors cancel.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.__main__ import ARMS, ROOT, configuration
from benchmarks.accuracy import percent
from benchmarks.heads import ECHO_FOR_MASK, SIZES, Head, local_truth, read_head, simulate
from recon.background import STAGE as LOCAL_FIELD
from recon.background import local_field
from recon.field import field_precision
from recon.inversion import STAGE as DIPOLE_INVERSION
from recon.inversion import dipole_inversion
from recon.mask import extract_brain, reliable_mask
from recon.pipeline import reconstruct
from recon.registry import taken

PARTS = ("support", "slow field", "noise", "streaks")


def squared(chi_ppm: np.ndarray, truth_ppm: np.ndarray, mask: np.ndarray) -> float:
    """Squared error within a mask in which both have zero mean [ppm^2]."""
    error = (chi_ppm - truth_ppm)[mask].astype(float)
    return float(np.square(error - error.mean()).sum())


def divide(errors: Sequence[float], outside: float, whole: float) -> dict[str, float]:
    """Parts [% of the squared error] and NRMSE [%] from squared errors.

    Parameters
    ----------
    errors : within the final mask, of the chain as it is, with the true total field, with the true local field, and of
        the inversion that knows the field of the whole brain
    outside : what the final mask and its reference lose
    whole : squared norm of the truth over the brain
    """
    chain, from_total, from_local, inversion = errors
    parts = (outside + from_local - inversion, from_total - from_local, chain - from_total, inversion)
    total = chain + outside
    shares = {name: float(100 * part / total) for name, part in zip(PARTS, parts, strict=True)}
    return {"nrmse_percent": float(100 * np.sqrt(total / whole))} | shares


def budget(head: Head, arm: dict) -> dict[str, float]:
    """NRMSE over the whole brain [%], share kept [%], and the parts of the squared error [%] of one arm."""
    scan, magnitude, brain = head.acquisition, head["magnitude"], head["brain"]
    te_s, grid = np.asarray(scan.te_s), scan.grid
    found = extract_brain(magnitude, grid, **arm["brain_mask"] | {"tool": "builtin", "echo": ECHO_FOR_MASK + 1}).mask
    maps = reconstruct(head["phase"], magnitude, found, scan, arm)
    trimming = taken(reliable_mask, arm["unwrap_phase"])
    reliable = reliable_mask(head["phase"], magnitude, found, te_s, grid, **trimming)

    def inverted(field_ppm: np.ndarray, mask: np.ndarray) -> np.ndarray:
        chosen = DIPOLE_INVERSION.chosen(arm["dipole_inversion"])
        inputs = {"r2star_hz": maps.r2star_hz, "precision": field_precision(magnitude, mask, te_s)}
        return dipole_inversion(field_ppm, mask, grid, magnitude=magnitude, **inputs, **chosen)

    total_ppm = np.where(reliable, head["total_ppm"], 0)
    chosen = LOCAL_FIELD.chosen(arm["local_field"])
    local_ppm, kept = local_field(total_ppm, reliable, grid, magnitude=magnitude, **chosen)
    chain = (
        maps.chi_ppm,
        inverted(local_ppm, kept),
        inverted(local_truth(head, kept), kept),
        inverted(local_truth(head, brain), brain),
    )
    truth = head["chi_ppm"].astype(float)
    truth -= truth[brain].mean()
    final = maps.mask & brain
    outside = np.square(truth[brain & ~final]).sum() + np.count_nonzero(final) * truth[final].mean() ** 2
    whole = np.square(truth[brain]).sum()
    parts = divide([squared(chi_ppm, truth, final) for chi_ppm in chain], outside, whole)
    return parts | {"kept_percent": percent(final, brain)}


def rows_of(name: str, head: Head, arms: dict[str, dict]) -> list[dict]:
    """One row for each arm."""
    rows = []
    for label in ARMS:
        print(f"{name}: {label}", flush=True)
        rows.append({"head": name, "arm": label} | budget(head, arms[label]))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Divide the error of both arms on simulated heads, write and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budget", description=__doc__.partition("\n")[0])
    parser.add_argument("--size", nargs="*", choices=SIZES, default=[], help="of the simulated subject")
    parser.add_argument("--heads", nargs="*", type=Path, default=[], help="folders of `benchmarks.generators`")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    chosen = parser.parse_args(arguments)
    config, arms = configuration()
    rows = []
    for name in chosen.size:
        with tempfile.TemporaryDirectory() as folder:
            rows += rows_of(name, simulate(Path(folder), SIZES[name], config), arms)
    for folder in chosen.heads:
        rows += rows_of(folder.name, read_head(folder), arms)
    table = pd.DataFrame(rows, columns=["head", "arm", "nrmse_percent", "kept_percent", *PARTS])
    chosen.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(chosen.out / "budget.tsv", sep="\t", index=False, float_format="%.4g")
    print(table.to_string(index=False, float_format=lambda x: f"{x:.1f}"))


if __name__ == "__main__":
    main()
