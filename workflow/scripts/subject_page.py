"""Maps and intermediate images of a scan → a self-contained HTML page, its warnings, pictures for the report."""

from recon.check.overview import deep_pictures, echo_pictures, map_pictures
from recon.check.phase import phase_quality
from recon.check.quality import quality
from recon.files.atomic import atomic
from recon.files.io import read_json, read_mask, read_volume, sidecar_path, write_json
from recon.files.tables import read_table
from workflow.lib.jobs.job import job
from workflow.lib.report.acquisition_table import acquisition_table
from workflow.lib.report.html import render

ONE_ECHO = "A single echo: no R2*, and the phase at TE = 0 stays in the field."


def main(
    magnitude: str, phase: str, unwrapped: str, reliable: str, singular: str, local_field: str,
    acquisition: str, mask: str,
    chi: str, t1w: str, dseg: str, box: str, stats: str,
    page: str, warnings: str, chi_picture: str, t1w_picture: str,
    scan: str, synthetic: bool,
    r2star: str | None = None, r2star_picture: str | None = None,
) -> None:  # fmt: skip
    brain, nuclei, chi_map = read_mask(mask), read_volume(dseg).data.astype(int), read_volume(chi)
    facts, table = read_json(acquisition), read_table(stats)
    maps = map_pictures(chi_map, read_volume(r2star) if r2star else None, read_volume(t1w), brain)
    for path, picture in zip(filter(None, (chi_picture, r2star_picture, t1w_picture)), maps, strict=True):
        with atomic(path) as part:
            part.write_bytes(picture.png)
    echoes = [read_volume(path) for path in (magnitude, phase, unwrapped, local_field)]
    made = {"Brain mask": mask, "Chimap": chi, "R2starmap": r2star, "T1w": t1w, "Nuclei": dseg}
    sidecars = {name: read_json(file) for name, path in made.items() if path and (file := sidecar_path(path)).exists()}
    measured, found = quality(brain, facts["voxel_size_mm"], chi_map.data, table)
    masks = read_mask(reliable), read_volume(singular).data > 0  # there may be none
    of_phase, warned = phase_quality(
        echoes[1].data, echoes[2].data, echoes[0].data, *masks, facts["te_s"], facts["voxel_size_mm"]
    )
    found += warned
    found += [] if r2star else [ONE_ECHO]
    found += facts.get("decisions", {}).get("Notes", [])
    found += [f"{name}: {sidecar['Note']}" for name, sidecar in sidecars.items() if "Note" in sidecar]
    write_json(warnings, {"scan": scan, "warnings": found})
    render(
        "subject.html.j2",
        page,
        scan=scan,
        synthetic=synthetic,
        warnings=found,
        pictures=[
            *maps,
            *deep_pictures(chi_map, nuclei, read_mask(box), brain),
            *echo_pictures(*echoes, facts["te_s"], brain),
        ],
        stats=table,
        facts=measured | of_phase,
        inputs=acquisition_table(facts, chi_map.affine),
        sidecars=sidecars,
    )


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, **snakemake.wildcards, synthetic=snakemake.params.synthetic)
