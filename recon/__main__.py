"""`python -m recon STAGE IN OUT [--set key=value …]`: one stage on a folder of files (`pipeline=consensus`: that arm).

Files: phase.nii.gz [rad, 4-D, wrapped], magnitude.nii.gz, mask.nii.gz, totalfield.nii.gz, localfield.nii.gz and
chimap.nii.gz [ppm], params.json with TE [s], B0 [T], B0_dir (unit vector in voxel axes) and voxel_size [mm], that of
the images. Stages that work in ppm (brain-mask, bfr, dipole) read neither TE nor B0, unless dipole weighs its data by
the magnitude of several echoes.
nuclei reads no params.json: chimap.nii.gz and, where there, t1w.nii.gz, r2star.nii.gz [1/s] and mask.nii.gz.
"""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import jsonschema
import numpy as np
import yaml

from recon.acquisition import Acquisition
from recon.background.stage import STAGE as LOCAL_FIELD
from recon.background.stage import local_field
from recon.check.phase import phase_quality
from recon.field.stage import field_precision, total_field
from recon.files.home import HOME
from recon.files.io import Volume, read_json, read_mask, read_volume, write_mask, write_volume
from recon.grid import Grid
from recon.intake.contents import value_problems
from recon.intake.headers import checked_header, edge_problems
from recon.intake.phase_scale import observe, radians_notes
from recon.inversion.stage import STAGE as DIPOLE_INVERSION
from recon.inversion.stage import dipole_inversion
from recon.mask.stage import brain_mask
from recon.maths.finite import silent_where_bad
from recon.pipeline import SECTIONS, reconstruct
from recon.problems import IntakeError, Problem, ProblemError
from recon.registry import taken
from recon.relaxation.stage import STAGE as R2STAR_MAP
from recon.relaxation.stage import decay_maps, r2star_fit
from recon.settings import arm, shipped
from recon.unwrap.echoes import unwrap_straightened
from recon.unwrap.straighten import silenced

EVERY = ("TE", "B0", "B0_dir", "voxel_size")  # keys of params.json
CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True, kw_only=True)
class Folder:
    """An input folder of the contract."""

    path: Path

    def volume(self, name: str) -> Volume:
        """A volume as it is, whose header is in order; every stage takes what is not finite for unknown."""
        path = self.path / f"{name}.nii.gz"
        checked_header(path)
        return read_volume(path)

    def has(self, name: str) -> bool:
        """Whether the folder holds a volume of that name."""
        return (self.path / f"{name}.nii.gz").exists()

    def images(self, name: str) -> Volume:
        """A 4-D volume of whatever echoes; a single 3-D echo becomes one."""
        volume = self.volume(name)
        return volume if volume.data.ndim == 4 else replace(volume, data=volume.data[..., None])

    def echoes(self, name: str) -> Volume:
        """A 4-D volume with an echo for every echo time."""
        volume = self.images(name)
        expected, found = np.size(self._parameters(*EVERY)["TE"]), volume.data.shape[-1]
        if found != expected:
            raise ValueError(f"{self.path / name}.nii.gz: expected {expected} echoes (params.json), found {found}")
        return volume

    def phase(self) -> Volume:
        """The echoes of the phase, wrapped [rad]; what their values leave open is printed.

        IntakeError where they have another unit, or are no phase.
        """
        phase, path = self.echoes("phase"), self.path / "phase.nii.gz"
        echoes = {f"{path} (echo {i + 1})": phase.data[..., i] for i in range(phase.data.shape[3])}
        if problems := [found for name, raw in echoes.items() for found in value_problems(name, "phase", raw)]:
            raise IntakeError(problems)
        for note in radians_notes([observe(raw, name, None) for name, raw in echoes.items()]):
            print(note, file=sys.stderr)
        return phase

    def mask(self, like: Volume) -> np.ndarray:
        """The mask, on the grid of the volume that it belongs to."""
        path = self.path / "mask.nii.gz"
        checked_header(path)
        mask = read_mask(path)
        if mask.shape != like.data.shape[:3]:
            raise ValueError(f"{path}: expected the grid of the images {like.data.shape[:3]}, found {mask.shape}")
        return mask

    def grid(self, like: Volume) -> Grid:
        """Voxels, of the size of an image, and the direction of B0.

        TE and B0, in whose place other programs write 1 s and 3 T, are not read. IntakeError where the header of the
        image has another voxel size.
        """
        content = self._parameters("B0_dir", "voxel_size")
        b0_dir = np.asarray(content["B0_dir"], float)
        length = np.linalg.norm(b0_dir)
        grid = Grid(content["voxel_size"], b0_dir / length if length else b0_dir)
        where = f"{self.path / 'params.json'}, voxel_size"
        if problems := edge_problems(where, grid.voxel_size_mm, "the images", like.voxel_size_mm.tolist()):
            raise IntakeError(problems)
        return grid

    def acquisition(self, like: Volume) -> Acquisition:
        """Everything in params.json; see `grid`."""
        content, grid = self._parameters(*EVERY), self.grid(like)
        return Acquisition(
            te_s=tuple(np.atleast_1d(content["TE"]).astype(float).tolist()),
            b0_tesla=np.asarray(content["B0"], float).item(),
            b0_dir=grid.b0_dir,
            voxel_size_mm=grid.voxel_size_mm,
        )

    def _parameters(self, *names: str) -> dict:
        """The content of params.json; ValueError where one of the names is missing or holds no numbers."""
        path = self.path / "params.json"
        content = read_json(path)
        if missing := sorted(set(names) - content.keys()):
            raise ValueError(f"{path}: expected {', '.join(names[:-1])} and {names[-1]}, found no {', '.join(missing)}")
        for name in names:
            if not _numeric(content[name], scalar=name == "B0"):
                raise ValueError(f"{path}: expected numbers as {name}, found {content[name]!r}")
        return content


def _numeric(value: object, scalar: bool) -> bool:
    """Whether a JSON value is finite numbers, or one where it is a scalar."""
    try:
        numbers = np.asarray(value, float)
    except (TypeError, ValueError):
        return False
    return bool(np.isfinite(numbers).all()) and not (scalar and numbers.size != 1)


def run_brain_mask(source: Folder, out: Path, config: dict) -> None:
    magnitude = source.images("magnitude")
    write_mask(out / "mask.nii.gz", find_brain(magnitude.data, source.grid(magnitude), config), magnitude)


def find_brain(magnitude: np.ndarray, grid: Grid, config: dict) -> np.ndarray:
    """Brain mask of the configured echo of (X, Y, Z, echo) magnitudes."""
    return brain_mask(magnitude, grid, **config["brain_mask"])


def unwrapped(
    source: Folder,
    facts: Acquisition,
    phase_rad: np.ndarray,
    magnitude: np.ndarray | None,
    mask: np.ndarray,
    config: dict,
) -> tuple[np.ndarray, np.ndarray]:
    """Unwrapped (X, Y, Z, echo) phase [rad] of straightened echoes, and the (X, Y, Z) voxels on phase singularities.

    What the page of a scan says of its phase is printed.
    """
    te_s, voxel_size_mm = facts.te_s, facts.voxel_size_mm
    known = mask & np.isfinite(phase_rad).all(axis=-1)
    if not known.any():
        raise ProblemError([Problem(str(source.path), "finite phase in the mask", "none")])
    unwrapped_rad, singular = unwrap_straightened(
        phase_rad, magnitude, known, te_s, voxel_size_mm, config["unwrap_phase"], CORES
    )
    found = phase_quality(phase_rad, unwrapped_rad, magnitude, known, singular, te_s, voxel_size_mm)
    for said in (*found.warnings, *found.notes):
        print(said, file=sys.stderr)
    return unwrapped_rad, singular


def run_unwrap(source: Folder, out: Path, config: dict) -> None:
    phase = source.phase()
    magnitude = source.echoes("magnitude").data if source.has("magnitude") else None
    unwrapped_rad, _ = unwrapped(source, source.acquisition(phase), phase.data, magnitude, source.mask(phase), config)
    write_volume(out / "unwrapped.nii.gz", unwrapped_rad, phase)


def run_field_mapping(source: Folder, out: Path, config: dict) -> None:
    phase, magnitude = source.phase(), source.echoes("magnitude")
    mask, facts = source.mask(phase), source.acquisition(phase)
    if not (magnitude.data[mask] > 0).any():
        raise ValueError(f"{source.path / 'magnitude.nii.gz'}: expected signal in the mask, found none")
    measured = mask & np.isfinite(phase.data).all(axis=-1) & np.isfinite(magnitude.data).all(axis=-1)
    signal, phase_rad = silent_where_bad(magnitude.data, phase.data)
    unwrapped_rad, singular = unwrapped(source, facts, phase_rad, signal, measured, config)
    fit = taken(total_field, config["field_mapping"])  # one field, whatever the arm
    field_ppm = total_field(unwrapped_rad, silenced(signal, singular), mask, facts, **fit)
    write_volume(out / "totalfield.nii.gz", field_ppm, phase)


def run_bfr(source: Folder, out: Path, config: dict) -> None:
    field, magnitude = source.volume("totalfield"), None
    if "magnitude" in LOCAL_FIELD.needs(config["local_field"]) and source.has("magnitude"):
        magnitude = source.images("magnitude").data
    chosen = LOCAL_FIELD.chosen(config["local_field"])
    local_ppm, eroded = local_field(
        field.data, source.mask(field), source.grid(field), magnitude=magnitude, workers=CORES, **chosen
    )
    write_volume(out / "localfield.nii.gz", local_ppm, field)
    write_mask(out / "eroded_mask.nii.gz", eroded, field)


def run_dipole(source: Folder, out: Path, config: dict) -> None:
    field = source.volume("localfield")
    grid, mask, precision, magnitude = source.grid(field), source.mask(field), None, None
    if DIPOLE_INVERSION.needs(config["dipole_inversion"]) & {"precision", "magnitude"} and source.has("magnitude"):
        magnitude = source.echoes("magnitude").data
        single = magnitude.shape[-1] == 1  # its echo time cancels from the precision, which is relative
        precision = field_precision(magnitude, mask, (1.0,) if single else source.acquisition(field).te_s)
    chosen = DIPOLE_INVERSION.chosen(config["dipole_inversion"])
    chi_ppm = dipole_inversion(
        field.data, mask, grid, precision=precision, magnitude=magnitude, workers=CORES, **chosen
    )
    write_volume(out / "chimap.nii.gz", chi_ppm, field)


def run_end_to_end(source: Folder, out: Path, config: dict) -> None:
    phase, magnitude = source.phase(), source.echoes("magnitude")
    acquisition = source.acquisition(phase)
    mask = source.mask(phase) if source.has("mask") else find_brain(magnitude.data, acquisition.grid, config)
    maps = reconstruct(phase.data, magnitude.data, mask, acquisition, config, workers=CORES)
    write_volume(out / "chimap.nii.gz", maps.chi_ppm, phase)
    write_mask(out / "eroded_mask.nii.gz", maps.mask, phase)
    if maps.r2star_hz is not None:
        write_volume(out / "r2star.nii.gz", maps.r2star_hz, phase)


def run_r2star(source: Folder, out: Path, config: dict) -> None:
    magnitude, chosen = source.echoes("magnitude"), R2STAR_MAP.chosen(config["r2star_map"])
    te_s = source.acquisition(magnitude).te_s
    fit = r2star_fit(magnitude.data, source.mask(magnitude), te_s, workers=CORES, **chosen)
    write_volume(out / "r2star.nii.gz", fit.r2star_hz, magnitude)
    for suffix, data in decay_maps(fit, **taken(decay_maps, config["r2star_map"])).items():
        write_volume(out / f"{suffix.removesuffix('map').lower()}.nii.gz", data, magnitude)


def run_nuclei(source: Folder, out: Path, config: dict) -> None:
    from recon.regions import locate_files  # loads SimpleITK and pandas, which no other stage needs

    locate_files.run(source.path, out, config["locate_nuclei"]["method"])


@dataclass(frozen=True)
class Command:
    """A stage's function, the config sections that `--set` may change, and the one whose keys need no prefix."""

    run: Callable[[Folder, Path, dict], None]
    sections: tuple[str, ...]
    own: str | None


STAGES = {
    "brain-mask": Command(run_brain_mask, ("brain_mask",), "brain_mask"),
    "unwrap": Command(run_unwrap, ("unwrap_phase",), "unwrap_phase"),
    "field-mapping": Command(run_field_mapping, ("field_mapping", "unwrap_phase"), "field_mapping"),
    "bfr": Command(run_bfr, ("local_field",), "local_field"),
    "dipole": Command(run_dipole, ("dipole_inversion",), "dipole_inversion"),
    "end-to-end": Command(run_end_to_end, ("brain_mask", *SECTIONS), None),
    "r2star": Command(run_r2star, ("r2star_map",), "r2star_map"),
    "nuclei": Command(run_nuclei, ("locate_nuclei",), "locate_nuclei"),
}


def configure(stage: Command, settings: list[str]) -> dict:
    """The stage's sections of the shipped config with `settings` applied, checked against the schema.

    A setting is `key=value` or `section.key=value`; `pipeline=consensus` changes the arm first.
    """
    every = shipped()
    schema = yaml.safe_load((HOME / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    for setting in [s for s in settings if s.startswith("pipeline=")]:
        settings = [s for s in settings if s != setting]
        every = every | {"pipeline": setting.removeprefix("pipeline=")}
        check(schema, "pipeline", every["pipeline"])
    config = {section: dict(arm(every)[section]) for section in stage.sections}
    for setting in settings:
        name, separator, value = setting.partition("=")
        section, _, key = name.rpartition(".")
        owners = [s for s in stage.sections if key in config[s] and section in ("", s)]
        if not separator or not owners:
            choices = ", ".join(f"{s}.{k}" for s in stage.sections for k in config[s])
            raise ValueError(f"--set {setting}: expected key=value with one of {choices}")
        if len(owners) > 1 and stage.own not in owners:
            raise ValueError(f"--set {setting}: expected SECTION.{key} (sections {', '.join(owners)}), found {name}")
        config[stage.own if stage.own in owners else owners[0]][key] = yaml.safe_load(value)
    for section, values in config.items():
        check(schema, section, values)
    return config


def check(schema: dict, section: str, values: object) -> None:
    """Raise ValueError in the words of `--set` where a section of the config does not fit the schema."""
    try:
        jsonschema.validate(values, schema["properties"][section])
    except jsonschema.ValidationError as error:
        key = ".".join([section, *(str(p) for p in error.absolute_path)])
        raise ValueError(f"--set {key}: {error.message}") from None


def main(arguments: list[str] | None = None, prog: str = "python -m recon") -> int:
    """Run one stage; returns the exit status. `prog` is what the user typed."""
    about = (__doc__ or "").replace("python -m recon", prog)
    parser = argparse.ArgumentParser(prog=prog, description=about, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("source", metavar="IN", type=Path)
    parser.add_argument("out", metavar="OUT", type=Path)
    parser.add_argument("--set", metavar="key=value", action="append", default=[], dest="settings", nargs="+")
    options = parser.parse_args(arguments)
    stage = STAGES[options.stage]
    try:
        config = configure(stage, [setting for group in options.settings for setting in group])
        stage.run(Folder(path=options.source), options.out, config)
    except ValueError as error:
        print(f"recon {options.stage}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
