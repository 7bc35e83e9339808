"""The examples in README and docstrings run as they are printed."""

import doctest
import importlib
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = [  # of the reconstruction in Python
    text
    for page in PAGES
    for text in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    if "from recon" in text
]
DOCUMENTED = ["recon.grid", "recon.combine", "recon.background.spherical", "recon.inversion.division"]
DOCUMENTED += [f"recon.{name}.stage" for name in ("mask", "unwrap", "field", "background", "inversion", "relaxation")]


@pytest.mark.parametrize("module", DOCUMENTED)
def test_the_examples_of_public_functions_run(module):
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted and not found.failed


def test_the_printed_examples_give_a_map():
    assert EXAMPLES
    for text in EXAMPLES:
        names: dict = {}
        exec(text, names)
        assert names["chi_ppm"].shape == names["mask"].shape
        assert np.isfinite(names["chi_ppm"]).all()


def test_methods_work_with_three_arguments():
    from recon.background import lbv
    from recon.grid import Grid
    from recon.inversion import tkd

    x, y, z = np.indices((32, 32, 32)) - 16.0
    mask = x**2 + y**2 + z**2 < 12**2
    field_ppm = np.where(mask, 0.01 * x, 0).astype(np.float32)
    local_ppm, inner = lbv(field_ppm, mask, Grid((1, 1, 1)))
    assert tkd(local_ppm, inner, Grid((1, 1, 1))).shape == mask.shape
