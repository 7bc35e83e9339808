"""Facts of all scans, sidecars of their maps and settings → the methods section of a paper, and its BibTeX file."""

from recon.files.atomic import atomic
from recon.files.io import read_json, sidecar_path
from workflow.lib.jobs.given import listed
from workflow.lib.jobs.job import job
from workflow.lib.record.versions import versions
from workflow.lib.report.methods import bibtex, methods_text
from workflow.lib.study.names import scan_and_suffix


def main(
    acquisitions: list[str], maps: list[str], methods: str, bibliography: str,
    cfg: dict, synthetic: bool, several_sites: bool, versions: dict[str, str],
) -> None:  # fmt: skip
    scans = {scan_and_suffix(path)[0]: read_json(path) | {"maps": {}} for path in acquisitions}
    for path in maps:
        scan, name = scan_and_suffix(path)
        scans[scan]["maps"][name] = read_json(sidecar_path(path))
    repeated = len({scan.split("_")[0] for scan in scans}) < len(scans)
    text = methods_text(cfg, list(scans.values()), versions, synthetic, repeated, several_sites)
    for path, content in ((methods, text), (bibliography, bibtex(text))):
        with atomic(path) as part:
            part.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    with job(snakemake):
        files = {name: listed(found) for name, found in snakemake.input.items()}
        params = {name: snakemake.params[name] for name in ("cfg", "synthetic", "several_sites")}
        main(**files, **snakemake.output, **params, versions=versions())
