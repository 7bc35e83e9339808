"""The networks of stage 1 by name. This module imports no torch: settings are checked by it before any job."""

NETWORKS = ("resnet18", "r3d_18", "mc3_18", "conv3d", "vit")  # the first sees one slice, the others all of a scan


def sees_scans(network: str) -> bool:
    """Whether a network of `train_image_model.network` reads whole scans; ValueError where there is no such network."""
    if network not in NETWORKS:
        found = f'{network!r} (for example --config "train_image_model={{network: {NETWORKS[0]}}}")'
        raise ValueError(f"train_image_model.network: expected one of {', '.join(NETWORKS)}, found {found}")
    return network != NETWORKS[0]


def check_start(network: str, weights: str, trainable: str) -> None:
    """ValueError where a network that sees scans is to start from weights, or only its last layer is to be trained."""
    if sees_scans(network) and (weights, trainable) != ("none", "all"):
        expected = f"train_image_model.network {network}: expected weights: none and trainable: all"
        raise ValueError(f"{expected}, as it is trained from scratch, found weights: {weights}, trainable: {trainable}")


def convolves_two_planes(network: str, slices: int) -> bool:
    """Whether a 3-D convolution of the network is over two planes, of scans with `slices`.

    torch 2.15 leaves its weight gradient unset in bfloat16 on a CPU.
    """
    halved = {"r3d_18": 3, "mc3_18": 0, "conv3d": 0}  # how many times the slices are
    return network in halved and 2 in {-(-slices // 2**k) for k in range(halved[network] + 1)}
