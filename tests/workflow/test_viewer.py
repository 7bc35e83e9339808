"""The viewer of a scan's page: what is under its crosshair is what the files hold, wherever the page is opened."""

import base64
import gzip
import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from recon.check.overview import Shown
from recon.check.viewer import NO_VALUE, Frame
from recon.files.io import Volume, packed_image, read_mask, read_volume, write_volume
from recon.maths.affine import orthonormal
from tests.workflow.browser import CHROMIUM, NO_WEBGL, SOFTWARE_WEBGL, told
from tests.workflow.test_report import assert_self_contained, make_page, scan_files
from workflow.lib.home import HOME
from workflow.lib.report.html import script
from workflow.lib.report.viewer import images_script, overlay_script
from workflow.scripts import viewer

NIIVUE_SHA256 = "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"  # dist/niivue.umd.js of 0.69.0
TILTED = np.array([[0.3, -3.9, 0.2, 70], [-3.9, -0.3, 0.9, 95], [-0.9, 0.2, -3.9, 60], [0, 0, 0, 1]], float)
OBLIQUE = orthonormal(TILTED, (40, 40, 40))
SHAPE = (7, 6, 5)
BRAIN = np.zeros(SHAPE, bool)
BRAIN[2:6, 1:4, 1:5] = True
BRAIN[2, 1, 1] = False


def shown(data: np.ndarray, unit: str = "ppm") -> Shown:
    return Shown(title="χ", caption="", volume=Volume(data=data, affine=OBLIQUE), window=(0, 1), unit=unit)


FRAME = Frame.about(BRAIN, OBLIQUE)


def stored(nifti: bytes, folder: Path) -> Volume:
    (folder / "layer.nii.gz").write_bytes(nifti)
    return read_volume(folder / "layer.nii.gz")


@pytest.mark.parametrize("largest", [1e-6, 0.3, 4e5])
def test_an_image_keeps_its_values_to_half_a_step_and_its_place(tmp_path, largest):
    data = largest * np.random.default_rng(0).uniform(-1, 1, SHAPE)
    data[3, 2, 2] = 0
    layer = FRAME.layer(shown(data))
    image = stored(layer.nifti, tmp_path)
    inside = np.abs(data[2:6, 1:4, 1:5])
    assert layer.step == pytest.approx(inside.max() / 32767, rel=1e-6)
    np.testing.assert_allclose(image.data, data[2:6, 1:4, 1:5], rtol=1e-6, atol=0.501 * layer.step)
    assert image.data[1, 1, 1] == 0 and FRAME.views([layer], {}).first_voxel == [2, 1, 1]
    np.testing.assert_allclose(image.affine @ [0, 0, 0, 1], OBLIQUE @ [2, 1, 1, 1], atol=1e-4)


def test_what_has_no_value_is_marked_as_such(tmp_path):
    data = np.ones(SHAPE)
    data[3, 2, 2] = np.nan
    susceptibility, phase = (FRAME.layer(shown(data, unit)) for unit in ("ppm", "rad"))
    marked = [np.rint(stored(x.nifti, tmp_path).data / x.step) == NO_VALUE for x in (susceptibility, phase)]
    assert np.argwhere(marked[0]).tolist() == [[1, 1, 1]]
    assert np.argwhere(marked[1]).tolist() == [[0, 0, 0], [1, 1, 1]]  # the phase outside the brain as well


def test_an_image_on_another_grid_is_refused():
    with pytest.raises(ValueError, match=r"viewer, Nuclei: expected .*\(7, 6, 5\), found \(7, 6, 4\)"):
        FRAME.views([], {"Nuclei": np.zeros((7, 6, 4), int)})


def test_regions_are_named_and_empty_ones_left_out():
    nuclei = np.zeros(SHAPE, int)
    nuclei[3, 2, 2], nuclei[4, 2, 2] = 4, 15
    overlays = FRAME.views([], {"Brain mask": BRAIN, "Nuclei": nuclei, "Box": BRAIN & False}).overlays
    assert [(overlay.title, overlay.names) for overlay in overlays] == [
        ("Brain mask", {1: "brain mask"}),
        ("Nuclei", {4: "putamen R", 15: "subthalamic_nucleus L"}),
    ]


def test_an_overlay_of_values_keeps_them_and_is_clear_where_there_are_none(tmp_path):
    values = np.random.default_rng(0).normal(size=SHAPE)
    values[3, 2, 2] = np.nan
    made = FRAME.heat("Class activation", "logit", values)
    image = stored(made.nifti, tmp_path)
    np.testing.assert_allclose(image.data, np.nan_to_num(values)[2:6, 1:4, 1:5], rtol=1e-6)
    np.testing.assert_allclose(image.affine @ [0, 0, 0, 1], OBLIQUE @ [2, 1, 1, 1], atol=1e-4)
    assert image.data[1, 1, 1] == 0 and 0 < made.largest <= np.abs(image.data).max()
    assert overlay_script(made).startswith('showOverlay({"title": "Class activation", "unit": "logit"')


def test_equal_images_are_equal_files():
    made = [packed_image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), OBLIQUE, 0.5) for _ in range(2)]
    assert made[0] == made[1] and len(gzip.decompress(made[0])) == 352 + 48


def test_the_images_are_a_script_that_any_browser_reads():
    text = images_script(FRAME.views([FRAME.layer(shown(np.ones(SHAPE)))], {"Brain mask": BRAIN}))
    found = json.loads(re.fullmatch(r"showImages\((.*)\);\n", text)[1])
    assert text.isascii() and base64.b64decode(found["layers"][0]["nifti"])[:2] == b"\x1f\x8b"


def test_the_program_is_the_release_that_its_licence_names(tmp_path):
    viewer.main(str(tmp_path / "niivue.js"), str(tmp_path / "LICENSE"))
    assert hashlib.sha256((tmp_path / "niivue.js").read_bytes()).hexdigest() == NIIVUE_SHA256
    licence = (tmp_path / "LICENSE").read_text("utf-8")
    assert NIIVUE_SHA256 in licence and "niivue 0.69.0" in licence and "BSD 2-Clause License" in licence


def test_the_page_asks_nobody_but_its_neighbours():
    code = str(script("viewer.js"))
    assert not re.search(r"fetch\(|XMLHttpRequest|https?:|innerHTML|eval\(|Storage|import", code)


OPENED = "await open(); const told = name => [...viewer.querySelectorAll(`.${name}`)].map(found => found.textContent);"
READ = (
    OPENED
    + """
const found = [], choose = (pane, index) => { pane.map.value = index; return pane.show(); };
for (const index of images.layers.keys()) {
  await choose(panes[0], index);
  for (const voxel of VOXELS) {
    panes[0].goTo(panes[0].nv.mm2frac(voxel));
    found.push([images.layers[index].title, images.layers[index].step, told("value")[0], told("place")[0]]);
  }
}
overlays.value = 4; await Promise.all(panes.map(pane => pane.show())); panes[0].goTo(panes[0].nv.mm2frac(VOXELS[1]));
found.push([overlays.selectedOptions[0].text, 0, told("value")[0], told("place")[0]]);
overlays.value = 2; await Promise.all(panes.map(pane => pane.show()));
for (const pane of panes) pane.goTo(pane.nv.mm2frac(VOXELS[0]));
const places = [told("place")[0]], canvas = panes[0].canvas;
canvas.scrollIntoView(); canvas.focus();
canvas.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowLeft", bubbles: true}));
places.push(...told("place"));
const box = canvas.getBoundingClientRect();
const at = {clientX: box.left + 0.3 * box.width, clientY: box.top + 0.25 * box.height, buttons: 1, bubbles: true};
canvas.dispatchEvent(new MouseEvent("mousedown", at)); canvas.dispatchEvent(new MouseEvent("mouseup", at));
await new Promise(done => setTimeout(done, 300));
places.push(...told("place"));
return [found, places, viewer.querySelector("#told").textContent];
"""
)


OBLIQUE_INDEX = np.arange(40.0**3).reshape(40, 40, 40) % 97  # differs between neighbours along every axis


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?", text.replace("−", "-"))]


def turned(files: dict[str, str]) -> None:
    """The scan on an oblique grid whose voxel axes point backwards, left and down, with a texture in every image."""
    texture = np.random.default_rng(1).uniform(0.7, 1, (40, 40, 40))
    for name in sorted(name for name, path in files.items() if path.endswith(".nii.gz")):
        data = read_volume(files[name]).data
        labels = name in ("mask", "box", "dseg", "reliable", "singular")
        data = data.astype(np.uint8) if labels else data * (texture if data.ndim == 3 else texture[..., None])
        write_volume(files[name], data, Volume(data=data, affine=OBLIQUE))


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """The page of a scan on an oblique grid, with the files of the viewer."""
    folder = tmp_path_factory.mktemp("page")
    files = scan_files(folder)
    turned(files)
    make_page(files, folder)
    viewer.main(str(folder / "viewer" / "niivue.js"), str(folder / "viewer" / "LICENSE"))
    overlay = overlay_script(
        Frame.about(read_mask(files["mask"]), OBLIQUE).heat("Class activation", "logit", 0.1 * OBLIQUE_INDEX)
    )
    (folder / "viewer" / "sub-01_class-activation-crop.js").write_text(overlay)
    return folder / "sub-01.html", files


@pytest.fixture(scope="module")
def webgl(tmp_path_factory) -> None:
    """Skips where no browser draws in three dimensions."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    probe = tmp_path_factory.mktemp("probe") / "probe.html"
    probe.write_text("<title></title><main></main>")
    if not told(probe, 'return [!!document.createElement("canvas").getContext("webgl2")];', *SOFTWARE_WEBGL)[0]:
        pytest.skip("Chromium offers no WebGL 2 here")


def test_in_a_browser_the_crosshair_tells_what_the_files_hold(webgl, page):
    html, files = page
    voxels = [[20, 20, 20], [12, 25, 18], [19, 9, 30], [28, 14, 11]]
    places_mm = [(OBLIQUE @ [*voxel, 1])[:3].tolist() for voxel in voxels]
    found, places, said = told(html, READ.replace("VOXELS", json.dumps(places_mm)), *SOFTWARE_WEBGL)
    assert said.startswith("The viewer is open")
    title, _, _, place = found.pop()
    evidence = 0.1 * OBLIQUE_INDEX[tuple(voxels[1])]
    assert title == "Class activation" and place.startswith(f"Class activation {evidence:.3f} logit")
    maps = {"Susceptibility χ": "chi", "R2*": "r2star", "T1-weighted": "t1w", "Local field": "local_field"}
    maps |= {"Magnitude": "magnitude", "Phase as acquired": "phase", "Unwrapped phase": "unwrapped"}
    units = {"Susceptibility χ": "ppm", "R2*": "1/s", "T1-weighted": "a.u.", "Local field": "Hz", "Magnitude": "a.u."}
    assert {title for title, *_ in found} == set(maps)
    echo = {"Magnitude": 1, "Local field": 2}
    order = [title for title, *_ in found][:: len(voxels)]
    first = order.index("Phase as acquired")  # the first echo, then the last
    for number, (title, step, value, place) in enumerate(found):
        voxel = voxels[number % len(voxels)]
        index = echo.get(title, 0 if number // len(voxels) < first + 2 else 2)
        data = read_volume(files[maps[title]]).data
        expected = float((data[..., index] if data.ndim == 4 else data)[tuple(voxel)])
        shown_value, *hz = numbers(value.split(" ")[0] + " " + " ".join(value.split("=")[1:]))
        assert shown_value == pytest.approx(expected, abs=step), (title, voxel)
        assert value.endswith(units.get(title, "rad"))
        if title == "Local field":
            assert hz[0] == pytest.approx(expected * 42.576 * 3, rel=1e-3)
        *at, x, y, z = numbers(place)
        assert at == voxel
        np.testing.assert_allclose([x, y, z], (OBLIQUE @ [*voxel, 1])[:3], atol=0.06)
    before, left, left_other, clicked, clicked_other = places
    assert before.startswith("caudate L") and left == left_other and clicked == clicked_other
    assert numbers(left)[3] - numbers(before)[3] == pytest.approx(3.9, abs=0.2)  # the patient's right is on the left
    assert clicked != left


def test_without_webgl_or_its_files_the_page_says_so_and_keeps_its_pictures(page, webgl, tmp_path):
    html = Path(shutil.copy(page[0], tmp_path))  # alone
    said = 'return [viewer.querySelector("#told").textContent, viewer.querySelector("#open").checkVisibility()];'
    text, button = told(html, said, *NO_WEBGL)
    assert "needs WebGL 2" in text and "pictures above" in text and not button
    text, _ = told(html, "await open();" + said, *SOFTWARE_WEBGL)
    assert "viewer/" in text and "is not beside this page" in text and "pictures above" in text


def test_pages_stay_small_and_stand_alone(page):
    html = page[0].read_text("utf-8")
    assert_self_contained(html)
    assert len(html) < 3e6 and "<noscript>" in html and (HOME / "resources/viewer/LICENSE").exists()


def test_the_page_has_what_the_program_of_the_viewer_asks_for(page):
    code = str(script("viewer.js"))
    ids, classes = set(re.findall(r'"#([\w-]+)"', code)), set(re.findall(r'(?:this|pane)\.find\("([\w-]+)"\)', code))
    classes |= set(re.findall(r'"([a-z]+)"', re.search(r"for \(const name of \[(.*?)\]\) this\.find", code)[1]))
    assert {"open", "told", "planes"} <= ids and {"map", "low", "high", "reset", "slices"} <= classes
    html = page[0].read_text("utf-8")
    section = html[html.index('<section id="viewer"') : html.index("</section>", html.index('<section id="viewer"'))]
    assert [name for name in ids if html.count(f'id="{name}"') != 1] == []
    assert [name for name in classes if section.count(f'class="{name}"') != 2] == [], "once a pane"
    for name in ("program", "images", "further"):
        assert f"viewer.dataset.{name}" in code and f'data-{name}="viewer/' in section
    labelled = re.sub(r"<label>.*?</label>", "", section, flags=re.S)
    assert "<select" not in labelled and "<input" not in labelled, "every control has its label"


def test_a_printed_page_has_its_pictures_and_no_viewer(page):
    html = page[0].read_text("utf-8")
    rules = " ".join(re.findall(r"@media print \{(.*?)\}\s*(?:</style>|\}|$)", html, re.S))
    assert re.search(r"#viewer[^{}]*\{ display: none", rules) and "break-inside: avoid" in html
    assert not re.search(r"(img|figure|table|\.banner|\.warning)[^{},]*\{[^}]*display: none", rules)
    assert html.count("data:image/png;base64,") > 5
