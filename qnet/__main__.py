"""Statistics from tables of predictions alone: `python -m qnet evaluate`, `python -m qnet compare`."""

import argparse
from pathlib import Path

import jsonschema
import yaml

from qnet.evaluation import figure_set, forest_figure
from qnet.evaluation.cases import split_cases
from qnet.evaluation.contrasts import comparison_table
from qnet.evaluation.evaluate import evaluate
from qnet.evaluation.manifest import EVALUATE, TABLES, figures_of
from qnet.evaluation.settings import Evaluate, read_ceiling, read_people
from qnet.home import HOME
from qnet.predictions import LEVELS, read_predictions
from qnet.tables import write_table

CONFIG = HOME / "config" / "config.yaml"
SCHEMA = HOME / "workflow" / "schemas" / "config.schema.yaml"


def settings(changes: list[str]) -> Evaluate:
    """Section `evaluate` of the shipped configuration with KEY=VALUE changes, as its schema allows."""
    section = yaml.safe_load(CONFIG.read_text())["evaluate"]
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or key not in section:
            raise ValueError(f"--set: expected KEY=VALUE with KEY one of {', '.join(section)}, found '{change}'")
        section[key] = yaml.safe_load(value)
    try:
        jsonschema.validate(section, yaml.safe_load(SCHEMA.read_text())["properties"]["evaluate"])
    except jsonschema.ValidationError as error:
        place = ".".join(["evaluate", *map(str, error.absolute_path)])
        raise ValueError(f"--set {place}: expected what {SCHEMA.name} allows, found {error.message}") from None
    return Evaluate(**section)


def run_evaluate(options: argparse.Namespace) -> None:
    """Write every table and figure that the given files allow; say which ones they do not."""
    params = settings(options.changes)
    predictions = read_predictions(options.predictions)
    tables = evaluate(
        predictions,
        params,
        read_ceiling(options.ceiling) if options.ceiling else None,
        read_people(options.participants) if options.participants else None,
        read_predictions(*options.variants) if options.variants else None,
    )
    skipped = tuple(name for name, table in tables.items() if TABLES[name].needs and table.empty)
    for name in skipped:
        print(f"{name}: skipped, needs {TABLES[name].needs}")
    for name in tables.keys() - set(skipped):
        write_table(options.out / f"{name}.tsv", tables[name])
    paths = {name: options.out / f"{name}.png" for name in figures_of(EVALUATE, skipped)}
    figure_set.draw(paths, predictions, tables, params, options.synthetic or options.ceiling is not None)


def run_compare(options: argparse.Namespace) -> None:
    """Write comparison.tsv and comparison.png: two runs on the same subjects."""
    first, second = (
        [cases for level in LEVELS for cases in split_cases(read_predictions(path), level)]
        for path in (options.first, options.second)
    )
    one, two = options.names
    table = comparison_table(first, second, (one, two), settings(options.changes))
    write_table(options.out / "comparison.tsv", table)
    forest_figure.comparison(options.out / "comparison.png", table, options.synthetic)


def parser(prog: str) -> argparse.ArgumentParser:
    """Both commands and their options; `prog` is what the user typed before them."""
    top = argparse.ArgumentParser(prog=prog, description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    one = commands.add_parser("evaluate", help="rebuild every table and figure from predictions")
    one.add_argument("predictions", type=Path, help="TSV: participant_id slice label model level score")
    one.add_argument("out", type=Path, help="folder to write to")
    one.add_argument("--ceiling", type=Path, help="folder with ceiling.json and cohort.tsv of a simulation")
    one.add_argument("--participants", type=Path, help="folds.tsv of the run: age and sex, for confounds")
    one.add_argument("--variants", type=Path, nargs="+", help="predictions with a column variant, for the ablation")
    one.set_defaults(run=run_evaluate)
    two = commands.add_parser("compare", help="compare two runs on the same subjects")
    two.add_argument("first", type=Path, help="predictions of one run")
    two.add_argument("second", type=Path, help="predictions of the other")
    two.add_argument("out", type=Path, help="folder to write to")
    two.add_argument("--names", nargs=2, default=["first", "second"], help="names of the two runs")
    two.set_defaults(run=run_compare)
    for command in (one, two):
        command.add_argument("--synthetic", action="store_true", help="mark figures as made from simulated data")
        command.add_argument("--set", action="extend", nargs="+", default=[], dest="changes", metavar="KEY=VALUE")
    return top


def main(arguments: list[str] | None = None, prog: str = "python -m qnet") -> None:
    """Run one command; bad input ends in one line and exit status 2."""
    top = parser(prog)
    options = top.parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError) as error:
        top.exit(2, f"{prog} {options.command}: {' '.join(str(error).split())}\n")


if __name__ == "__main__":
    main()
