"""Maps and intermediate images of a subject → a self-contained HTML page, three pictures for the report."""

from pathlib import Path

from recon.io import read_json, read_mask, read_volume, sidecar_path
from recon.overview import deep_pictures, echo_pictures, map_pictures
from recon.quality import quality
from recon.tables import read_table
from workflow.lib.html import render
from workflow.lib.log import job_log


def main(
    magnitude: str, phase: str, unwrapped: str, local_field: str, acquisition: str, mask: str,
    chi: str, r2star: str, t1w: str, dseg: str, box: str, stats: str,
    page: str, chi_picture: str, r2star_picture: str, t1w_picture: str,
    subject: str, synthetic: bool,
) -> None:  # fmt: skip
    brain, nuclei, chi_map = read_mask(mask), read_volume(dseg).data.astype(int), read_volume(chi)
    facts = read_json(acquisition)
    maps = map_pictures(chi_map, read_volume(r2star), read_volume(t1w), brain)
    for path, picture in zip((chi_picture, r2star_picture, t1w_picture), maps, strict=True):
        Path(path).write_bytes(picture.png)
    echoes = [read_volume(path) for path in (magnitude, phase, unwrapped, local_field)]
    measured, warnings = quality(brain, facts["voxel_size_mm"], chi_map.data, nuclei)
    made = {"Brain mask": mask, "Chimap": chi, "R2starmap": r2star, "T1w": t1w}
    sidecars = {name: read_json(sidecar_path(path)) for name, path in made.items() if sidecar_path(path).exists()}
    warnings += [f"{name}: {sidecar['Note']}" for name, sidecar in sidecars.items() if "Note" in sidecar]
    render(
        "subject.html.j2",
        page,
        subject=f"sub-{subject}",
        synthetic=synthetic,
        warnings=warnings,
        pictures=[
            *maps,
            *deep_pictures(chi_map, nuclei, read_mask(box), brain),
            *echo_pictures(*echoes, facts["te_s"], brain),
        ],
        stats=read_table(stats),
        facts=measured,
        acquisition=facts,
        sidecars=sidecars,
    )


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        main(**snakemake.input, **snakemake.output, **snakemake.wildcards, synthetic=snakemake.params.synthetic)
