"""An Apptainer definition of the locked environment.

The image holds Python and every package of requirements.lock, each with its hash checked, and no code of the project.
The code stays in the checkout, which is the working folder inside and outside: an edit re-runs what it touches and
needs no new image, and one image serves until the lock changes. An image runs as whoever starts it.
"""

import hashlib
import tomllib

import jinja2

from workflow.lib.home import HOME

BASE_NAME = "docker.io/library/python:3.11.13-slim-bookworm"
# That image's index in the registry. Apptainer takes a tag or a digest, not both.
BASE = "python@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1"
MODULES = (
    "albumentations", "dcm2niix", "fsl.wrappers", "matplotlib.pyplot", "nibabel", "nilearn.image",
    "nipype.interfaces.fsl", "pandas", "SimpleITK", "skimage.measure", "sklearn.svm", "torch", "torchvision",
    "isal.igzip",
)  # fmt: skip


def definition(lock: bytes, file: str) -> str:
    """The definition of an image with the packages of a lock.

    Parameters
    ----------
    lock : content of requirements.lock; its SHA-256 is checked where the image is built, so that a definition made from
        an older lock builds nothing
    file : path of requirements.lock from where the image will be built

    Returns
    -------
    str
        What ``apptainer build`` reads.
    """
    project = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    template = (HOME / "resources/q-net.def.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(template).render(
        base=BASE,
        base_name=BASE_NAME,
        version=project["version"],
        lock=file,
        lock_sha256=hashlib.sha256(lock).hexdigest(),
        modules=MODULES,
    )
