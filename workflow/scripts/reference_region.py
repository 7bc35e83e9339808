"""R2* and magnitude, or the T1-weighted image → the region whose mean susceptibility becomes zero."""

import numpy as np

from recon.acquisition import Acquisition
from recon.combine import averaged, on_grid
from recon.files.bids import derivative_uri
from recon.files.io import Volume, read_mask, read_volume, write_mask
from recon.regions.fluid import largest_r2star_hz, ventricular_fluid
from recon.regions.localize import subject_labels, white_matter
from recon.regions.locate import locate
from recon.regions.reference import CSF, WHITE_MATTER, checked, refusal
from recon.regions.registration import Registration, register
from recon.regions.shapes import nucleus
from recon.regions.user_maps import user_labels
from workflow.lib.jobs.job import job
from workflow.lib.record.derivative import ON_THE_GRID

FLUID = "fluid in the depth of the brain, R2* below {:.3g} 1/s (doi:10.1002/mrm.26946)"


def found_brain(fit: Registration, name: str) -> Registration:
    """The registration; ProblemError where it found no brain."""
    if not fit.plausible:
        raise refusal(name, "a brain that the registration to the template finds", f"none ({fit.found()})")
    return fit


def white_matter_region(image: Volume, brain: np.ndarray) -> tuple[np.ndarray, dict]:
    """White matter by registration, and what the sidecar says; ProblemError where no brain is found."""
    fit = found_brain(register(image.data, image.affine, brain), WHITE_MATTER)
    place = brain, image.affine, fit.subject_to_mni
    region = white_matter(*place) & (subject_labels(*place) == 0)
    return region, {"Method": "registration to the template", "Registration": fit.summary()}


def nucleus_region(
    image: Volume, brain: np.ndarray, name: str, method: str, chi_ppm: np.ndarray, r2star: np.ndarray | None
) -> tuple[np.ndarray, dict]:
    """A nucleus where `locate_nuclei` places it, and what the sidecar says; ProblemError where no brain is found.

    `chi_ppm`: (X, Y, Z) before it is referenced; what a constant adds to it moves no nucleus.
    """
    placed = locate(chi_ppm, brain, image.affine, t1w=image.data, r2star=r2star, method=method)
    found_brain(placed.registration, name)
    about = {"Method": f"locate_nuclei.method: {method}", "Registration": placed.summary()}
    return nucleus(placed.labels, name), about


def main(
    mask: str, eroded: str, acquisition: str, region: str, name: str,
    r2star: str | None = None, magnitude: str | None = None, t1w: str | None = None, chi_echoes: str | None = None,
    user_nuclei: str | None = None, user: str | None = None, method: str = "none", average: dict | None = None,
) -> None:  # fmt: skip
    """`r2star` and `magnitude` for fluid, else `t1w`; `user`: BIDS URI of `user_nuclei`.

    `method`: of `locate_nuclei`; where that looks at susceptibility it is given `chi_echoes`, joined by `average`.
    """
    brain, known, facts = read_mask(mask), read_mask(eroded), Acquisition.read(acquisition)
    image = read_volume(r2star if name == CSF else t1w)
    if name == CSF:
        last_echo = read_volume(magnitude).data[..., int(np.argmax(facts.te_s))]
        found = ventricular_fluid(image.data, last_echo, brain, known, facts.voxel_size_mm, facts.b0_tesla)
        about = {"Method": FLUID.format(largest_r2star_hz(facts.b0_tesla)), "Sources": [derivative_uri(r2star)]}
    elif name == WHITE_MATTER:
        found, about = white_matter_region(image, brain)
        about |= {"Sources": [derivative_uri(t1w)]}
    elif user_nuclei:
        found, about = nucleus(user_labels(user_nuclei, image), name), {"Tool": "user", "Sources": [user]}
    elif chi_echoes:
        chi = averaged(read_volume(chi_echoes).data, read_volume(magnitude).data, known, facts.te_s, **average or {})
        decay = read_volume(r2star).data if r2star else None
        found, about = nucleus_region(image, brain, name, method, on_grid(chi, known), decay)
        about |= {"Sources": [derivative_uri(t1w), derivative_uri(chi_echoes)]}
    else:
        found, about = nucleus_region(image, brain, name, "template", np.zeros(brain.shape, np.float32), None)
        about |= {"Sources": [derivative_uri(t1w)]}
    about |= {"Type": "ROI", "Description": f"{name}: its mean susceptibility is zero", "SkullStripped": True}
    about |= ON_THE_GRID
    write_mask(region, checked(found, known, name, facts.voxel_size_mm), image, about)


if __name__ == "__main__":
    with job(snakemake):
        params = snakemake.params
        settings = {name: params[name] for name in ("name", "user", "method", "average")}
        main(**snakemake.input, **snakemake.output, **settings)
