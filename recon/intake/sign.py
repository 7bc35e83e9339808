"""Whether a paramagnetic source advances the phase or delays it: a convention of each vendor.

GE's phase has the opposite sign to that of Siemens and Philips: UKRIN-MAPS/ukat issue 33; `nii_fix_ge.py` of
QSMxT/QSMxT and `readphase(fix_ge=true)` of korbinian90/MriResearchTools.jl negate it; the readers of the MEDI toolbox
take exp(+i phase) of GE and exp(-i phase) of Philips, and sunhongfu/QSM keeps the sign of Siemens and Philips.
"""

CONVENTION = {"Siemens": 1, "Philips": 1, "GE": -1, "Simulated": 1}  # +1: a paramagnetic source advances the phase


def phase_sign(setting: str | int, vendor: str | None) -> tuple[int, str, tuple[str, ...]]:
    """Factor of the phase, the reason for it, and notes.

    Parameters
    ----------
    setting : "auto", 1 or -1, config `prepare_echoes.phase_sign`
    vendor : see `recon.intake.manufacturer`

    Returns
    -------
    sign : 1 or -1; times the phase, a paramagnetic source advances it
    reason : one sentence
    notes : what a user must see
    """
    if setting != "auto":
        return int(setting), f"{setting:+d}: config prepare_echoes.phase_sign", ()
    if vendor in CONVENTION:
        return CONVENTION[vendor], f"{CONVENTION[vendor]:+d}: convention of Manufacturer {vendor}", ()
    note = (
        "phase sign: +1 taken, as no known Manufacturer says; if deep grey matter turns out darker than white matter "
        "in the susceptibility map, set prepare_echoes.phase_sign to -1"
    )
    return 1, "+1: assumed, as no known Manufacturer says", (note,)
