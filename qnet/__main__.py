"""`python -m qnet evaluate PREDICTIONS.tsv OUT`: rebuild every table and figure from predictions alone."""

import argparse
from pathlib import Path

import yaml

from qnet import figures
from qnet.evaluate import Evaluate, evaluate, read_ceiling, write_table
from qnet.predictions import read_predictions

CONFIG = Path(__file__).parent.parent / "config" / "config.yaml"


def settings(changes: list[str]) -> Evaluate:
    """Section `evaluate` of the shipped configuration with KEY=VALUE changes."""
    section = yaml.safe_load(CONFIG.read_text())["evaluate"]
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or key not in section:
            raise ValueError(f"--set: expected KEY=VALUE with KEY one of {', '.join(section)}, found '{change}'")
        section[key] = yaml.safe_load(value)
    return Evaluate(**section)


def run_evaluate(predictions: Path, out: Path, ceiling: Path | None, changes: list[str]) -> None:
    """Write every table and figure into the folder `out`."""
    params = settings(changes)
    table = read_predictions(predictions)
    tables = evaluate(table, params, read_ceiling(ceiling) if ceiling else None)
    for name, content in tables.items():
        write_table(out / f"{name}.tsv", content)
    figures.roc(out / "roc_image.png", table, "image")
    figures.roc(out / "roc_scan.png", table, "scan")
    figures.auc_boxplot(out / "auc_boxplot.png", table, tables["delong"], params)


def main(arguments: list[str] | None = None) -> None:
    """Run one command; bad input ends in one line and exit status 2."""
    parser = argparse.ArgumentParser(prog="python -m qnet", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("evaluate", help="rebuild every table and figure from predictions")
    command.add_argument("predictions", type=Path, help="TSV: participant_id slice label model level score")
    command.add_argument("out", type=Path, help="folder to write to")
    command.add_argument("--ceiling", type=Path, help="folder with ceiling.json and cohort.tsv of a simulation")
    command.add_argument("--set", action="extend", nargs="+", default=[], dest="changes", metavar="KEY=VALUE")
    options = parser.parse_args(arguments)
    try:
        run_evaluate(options.predictions, options.out, options.ceiling, options.changes)
    except (ValueError, OSError) as error:
        parser.exit(2, f"python -m qnet {options.command}: {' '.join(str(error).split())}\n")


if __name__ == "__main__":
    main()
