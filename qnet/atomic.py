"""Files that appear whole or not at all; the twin of `recon.files.atomic`, as neither package imports the other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; it becomes `path` once the block has ended well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{os.getpid()}.partial.{path.name}")  # the extension stays last: it tells the format
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
