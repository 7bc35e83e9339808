"""Figure 3: samples are what training sees, on a page that says what it shows."""

from dataclasses import asdict
from runpy import run_path

import numpy as np
import pytest
from matplotlib.figure import Figure

from qnet.explanation.samples import EPOCHS, draw_samples, samples
from qnet.images.augment import augment, centre_crop, pipeline
from qnet.labels import RESEARCH_USE, SYNTHETIC
from tests.qnet.settings import PAPER, QUANTITATIVE, STRETCH, WINDOW


@pytest.fixture
def images():
    return np.random.default_rng(0).random((5, 3, 32, 32), dtype=np.float32)


def words(figure: Figure) -> str:
    """All text of a figure, its colour bars included."""
    return " | ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


@pytest.fixture
def drawn(monkeypatch):
    """Figures as they would be written, labels and all."""
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **options: figures.append(figure) or path.touch())
    return figures


def test_samples_are_the_central_crop_and_the_images_of_the_first_epochs(images):
    out = samples(images[3], PAPER, 7, 3)
    np.testing.assert_array_equal(out[0], centre_crop(images[3], PAPER))
    transform = pipeline(32, PAPER)
    for epoch in range(EPOCHS):
        np.testing.assert_array_equal(out[1 + epoch], augment(images, [3], 7, epoch, transform)[0])


@pytest.mark.parametrize(("params", "label", "limits"), [(WINDOW, "QSM [ppm]", (-0.1, 0.25)),
                                                         (STRETCH, "stretched to 0 … 1", (0, 1))])  # fmt: skip
def test_grey_values_have_a_scale_with_its_unit(drawn, images, tmp_path, params, label, limits):
    draw_samples(tmp_path / "samples.png", {"full": samples(images[0], QUANTITATIVE, 0, 0)}, params, "title", False)
    assert label in words(drawn[0])
    picture = drawn[0].axes[0].images[0]
    assert picture.get_clim() == limits
    low, high = limits
    np.testing.assert_allclose(
        picture.get_array(), low + (high - low) * centre_crop(images[0, 0], QUANTITATIVE), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("synthetic", [True, False])
def test_page_says_what_it_is(drawn, images, tmp_path, synthetic):
    draw_samples(tmp_path / "samples.png", {"crop": samples(images[0], PAPER, 0, 0)}, STRETCH, "title", synthetic)
    assert (SYNTHETIC in words(drawn[0])) is synthetic
    assert RESEARCH_USE in words(drawn[0])
    marks = [{text.get_text() for text in ax.texts} for ax in drawn[0].axes]
    assert marks[0] == set("RLAP")
    assert not any(marks[1:])  # the sides of augmented images are unknown


def test_script_draws_both_inputs_the_same_every_time(repository, tmp_path, images):
    stack = tmp_path / "sub-01_stack.npz"
    np.savez(stack, full=images, crop=images, slice=np.arange(5))
    cfg = {"normalise": asdict(WINDOW), "augmentation": asdict(QUANTITATIVE), "seed": 0, "synthetic": True}
    main = run_path(str(repository / "workflow" / "scripts" / "augmentation_samples.py"))["main"]
    for name in ("a.png", "b.png"):
        main(stack=str(stack), figure=str(tmp_path / name), cfg=cfg)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
