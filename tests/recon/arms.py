"""Both arms of the reconstruction, spelt out: tests of the code do not follow the shipped configuration."""

from dataclasses import replace

from recon.background.stage import LocalField
from recon.combine import CombineEchoes
from recon.field.stage import FieldMapping
from recon.inversion.stage import DipoleInversion
from recon.pipeline import Chain
from recon.relaxation.stage import R2starMap
from recon.unwrap.stage import UnwrapPhase

PAPER = Chain(
    unwrap_phase=UnwrapPhase(
        method="weighted", align_echoes=True, trim_coherence=0.5, trim_echo=6, trim_r2star_hz=100.0
    ),
    field_mapping=FieldMapping(echoes="separate", bipolar="auto", offset="none", offset_smoothing_mm=5.0),
    local_field=LocalField(method="sharp", radius_mm=6.0, smallest_radius_mm=2.0, threshold=0.05),
    r2star_map=R2starMap(method="irls", iterations=4, maximum_hz=200.0),
    dipole_inversion=DipoleInversion(
        method="iterative_tkd",
        threshold=0.1,
        truncation="clamp",
        iterations=4,
        iteration_threshold=0.1,
        structure="r2star_or_chi",
        structure_r2star_hz=25.0,
        tv_weight=0.15,
        tv_iterations=15,
        tv_tolerance=0.005,
        tv_outside=0.03,
        tv_prior="tissue",
    ),
    combine_echoes=CombineEchoes(first_echo=2, last_echo=6, power=2, reference="whole_brain"),
)
CONSENSUS = replace(
    PAPER,
    unwrap_phase=replace(PAPER.unwrap_phase, trim_coherence=0.7, trim_echo=2),
    field_mapping=replace(PAPER.field_mapping, echoes="together", offset="smooth"),
    local_field=replace(PAPER.local_field, method="lbv_sources"),
    dipole_inversion=replace(PAPER.dipole_inversion, method="tv", tv_outside=0.0004),
)
