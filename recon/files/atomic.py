"""Files that appear whole or not at all. Only the standard library, so that anything may import it."""

import glob
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEFT_OVER = re.compile(r"\.\d+\.partial\.")  # how the names below begin


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path` to write to; rename it to `path` when the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # the extension stays last, because writers choose the format from it
    temporary = path.with_name(f".{os.getpid()}.partial.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def left_over(path: str | Path) -> set[Path]:
    """Temporary files that killed writers of `path`, and of what differs from it by its extension, have left."""
    path = Path(path)
    ends = (glob.escape(path.name), glob.escape(path.name.split(".")[0]) + ".*")
    return {found for end in ends for found in path.parent.glob(f".*.partial.{end}") if LEFT_OVER.match(found.name)}
