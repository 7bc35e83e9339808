"""Paths that Snakemake cannot take as they are: a brace stands for a wildcard there."""

from collections.abc import Iterable, Mapping

from recon.problems import Problem

EXPECTED = "a path of printable characters other than { and }, which the workflow takes for wildcards"


def odd_paths(files: Mapping[str, Iterable[str]]) -> dict[str, list[Problem]]:
    """A problem for every scan that has a file with such a path: the first one, as often the folder is the reason."""
    first = {name: next(filter(odd, paths), None) for name, paths in files.items()}
    return {name: [Problem(file, EXPECTED, _found(file))] for name, file in first.items() if file}


def odd(path: str) -> bool:
    """Whether a path has a character that Snakemake or a terminal takes for something else."""
    return not path.isprintable() or "{" in path or "}" in path


def _found(path: str) -> str:
    return ", ".join(dict.fromkeys(repr(c) for c in path if c in "{}" or not c.isprintable()))
