"""What Snakemake noted about every output of a run: who made it, from what, from when to when."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path


def notes(run: Path) -> Iterator[tuple[str, dict]]:
    """Path of every output of a run, results/NAME, from the project's folder, and the note on it.

    A note holds `rule`, `input` (paths), `log` (paths), `starttime` and `endtime` [s].
    """
    folder = run.parents[1] / ".snakemake" / "metadata"
    for note in sorted(filter(Path.is_file, folder.rglob("*"))):
        name = "".join(part.removeprefix("@") for part in note.relative_to(folder).parts)
        output = base64.urlsafe_b64decode(name).decode()
        if output.startswith(f"{run.parent.name}/{run.name}/"):
            yield output, json.loads(note.read_text(encoding="utf-8"))
