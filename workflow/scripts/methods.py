"""Facts of all scans, sidecars of their maps and settings → the methods section of a paper, and its BibTeX file."""

import re
from pathlib import Path

from recon.files.atomic import atomic
from recon.files.io import read_json, sidecar_path
from workflow.lib.jobs.job import job
from workflow.lib.record.versions import versions
from workflow.lib.report.methods import bibtex, methods_text

SCAN = re.compile(r"(sub-[^_]+(?:_ses-[^_]+)?(?:_run-[^_]+)?)_([^.]+)")  # scan, rest of the name


def main(
    acquisitions: list[str], maps: list[str], methods: str, bibliography: str,
    cfg: dict, synthetic: bool, versions: dict[str, str],
) -> None:  # fmt: skip
    scans = {SCAN.match(Path(path).name)[1]: read_json(path) | {"maps": {}} for path in acquisitions}
    for path in maps:
        scan, name = SCAN.match(Path(path).name).groups()
        scans[scan]["maps"][name] = read_json(sidecar_path(path))
    text = methods_text(cfg, list(scans.values()), versions, synthetic)
    for path, content in ((methods, text), (bibliography, bibtex(text))):
        with atomic(path) as part:
            part.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    with job(snakemake):
        files = {name: [found] if isinstance(found, str) else list(found) for name, found in snakemake.input.items()}
        params = snakemake.params
        main(**files, **snakemake.output, cfg=params.cfg, synthetic=params.synthetic, versions=versions())
