"""The BIDS-App form of the workflow: `q-net BIDS_DIR OUTPUT_DIR participant|group [OPTIONS]`."""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from qnet.labels import RESEARCH_USE
from recon.files.atomic import atomic
from workflow.cli.snakemake import ALL_CORES, SNAKEFILE, says_where, start
from workflow.lib.record.versions import project_version
from workflow.lib.setup.options import check_dotted
from workflow.lib.setup.results_folder import check_outside

TARGETS = {"participant": "maps", "group": "all"}
QUERY = "megre"  # the one kind of image that a filter file can speak of
USAGE = """q-net BIDS_DIR OUTPUT_DIR {participant,group} [OPTIONS] [ARGUMENTS OF SNAKEMAKE]
       q-net COMMAND [ARGUMENTS]"""
DESCRIPTION = """Q-Net: from raw multi-echo gradient echo images to susceptibility, R2* and T1-weighted maps, and to a
two-group diagnosis. {research_use}

commands (details: q-net COMMAND --help):
{commands}"""
EPILOG = """All other arguments are passed to Snakemake; put them after the three positional ones. Examples: --dry-run,
--use-conda, --workflow-profile slurm, or --config KEY=VALUE for any value of config.yaml.

examples:
  q-net /data/study /data/out participant --participant-label 01 02
  q-net /data/study /data/out group --nprocs 8 --mem 16"""


def main(words: Sequence[str], commands: Mapping[str, str]) -> None:
    """Become Snakemake on a BIDS dataset.

    Parameters
    ----------
    words : of the command line
    commands : what each of the sub-commands does, for the help

    Raises
    ------
    SystemExit
        The words cannot be understood, name no dataset, or would write into it.
    """
    top = parser(commands)
    if not words:
        top.exit(2, top.format_help())
    options, of_snakemake = top.parse_known_args(words)
    if not says_where(of_snakemake) and options.nprocs is None:
        of_snakemake = [*ALL_CORES, *of_snakemake]
    try:
        check_dotted(of_snakemake)
        start(*snakemake_words(options), *of_snakemake)
    except (OSError, ValueError) as error:
        top.exit(2, f"q-net: {error}\n")


def parser(commands: Mapping[str, str]) -> argparse.ArgumentParser:
    """All options, in groups."""
    listed = "\n".join(f"  {name:<14}{text}" for name, text in commands.items())
    about = DESCRIPTION.format(research_use=RESEARCH_USE, commands=listed)
    top = argparse.ArgumentParser(
        prog="q-net", usage=USAGE, description=about, epilog=EPILOG, add_help=False,
        allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    _positional(top.add_argument_group("positional arguments"))
    _queries(top.add_argument_group("options for filtering BIDS queries"))
    _performance(top.add_argument_group("options to handle performance"))
    _workflow(top.add_argument_group("workflow configuration"))
    _other(top.add_argument_group("other options"))
    return top


def _positional(group: argparse._ArgumentGroup) -> None:
    group.add_argument("bids_dir", metavar="BIDS_DIR", type=Path, help="folder of the raw dataset; never written to")
    group.add_argument("output_dir", metavar="OUTPUT_DIR", type=Path, help="folder of the results")
    group.add_argument(
        "level", metavar="{participant,group}", choices=TARGETS,
        help="participant: maps and a page per scan; group: these, then training, evaluation and report, which need "
        "age, sex and group in BIDS_DIR/participants.tsv",
    )  # fmt: skip


def _queries(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--participant-label", "--participant_label", nargs="+", metavar="LABEL", default=[],
        help="subjects to process, with or without sub- (default: all)",
    )  # fmt: skip
    group.add_argument(
        "--session-label", "--session_label", nargs="+", metavar="LABEL", default=[],
        help="sessions to process, with or without ses- (default: all)",
    )  # fmt: skip
    group.add_argument(
        "--bids-filter-file", metavar="FILE", type=Path,
        help='JSON with PyBIDS filters of the echo images, e.g. {"megre": {"acquisition": "hr", "run": 1}}',
    )  # fmt: skip
    group.add_argument(
        "-d", "--derivatives", nargs="+", metavar="NAME=PATH", default=[],
        help="datasets with your own brain masks, labels of nuclei and T1w images (default: BIDS_DIR/derivatives)",
    )  # fmt: skip


def _performance(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--nprocs", "--n-cpus", "--nthreads", metavar="N", type=int, help="processor cores to use (default: all)"
    )
    group.add_argument(
        "--mem",
        "--mem-gb",
        metavar="GB",
        type=float,
        help="memory of all jobs running at once [GB] (default: no limit)",
    )


def _workflow(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--pipeline", choices=("paper", "consensus"), help="arm of the reconstruction (default: that of config.yaml)"
    )
    group.add_argument(
        "--on-error", choices=("stop", "skip"),
        help="a scan that cannot be used: stop before any job, or leave it out and report it (default: stop)",
    )  # fmt: skip
    group.add_argument(
        "--configfile", nargs="+", metavar="FILE", type=Path, default=[], help="your own values of config.yaml"
    )
    group.add_argument(
        "-w", "--work-dir", metavar="WORK", type=Path,
        help="folder of intermediate files and of Snakemake's records (default: OUTPUT_DIR and its folder work)",
    )  # fmt: skip


def _other(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-h", "--help", action="help", help="show this help and exit")
    group.add_argument("--version", action="version", version=f"q-net {project_version()}", help="show the version")


def snakemake_words(options: argparse.Namespace) -> list[str]:
    """Snakemake's arguments for some options, after the folders of the run are there.

    Raises
    ------
    ValueError
        Folders or the filter file are not as they must be.
    OSError
        A folder cannot be made, a file cannot be read.
    """
    config = overlay(options)
    bids_dir, output_dir = Path(config["bids_dir"]), Path(config["output_dir"])
    work = options.work_dir.resolve() if options.work_dir else output_dir
    for name, folder in (("OUTPUT_DIR", output_dir), ("WORK", work)):
        check_outside(name, folder, bids_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    if options.work_dir:
        link_stages(output_dir / "work", work / "stages")
    file = work / ".snakemake" / "q-net.json"
    with atomic(file) as part:
        part.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    files = [*(str(path.resolve()) for path in options.configfile), str(file)]
    memory = [] if options.mem is None else ["--resources", f"mem_mb={round(1000 * options.mem)}"]
    cores = [] if options.nprocs is None else ["--cores", str(options.nprocs)]
    return [TARGETS[options.level], "--configfile", *files, "--directory", str(work), *memory, *SNAKEFILE, *cores]


def overlay(options: argparse.Namespace) -> dict:
    """The values of config.yaml that some options stand for."""
    bids_dir = options.bids_dir.resolve()
    if not bids_dir.is_dir():
        raise ValueError(f"{options.bids_dir}: expected a BIDS folder (BIDS_DIR), found none")
    config = {"dataset": dataset_name(bids_dir), "bids_dir": str(bids_dir), "dicom_dir": None}
    config |= {"output_dir": str(options.output_dir.resolve())}
    config |= {key: value for key in ("pipeline", "on_error") if (value := getattr(options, key))}
    if options.derivatives:
        config["derivatives"] = named_folders(options.derivatives)
    select = {"participants": options.participant_label, "sessions": options.session_label}
    select["filters"] = read_filters(options.bids_filter_file) if options.bids_filter_file else {}
    return config | {"select": {key: value for key, value in select.items() if value}}


def dataset_name(bids_dir: Path) -> str:
    """The folder's name, as far as the config allows its characters."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in bids_dir.name)
    return kept.lstrip("-_")[:100] or "bids"


def named_folders(pairs: Sequence[str]) -> dict[str, str]:
    """Absolute folder by name, of words NAME=PATH; a PATH alone is named `user`."""
    named = [pair.partition("=")[::2] if "=" in pair else ("user", pair) for pair in pairs]
    if len({name for name, _ in named}) < len(named):
        raise ValueError(f"--derivatives: expected NAME=PATH, each with a different NAME, found {' '.join(pairs)}")
    return {name: str(Path(path).resolve()) for name, path in named}


def read_filters(path: Path) -> dict:
    """The filters of the echo images in a filter file; the config's schema checks the entities."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, found {error}") from None
    if not isinstance(content, dict) or content.keys() - {QUERY} or not isinstance(content.get(QUERY, {}), dict):
        raise ValueError(f'{path}: expected {{"{QUERY}": {{ENTITY: LABEL, …}}}}, found {json.dumps(content)[:200]}')
    return content.get(QUERY, {})


def link_stages(link: Path, folder: Path) -> None:
    """Put intermediate files, which the workflow knows as OUTPUT_DIR/work, in WORK; existing ones stay there."""
    folder.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        link.unlink()
    if not link.exists():
        os.symlink(folder, link)
