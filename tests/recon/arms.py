"""Both arms of the reconstruction, spelt out: tests of the code do not follow the shipped configuration."""


class Arm(dict):
    """Values by section; hashed by identity, so that a test can remember what it made of an arm."""

    __hash__ = object.__hash__

    def changed(self, **sections: dict) -> "Arm":
        """Another arm with some values of some sections changed."""
        return Arm(self | {name: self[name] | values for name, values in sections.items()})


PAPER = Arm(
    unwrap_phase={
        "method": "weighted",
        "align_echoes": True,
        "trim_coherence": 0.5,
        "trim_echo": 6,
        "trim_r2star_hz": 100.0,
    },
    field_mapping={"echoes": "separate", "bipolar": "auto", "offset": "none", "offset_smoothing_mm": 5.0},
    local_field={"method": "sharp", "radius_mm": 6.0, "smallest_radius_mm": 2.0, "threshold": 0.05},
    r2star_map={"method": "irls", "iterations": 4, "maximum_hz": 200.0, "coils": 1},
    dipole_inversion={
        "method": "iterative_tkd",
        "threshold": 0.1,
        "truncation": "clamp",
        "iterations": 4,
        "iteration_threshold": 0.1,
        "structure": "r2star_or_chi",
        "structure_r2star_hz": 25.0,
        "tv_weight": 0.15,
        "tv_iterations": 15,
        "tv_tolerance": 0.005,
        "tv_outside": 0.03,
        "tv_prior": "tissue",
    },
    combine_echoes={"first_echo": 2, "last_echo": 6, "power": 2, "reference": "whole_brain"},
)
CONSENSUS = PAPER.changed(
    unwrap_phase={"trim_coherence": 0.7, "trim_echo": 2},
    field_mapping={"echoes": "together", "offset": "smooth"},
    local_field={"method": "lbv_sources"},
    dipole_inversion={"method": "tv", "tv_outside": 0.0005},
)
