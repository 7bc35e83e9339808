"""Maps of one scan and where its nuclei were found → the maps on the grid of the template."""

import numpy as np

from recon.files.bids import derivative_uri
from recon.files.io import read_json, read_volume, sidecar_path, write_volume
from recon.regions.to_template import SPACE, template_grid, to_template
from workflow.lib.jobs.job import job

KEPT = ("Description", "Units", "Reference", "EstimationAlgorithm", "MagneticFieldStrength")


def main(dseg: str, displacement: str, chi: str, chi_map: str, r2star: str | None = None,
         r2star_map: str | None = None) -> None:  # fmt: skip
    """`dseg`: its sidecar holds the affine registration; where it says that no brain was found, maps are zero."""
    about, grid = read_json(sidecar_path(dseg)), template_grid()
    to_mni = np.array(about["Registration"]["SubjectToMNI"])
    bent = np.moveaxis(read_volume(displacement).data, -1, 0)
    for source, target in ((chi, chi_map), (r2star, r2star_map)):
        if source and target:
            image = read_volume(source)
            found = about.get("Note") is None
            data = to_template(image.data, image.affine, to_mni, bent) if found else np.zeros_like(grid.data)
            said = {key: value for key, value in read_json(sidecar_path(source)).items() if key in KEPT}
            said |= {"SpatialReference": SPACE, "SkullStripped": True, "Resolution": "2 mm isotropic"}
            said |= {"Sources": [derivative_uri(source)]} | ({} if found else {"Note": about["Note"]})
            write_volume(target, data, grid, said)


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output)
