"""Networks that see all slices of a scan at once: their form, that they learn, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from qnet.images.data import write_stack
from qnet.images.normalise import normalise
from qnet.networks.model import prepare_torch
from qnet.networks.names import NETWORKS, check_start, convolves_two_planes, sees_scans
from qnet.networks.predict import embed, image_scores
from qnet.networks.train import train_image_model, training_images
from qnet.networks.volumes import new_network
from qnet.networks.weights import read_image_model, read_network, write_weights
from qnet.site_windows import to_common_scale
from tests.qnet.settings import STRETCH, WINDOW
from tests.qnet.toy import ALL, PARAMS, SIZE, toy

SCANNING = [name for name in NETWORKS if sees_scans(name)]
SLICES = 3


@pytest.fixture(scope="module", autouse=True)
def device():
    return prepare_torch(1)


def scans(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scans (N, T, 3, S, S) of which one slice tells the class, and labels (N,)."""
    images, labels = toy(count, seed)
    noise = np.random.default_rng(seed).uniform(0.2, 0.4, (count, SLICES, 3, SIZE, SIZE)).astype(np.float16)
    noise[:, 1] = images
    return noise, labels


@pytest.mark.parametrize("name", SCANNING)
def test_each_slice_gets_maps_that_know_the_other_slices(name):
    torch.manual_seed(0)
    model, images = new_network(name).eval(), torch.rand(2, 5, 3, 28, 28)
    with torch.inference_mode():
        maps, whole = model.feature_maps(images), model(images)
        alone = model(images[1])
        changed = images.clone()
        changed[:, 4] = 0
        moved = (model(changed) - whole).abs().amax(2)
    assert maps.shape[:3] == (2, 5, 512) and whole.shape == (2, 5, 2)
    torch.testing.assert_close(alone, whole[1], rtol=1e-4, atol=1e-5)  # a scan does not depend on its batch
    assert (moved[:, :4] > 0).any()


def test_a_transformer_reads_scans_of_any_size_and_number_of_slices():
    model = new_network("vit").eval()
    with torch.inference_mode():
        shapes = [model(torch.rand(slices, 3, side, side)).shape for slices, side in ((1, 28), (9, 196))]
    assert shapes == [(1, 2), (9, 2)]


@pytest.fixture(scope="module")
def trained(device):
    images, labels = scans(16, 0)
    params = replace(PARAMS, network="conv3d", epochs=8, learning_rate=3e-3, final_learning_rate=1e-3)
    params = replace(params, augmentation=replace(params.augmentation, brightness_contrast=0.0, gamma=0.0))
    return train_image_model(images, labels, params, ALL, 0, device, None, [f"sub-{i:02d}" for i in range(16)])


def test_a_small_network_learns_what_one_slice_tells(trained):
    _, average, records = trained
    images, labels = scans(12, 1)
    scores = np.array([image_scores(average, scan[..., 2:-2, 2:-2].astype(np.float32)).mean() for scan in images])
    assert len(records) == 8 and scores[labels == 1].min() > scores[labels == 0].max()


def test_a_network_comes_back_from_its_file(trained, tmp_path):
    model, scan = trained[0], scans(2, 2)[0][0].astype(np.float32)
    write_weights(tmp_path / "model.safetensors", model, {"network": "conv3d"})
    read, about = read_network(tmp_path / "model.safetensors")
    assert about["network"] == "conv3d"
    np.testing.assert_array_equal(embed(read, scan), embed(model, scan))
    with pytest.raises(ValueError, match="model.safetensors: expected the weights of a ResNet18, found .* conv3d"):
        read_image_model(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("name", "slices", "expected"),
    [("r3d_18", 7, True), ("r3d_18", 17, False), ("mc3_18", 7, False), ("conv3d", 2, True), ("vit", 2, False)],
)
def test_networks_with_layers_over_two_planes_are_told(name, slices, expected):
    assert convolves_two_planes(name, slices) == expected


def test_scans_of_different_lengths_are_refused(tmp_path):
    paths = {name: str(tmp_path / f"{name}_stack.npz") for name in ("sub-01", "sub-02")}
    for path, count in zip(paths.values(), (3, 4), strict=True):
        write_stack(path, {"crop": np.ones((count, 3, 8, 8), np.float32), "slice": np.arange(count)})
    with pytest.raises(ValueError, match="sub-02.*expected 3 slices as in other scans.*found 4"):
        training_images(dict.fromkeys(paths, 0), paths, "crop", STRETCH, whole_scans=True)


def test_whole_scans_are_read_through_the_window_of_their_site(tmp_path):
    path, values = str(tmp_path / "sub-01_stack.npz"), np.full((3, 3, 8, 8), 0.1, np.float32)
    write_stack(path, {"crop": values, "slice": np.arange(3)})
    plain, window = WINDOW, {"sub-01": [0.02, 2.0, 0.0, 1.0]}
    given = ({"sub-01": 1}, {"sub-01": path}, "crop", plain)
    images, *_ = training_images(*given, window, whole_scans=True)
    expected = normalise(to_common_scale(values, window["sub-01"]), plain)
    np.testing.assert_allclose(images, expected[None], atol=5e-4)
    assert not np.allclose(training_images(*given, whole_scans=True)[0], expected, atol=0.1)


@pytest.mark.parametrize(("name", "weights", "trainable"), [("vit", "imagenet", "all"), ("conv3d", "none", "head")])
def test_weights_of_a_slice_network_are_refused(name, weights, trainable):
    with pytest.raises(ValueError, match=f"network {name}: expected weights: none and trainable: all"):
        check_start(name, weights, trainable)
    with pytest.raises(ValueError, match="expected one of resnet18, .*found 'resnet50'"):
        check_start("resnet50", weights, trainable)
