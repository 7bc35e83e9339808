r"""Slices of alternating sign: the shift by half the field of view that a reconstruction left out along one axis.

GE writes its complex images so: `Read_GE_DICOM` of the MEDI toolbox, `qsm_spgr_ge.m` of sunhongfu/QSM,
`readphase(fix_ge=true)` of korbinian90/MriResearchTools.jl and `nii_fix_ge.py` of QSMxT/QSMxT all undo it. Between
neighbouring slices z_k of the complex signal

.. math:: C = \sum \mathrm{Re}(z_k z^*_{k+1}) / \sum |z_k| |z_{k+1}|

is near 1, or near -1 where slices alternate. Measured between slices of whole heads, first echo: 0.98 (a 3 T Philips
scan, 3 mm), 0.92 (phantom, 3 mm), 0.82 (5 mm, oblique, SNR 5), 0.51 (5 mm, 7 T, TE 20 ms, SNR 10, no shim).
"""

import numpy as np

from recon.intake.decisions import Decision
from recon.intake.vendors import Vendor, chopping_vendors
from recon.maths.pieces import slice_pairs
from recon.problems import IntakeError, Problem, to_type

NEVER, ALWAYS = (to_type("prepare_echoes.slice_chop", choice) for choice in ("never", "always"))
CLEAR = 0.4  # |C| above which the sign of C is believed


def correlations(signal: np.ndarray) -> tuple[float, ...]:
    """C along each axis of a (X, Y, Z) complex signal; 0 where an axis has no two slices with signal."""
    signal = slice_pairs(signal)
    magnitude = np.abs(signal)
    strong = magnitude > magnitude.mean(dtype=float)
    found = []
    for axis in range(3):
        z, use = np.moveaxis(signal, axis, 0), np.moveaxis(strong, axis, 0)
        products = (z[:-1] * z[1:].conj())[use[:-1] & use[1:]]
        weight = np.abs(products).sum(dtype=float)
        found.append(float(products.real.sum(dtype=float) / weight) if weight > 0 else 0.0)
    return tuple(found)


def alternation(shape: tuple[int, ...], axis: int) -> np.ndarray:
    """+1, -1, +1 … along `axis` of three, to be broadcast to `shape`: float32."""
    signs = 1 - 2 * (np.arange(shape[axis]) % 2).astype(np.float32)
    return np.expand_dims(signs, [other for other in range(3) if other != axis])


def chop_axis(found: tuple[float, ...], setting: str, vendor: Vendor | None, where: str) -> Decision[int | None]:
    """The axis along which slices alternate, or None.

    Parameters
    ----------
    found : correlation between neighbouring slices along each axis, see `correlations`
    setting : "auto", "always" or "never", config `prepare_echoes.slice_chop`
    vendor : see `recon.intake.vendors.vendor_of`
    where : file for messages

    Raises
    ------
    IntakeError
        Where slices alternate along several axes, or the vendor's usually do and the correlation shows neither.
    """
    evidence = "correlation of neighbouring slices " + ", ".join(f"{c:+.2f}" for c in found)
    lowest = int(np.argmin(found))
    if setting == "never":
        return Decision(None, "slices left as they are, config prepare_echoes.slice_chop never", evidence)
    if setting == "always":
        axis = lowest if found[lowest] < 0 else 2
        return Decision(
            axis, f"every second slice along axis {axis} negated, config prepare_echoes.slice_chop always", evidence
        )
    chopped = vendor is not None and vendor.chopped
    negative = [axis for axis, c in enumerate(found) if c < -CLEAR]
    if len(negative) > 1:
        shown = f"{evidence}: is it phase? If the slices need no correction, {NEVER}"
        raise IntakeError([Problem(where, "slices that alternate in sign along one axis at most", shown)])
    if negative:
        note = f"slices alternate in sign; so far only those of {chopping_vendors()} are known to do this ({evidence})"
        reason = f"every second slice along axis {lowest} negated"
        return Decision(lowest, reason, evidence, () if chopped else (note,))
    if found[lowest] > CLEAR:
        return Decision(None, "slices do not alternate", evidence, _corrected_before(vendor))
    if chopped:
        expected = "slices whose correlation shows whether they alternate"
        shown = (
            f"{evidence}: look at the phase; if it is smooth across the slices, {NEVER}; if it changes by half a turn "
            f"from each to the next, {ALWAYS}"
        )
        raise IntakeError([Problem(where, expected, shown)])
    note = f"whether slices alternate in sign is not clear ({evidence}); they are left as they are"
    return Decision(None, "slices left as they are, as it is not clear whether they alternate", evidence, (note,))


def _corrected_before(vendor: Vendor | None) -> tuple[str, ...]:
    """A note where slices of this vendor should alternate: tools that undo it turn the sign of the phase, too."""
    if vendor is None or not vendor.chopped:
        return ()
    return (
        f"slices of {vendor.name} usually alternate in sign and these do not; if another tool corrected them, "
        "it may have turned the sign of the phase as well: if deep grey matter turns out darker than white matter in "
        f"the susceptibility map, {to_type('prepare_echoes.phase_sign', -vendor.phase_sign)}",
    )
