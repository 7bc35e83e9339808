"""The program of the viewer and its licence → the folder beside the pages, one for all scans."""

from recon.files.atomic import atomic
from workflow.lib.home import HOME
from workflow.lib.jobs.job import job

SOURCE = HOME / "resources" / "viewer"


def main(program: str, licence: str) -> None:
    for name, path in {"niivue.js": program, "LICENSE": licence}.items():
        with atomic(path) as part:
            part.write_bytes((SOURCE / name).read_bytes())


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.output)
