"""Maps of all subjects in template space → images, table and pictures of where the groups differ."""

import numpy as np
import pandas as pd
import pytest

from recon.files.io import Volume, read_json, read_volume, write_volume
from workflow.lib.report import cells, group_maps, report_data
from workflow.lib.report.group_maps_files import KINDS, images_of
from workflow.lib.report.html import filled
from workflow.scripts import group_maps as script

SHAPE = (16, 18, 14)
SETTINGS = {"make": True, "smoothing_mm": 3.0, "threshold_p": 0.01, "permutations": 49, "seed": 0}
PICTURES = ("group_maps_chi", "group_maps_r2star")
GROUPS = {"positive_label": "HH", "negative_label": "HC"}
PUTAMEN = (slice(2, 6), slice(8, 12), slice(5, 9))


@pytest.fixture
def grid(monkeypatch):
    """A small box of the template about the basal ganglia, instead of its whole brain."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -32, -18, -14
    found = Volume(data=np.ones(SHAPE, np.float32), affine=affine, codes=(4, 4))
    monkeypatch.setattr(group_maps, "template_grid", lambda: found)
    return found


def made(folder, grid, absent=()):
    """Write maps of ten subjects, five of which have more iron in the left putamen, and compare them."""
    rng = np.random.default_rng(0)
    files, people = {"chi": [], "r2star": []}, []
    for number in range(10):
        name, sick = f"sub-{number:02d}", number % 2
        people.append((name, "HH" if sick else "HC", sick, number % 5, 40 + number // 2, "F"))
        for kind, mean, more in (("chi", 0.05, 0.04), ("r2star", 30.0, 0.0)):
            data = mean * (1 + 0.1 * rng.standard_normal(SHAPE))
            data[PUTAMEN] += more * sick
            path = folder / f"{name}_space-MNI152NLin2009aSym_res-2_{kind}.nii.gz"
            write_volume(path, data * (name not in absent), grid)
            files[kind].append(str(path))
    columns = ["participant_id", "group", "label", "fold", "age", "sex"]
    pd.DataFrame(people, columns=columns).to_csv(folder / "folds.tsv", sep="\t", index=False)
    images = images_of(str(folder / "group_maps"), ("chi", "r2star"))
    script.main(
        files["chi"], files["r2star"], str(folder / "folds.tsv"), images, str(folder / "group_maps.tsv"),
        *(str(folder / f"{name}.png") for name in PICTURES), SETTINGS, GROUPS, True,
    )  # fmt: skip
    return pd.read_csv(folder / "group_maps.tsv", sep="\t", na_values=["n/a"])


def section_of(folder):
    """The section of the report that shows them."""
    cfg = {"participants": GROUPS, "evaluate": {"confidence": 0.95, "bootstrap": 50, "threshold": 0.5}}
    figures = report_data.pictures_of([str(folder / f"{name}.png") for name in PICTURES], cfg)
    tables = report_data.read_tables([str(folder / "group_maps.tsv")])
    return filled(
        "group_maps.html.j2", tables=tables, figures=figures, cells=cells, captions=report_data.captions_of(cfg),
        cfg=cfg | {"group_maps": SETTINGS},
    )  # fmt: skip


def test_a_report_without_them_has_no_section():
    absent = {"tables": report_data.read_tables([]), "figures": report_data.pictures_of([], {})}
    assert not filled("group_maps.html.j2", **absent).strip()


def test_more_iron_in_the_putamen_is_found_there_with_its_size_and_unit(tmp_path, grid):
    table = made(tmp_path, grid)
    first = table[table["map"] == "chi"].iloc[0]
    assert (first.direction, first.unit, first.nucleus, first.adjusted_for) == ("HH > HC", "ppm", "putamen L", "age")
    assert first.p == pytest.approx(1 / 50) and first.subjects == 10
    assert 0.01 < first.difference < 0.04 and first.effect > 2  # its mean: smoothing spreads it
    assert not (table[table["map"] == "r2star"]["p"] <= 0.02).any()
    assert all((tmp_path / name).stat().st_size > 5000 for name in (f"{picture}.png" for picture in PICTURES))
    found = {kind: read_volume(tmp_path / f"group_maps/chi_{kind}.nii.gz") for kind in KINDS}
    assert found["difference"].data.max() == pytest.approx(0.04, abs=0.01)
    gap = found["mean_positive"].data - found["mean_negative"].data
    np.testing.assert_allclose(found["difference"].data, gap, atol=5e-4)  # ages are alike in both groups
    assert (found["clusters"].data[PUTAMEN] == 1).mean() > 0.5
    np.testing.assert_allclose(found["t"].affine, grid.affine)
    section = section_of(tmp_path)
    assert "HH &gt; HC" in section and "putamen L" in section and section.count("<figure") == 2
    assert "49 permutations" in section and "Research use only" in section
    about = read_json(tmp_path / "group_maps/chi_difference.json")
    assert about["Units"] == "ppm" and "Research use only" in about["Note"]


def test_subjects_that_were_not_registered_are_left_out(tmp_path, grid):
    assert set(made(tmp_path, grid, absent=("sub-03",))["subjects"]) == {9}
