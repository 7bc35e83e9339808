"""Maps of simulated cohorts: `python -m benchmarks.cohorts OUT --seeds 1 2 --overlay simulate.subjects=96 …`.

Every subject runs through the scripts of the workflow, one after another in one process: the same files as a run of
Snakemake, without a start-up for each job. What stays of a subject are its maps, its labels of nuclei, their
statistics and the first echo.
"""

import argparse
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import yaml

from recon.files.io import read_volume, write_volume
from recon.settings import arm
from workflow.lib.run import chi_echoes
from workflow.lib.setup.paths import Paths
from workflow.lib.setup.variants import merged, preprocessed
from workflow.lib.study.simulated import planned_images, planned_series, scan_names

ROOT = Path(__file__).resolve().parents[1]
KEPT = (
    "stats.tsv", "chi.nii.gz", "r2star.nii.gz", "t1w.nii.gz", "dseg.nii.gz", "dseg.json", "mask.nii.gz",
    "first_echo.nii.gz",
)  # fmt: skip
TRUTH = ("chi", "r2star", "t1", "total_field", "local_field", "brain_mask", "nuclei")


def settings(overlays: Sequence[str]) -> dict:
    """The shipped configuration with overlays, files or `key.key=value`, in their order."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    for overlay in overlays:
        keys, equals, value = overlay.partition("=")
        changes = yaml.safe_load(value) if equals else yaml.safe_load(Path(overlay).read_text())
        for key in reversed(keys.split(".")) if equals else ():
            changes = {key: changes}
        config = merged(config, changes)
    return preprocessed(config)


def chain(config: dict, at, scripts) -> None:
    """Echoes `magnitude.nii`, `phase.nii`, `acquisition.json` of the folder → maps, nuclei and statistics there.

    Parameters
    ----------
    config : configuration of one arm
    at : name → path in the folder
    scripts : rule → `main` of its script
    """
    echoes = {"magnitude": at("magnitude.nii"), "acquisition": at("acquisition.json")}
    alone = {"threads": 1}
    scripts["brain_mask"](**echoes, mask=at("mask.nii.gz"), cfg=config["brain_mask"])
    mask = {"mask": at("mask.nii.gz")}
    trusted = {name: at(f"{name}.nii") for name in ("unwrapped", "reliable", "singular")}
    scripts["unwrap_phase"](**echoes, **mask, **trusted, phase=at("phase.nii"), cfg=config["unwrap_phase"], **alone)
    scripts["field_mapping"](
        **echoes, **trusted,
        field=at("field.nii"), precision=at("precision.nii"), cfg=config["field_mapping"],
    )  # fmt: skip
    scripts["local_field"](
        field=at("field.nii"), reliable=at("reliable.nii"), **echoes,
        local=at("local.nii"), eroded=at("eroded.nii"), cfg=config["local_field"], **alone,
    )  # fmt: skip
    r2star = {"r2star": at("r2star.nii.gz")}
    scripts["r2star_map"](**echoes, **mask, **r2star, misfit=at("misfit.nii.gz"), cfg=config["r2star_map"], **alone)
    scripts["dipole_inversion"](
        **echoes, local=at("local.nii"), eroded=at("eroded.nii"), **r2star, precision=at("precision.nii"),
        chi=at("chi_echoes.nii"), cfg=config["dipole_inversion"], **alone,
    )  # fmt: skip
    separate = config["field_mapping"]["echoes"] == "separate"
    numbers = chi_echoes(config, len(config["simulate"]["te_s"])) if separate else []
    echo_chi = [at(f"echo{number}.nii.gz") for number in numbers]
    scripts["combine_echoes"](
        chi_echoes=at("chi_echoes.nii"), **echoes, eroded=at("eroded.nii"), chi=at("chi.nii.gz"),
        echo_chi=echo_chi, cfg=config["combine_echoes"],
    )  # fmt: skip
    scripts["t1w_map"](**echoes, **mask, **r2star, t1w=at("t1w.nii.gz"), cfg=config["t1w_map"])
    maps = {"chi": at("chi.nii.gz"), "t1w": at("t1w.nii.gz"), **r2star}
    scripts["locate_nuclei"](
        **maps, **mask, acquisition=at("acquisition.json"), dseg=at("dseg.nii.gz"), box=at("box.nii.gz"),
        stats=at("stats.tsv"), scan="", cfg=config["locate_nuclei"],
    )  # fmt: skip
    first = read_volume(echoes["magnitude"])
    write_volume(at("first_echo.nii.gz"), first.data[..., :1], like=first)


def import_scripts() -> dict:
    """`main` of the script of every rule from echoes to the nuclei."""
    from importlib import import_module

    names = (
        "simulate_subject prepare_echoes brain_mask unwrap_phase field_mapping local_field r2star_map "
        "dipole_inversion combine_echoes t1w_map locate_nuclei"
    )
    return {name: import_module(f"workflow.scripts.{name}").main for name in names.split()}


def subject(label: str, config: dict, arms: Sequence[str], out: Path) -> float:
    """Simulate and reconstruct one subject with every arm that is not there yet → seconds."""
    start = time.perf_counter()
    missing = [pipeline for pipeline in arms if not (out / pipeline / f"sub-{label}_{KEPT[0]}").exists()]
    if not missing:
        return 0.0
    scripts = import_scripts()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")

        def at(name: str) -> str:
            return f"{scan}/{name}"  # URIs of BIDS need a folder of the subject

        scan, simulate = f"sub-{label}", config["simulate"]
        os.chdir(folder)
        Path(scan).mkdir()
        series = planned_series(simulate, Paths("x"), scan, -1)
        images = [image.format(folder=scan, scan=scan) for image in planned_images(simulate, series.parts, Paths("x"))]
        for image in images:
            Path(image).parent.mkdir(parents=True, exist_ok=True)
        truth = {name: at(f"true_{name}.nii.gz") for name in TRUTH}
        scripts["simulate_subject"](images=images, subject=label, cfg=simulate, **truth)
        prepared = [at(name) for name in ("magnitude.nii", "phase.nii", "acquisition.json")]
        scripts["prepare_echoes"](series.files, series.sidecars, *prepared, config["prepare_echoes"])
        for pipeline in missing:
            chain(arm(config | {"pipeline": pipeline}), at, scripts)
            (out / pipeline).mkdir(parents=True, exist_ok=True)
            for kept in reversed(KEPT):  # the first tells that a subject is done
                shutil.copy(at(kept), out / pipeline / f"{scan}_{kept}")
    return time.perf_counter() - start


def cohort(config: dict, arms: Sequence[str], out: Path, jobs: int) -> None:
    """All subjects of `config["simulate"]`, and what is known about them, below `out`; what is there is kept."""
    import_scripts()  # before the fork, so that every process has them
    from workflow.scripts.simulate_cohort import main as simulate_cohort

    out.mkdir(parents=True, exist_ok=True)
    known = ("participants.tsv", "participants.json", "description.json", "README", "cohort.tsv", "ceiling.json")
    simulate_cohort(*(str(out / name) for name in (*known, "truth.json", "ignore")), cfg=config["simulate"])
    labels = [name.removeprefix("sub-") for name in scan_names(config["simulate"])]
    with ProcessPoolExecutor(jobs) as pool:
        seconds = pool.map(partial(subject, config=config, arms=arms, out=out.resolve()), labels)
        for label, spent in zip(labels, seconds, strict=True):
            print(f"{out.name}: sub-{label} of {len(labels)}, {spent:.1f} s", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """One folder a cohort: OUT/NAME-SEED/ARM/sub-XX_chi.nii.gz …"""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cohorts", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--overlay", nargs="*", default=[], help="YAML files or key.key=value")
    parser.add_argument("--preset", help="simulate.preset; that of the overlays by default")
    parser.add_argument("--name", help="of the cohorts; the preset by default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--subjects", type=int, help="simulate.subjects; that of the overlays, else 96")
    parser.add_argument("--arms", nargs="+", default=["paper"], choices=["paper", "consensus"])
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    chosen = parser.parse_args(arguments)
    own = {"preset": chosen.preset, "subjects": chosen.subjects}
    config = settings(["simulate.preset=paper", "simulate.subjects=96", *chosen.overlay])
    simulate = config["simulate"] | {key: value for key, value in own.items() if value is not None}
    for seed in chosen.seeds:
        name = f"{chosen.name or simulate['preset']}-{seed}"
        cohort(config | {"simulate": simulate | {"seed": seed}}, chosen.arms, chosen.out / name, chosen.jobs)


if __name__ == "__main__":
    main()
