"""Figure 3 of the paper: one slice under augmentation."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from qnet.explanation.cam_figures import mark
from qnet.figures import save
from qnet.images.augment import Augmentation, augment, centre_crop, pipeline
from qnet.images.normalise import Normalise

EPOCHS = 5
DPI = 110
TITLES = {"full": "full image", "crop": "cropped image"}


def samples(image: np.ndarray, params: Augmentation, seed: int, index: int) -> np.ndarray:
    """One image without augmentation and as the network meets it in its first epochs.

    Parameters
    ----------
    image : (3, S, S) float array in [0, 1]
    params : Augmentation
    seed, index : int
        The draws are those of training image number `index`.

    Returns
    -------
    (1 + EPOCHS, 3, C, C) float32 array in [0, 1]
        First the central crop, as in the test phase.
    """
    transform = pipeline(image.shape[-1], params)
    training_set = {index: image}
    drawn = [augment(training_set, [index], seed, epoch, transform)[0] for epoch in range(EPOCHS)]
    return np.stack([centre_crop(image, params), *drawn])


def scale(params: Normalise) -> tuple[tuple[float, float], str]:
    """What 0 and 1 of the QSM channel stand for, and its label."""
    if params.method == "window":
        return params.qsm_window_ppm, "QSM [ppm]"
    return (0, 1), "QSM, each image stretched to 0 … 1"


@matplotlib.rc_context({"font.size": 9})
def draw_samples(
    path: str | Path, rows: Mapping[str, np.ndarray], normalisation: Normalise, title: str, synthetic: bool
) -> None:
    """Draw one row of samples for each input.

    Parameters
    ----------
    path : PNG
    rows : name of the input → result of `samples`
    normalisation : Normalise
        How the images were made.
    title : str
    synthetic : bool
        Whether to mark the subject as simulated.
    """
    (low, high), label = scale(normalisation)
    columns = 1 + EPOCHS
    figure = Figure(figsize=(2 * columns + 1, 2.2 * len(rows) + 1.4), dpi=DPI, layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for row, (name, images) in zip(axes, rows.items(), strict=True):
        for column, (ax, image) in enumerate(zip(row, images, strict=True)):
            picture = ax.imshow(low + (high - low) * image[0], cmap="gray", vmin=low, vmax=high)
            ax.set_axis_off()
            ax.set_title(f"epoch {column}" if column else f"{TITLES[name]},\nnot augmented")
        mark(row[0])
    figure.colorbar(picture, ax=axes.ravel().tolist(), label=label, shrink=0.8)
    note = (
        "R: the subject's right (radiological view). Flips and rotations change the sides, so augmented images bear no "
        "marks."
    )
    save(path, figure, synthetic, title, note)
