"""R2* and magnitude, or the T1-weighted image → the region whose mean susceptibility becomes zero."""

import numpy as np

from recon.acquisition import Acquisition
from recon.files.bids import derivative_uri
from recon.files.io import Volume, read_mask, read_volume, write_mask
from recon.regions.fluid import largest_r2star_hz, ventricular_fluid
from recon.regions.localize import subject_labels, white_matter
from recon.regions.reference import CSF, WHITE_MATTER, checked, nucleus, refusal
from recon.regions.registration import register
from recon.regions.user_maps import user_labels
from workflow.lib.jobs.job import job

FLUID = "fluid in the depth of the brain, R2* below {:.3g} 1/s (doi:10.1002/mrm.26946)"


def from_template(image: Volume, brain: np.ndarray, name: str) -> tuple[np.ndarray, dict]:
    """White matter or a nucleus by registration, and what the sidecar says; ProblemError where no brain is found."""
    fit = register(image.data, image.affine, brain)
    if not fit.plausible:
        raise refusal(name, "a brain that the registration to the template finds", f"none ({fit.found()})")
    place = brain, image.affine, fit.subject_to_mni
    labels = subject_labels(*place)
    region = white_matter(*place) & (labels == 0) if name == WHITE_MATTER else nucleus(labels, name)
    return region, {"Method": "registration to the template", "Registration": fit.summary()}


def main(
    mask: str, eroded: str, acquisition: str, region: str, name: str,
    r2star: str | None = None, magnitude: str | None = None, t1w: str | None = None,
    user_nuclei: str | None = None, user: str | None = None,
) -> None:  # fmt: skip
    """`r2star` and `magnitude` for fluid, else `t1w`; `user`: BIDS URI of `user_nuclei`."""
    brain, known, facts = read_mask(mask), read_mask(eroded), Acquisition.read(acquisition)
    if name == CSF:
        decay = read_volume(r2star)
        last_echo = read_volume(magnitude).data[..., int(np.argmax(facts.te_s))]
        found = ventricular_fluid(decay.data, last_echo, brain, known, facts.voxel_size_mm, facts.b0_tesla)
        method = FLUID.format(largest_r2star_hz(facts.b0_tesla))
        image, about = decay, {"Method": method, "Sources": [derivative_uri(r2star)]}
    else:
        image = read_volume(t1w)
        if user_nuclei and name != WHITE_MATTER:
            found, about = nucleus(user_labels(user_nuclei, image), name), {"Tool": "user", "Sources": [user]}
        else:
            found, about = from_template(image, brain, name)
            about |= {"Sources": [derivative_uri(t1w)]}
    about |= {"Type": "ROI", "SkullStripped": True, "Description": f"{name}: its mean susceptibility is zero"}
    write_mask(region, checked(found, known, name, facts.voxel_size_mm), image, about)


if __name__ == "__main__":
    with job(snakemake):
        params = snakemake.params
        main(**snakemake.input, **snakemake.output, name=params.name, user=params.user)
