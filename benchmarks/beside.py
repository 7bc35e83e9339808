"""Two builds beside each other: which of their files differ, and the table of what they cost."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.usage import compared


def differing(one: Path, other: Path, pattern: str, content: Callable[[Path], bytes] = Path.read_bytes) -> list[str]:
    """Names of the files of a pattern below two folders that are not in both, or have other content."""
    names = {path.relative_to(folder) for folder in (one, other) for path in folder.rglob(pattern)}
    return sorted(
        str(name)
        for name in names
        if not ((one / name).is_file() and (other / name).is_file()) or content(one / name) != content(other / name)
    )


def told(runs: Mapping[str, Sequence[pd.DataFrame]], unlike: Sequence[str], what: str, path: Path) -> int:
    """Write and print what two builds cost and the names of the files in which they differ.

    Parameters
    ----------
    runs : tables of `command_usage` by build, the older first
    unlike : see `differing`
    what : content of these files, for messages
    path : of the table

    Returns
    -------
    status : of the exit, 1 where anything differs
    """
    table = compared(*runs.values())
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", float_format="%.3g", na_rep="n/a")
    print(table.to_string(float_format=lambda x: f"{x:.3g}", na_rep=""))
    print("\n".join(f"{name}: expected the same {what} in both builds, found others" for name in unlike))
    return int(bool(unlike))
