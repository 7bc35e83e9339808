"""The networks of `dipole_inversion.method`, for their training: a small U-Net, alone or between steps of data.

:mod:`recon.inversion.unrolling` and :mod:`recon.inversion.direct` apply the trained weights with NumPy; the two sides
agree, as tests assert.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional as F

from qnet.images.augment import seed_of

Arrays = Mapping[str, Tensor]
Volume = TypeVar("Volume")
WIDE, DEEP = 48, 96  # channels at half and at a quarter of the resolution
SLOPE = 0.1  # of the leaky ReLU
UNIT = 0.2  # of the maps before the network: susceptibility varies several times as much as the field
SMOOTHING_VOXELS = (0.6, 1.5, 4.0)  # standard deviations of the smoother candidates
DOUBTED = 0.1  # residual over the field's spread at which half of a correction is made
LEAST_SHARE = 0.05  # of a Gaussian mean that lies in the mask
CANDIDATES = 2 + len(SMOOTHING_VOXELS)
DAMPING = 0.02  # of the division by the dipole, where the field has no noise
MAPS, SCALARS, GEOMETRY = 3, 7, 6  # read voxel by voxel; as means of 2 x 2 x 2; as numbers
LAYERS = 2  # at a quarter of the resolution
DATA_STEPS = 3  # after a network without steps between
DIRECT = {"maps": 2, "scalars": 2, "candidates": 1, "layers": 4}  # of a network without steps
SUB = 8  # voxels of a block of 2 x 2 x 2


def batches_of(
    volumes: Sequence[Volume], size: int, augmented: Callable[[Volume, np.random.Generator], Volume], seed: int
) -> Callable[[int], Iterator[tuple[Any, ...]]]:
    """Epoch → batches (indices, augmented volumes) in an order that follows from seed and epoch."""

    def of_epoch(epoch: int) -> Iterator[tuple[Any, ...]]:
        rng = np.random.default_rng(seed_of(seed, epoch))
        for batch in torch.from_numpy(rng.permutation(len(volumes))).split(size):
            yield batch, [augmented(volumes[i], rng) for i in batch]

    return of_epoch


def folded(volume: Tensor) -> Tensor:
    """(B, C, X, Y, Z) → (B, 8 C, X/2, Y/2, Z/2): voxels of a block become channels, the last axis fastest."""
    b, c, x, y, z = volume.shape
    blocks = volume.reshape(b, c, x // 2, 2, y // 2, 2, z // 2, 2).permute(0, 1, 3, 5, 7, 2, 4, 6)
    return blocks.reshape(b, SUB * c, x // 2, y // 2, z // 2)


def unfolded(volume: Tensor) -> Tensor:
    """The way back from :func:`folded`."""
    b, c, x, y, z = volume.shape
    blocks = volume.reshape(b, c // SUB, 2, 2, 2, x, y, z).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return blocks.reshape(b, c // SUB, 2 * x, 2 * y, 2 * z)


class Prior(nn.Module):
    """A U-Net of two levels: maps → a correction, and shares of the candidates, one a block."""

    def __init__(
        self, maps: int = MAPS, scalars: int = SCALARS, candidates: int = CANDIDATES, layers: int = LAYERS
    ) -> None:
        super().__init__()
        self.first = nn.Conv3d(SUB * maps + scalars, WIDE, 3, padding=1)
        self.geometry = nn.Linear(GEOMETRY, WIDE, bias=False)
        self.second = nn.Conv3d(WIDE, WIDE, 3, padding=1)
        self.down = nn.Conv3d(SUB * WIDE, DEEP, 1)
        self.deep = nn.ModuleList(nn.Conv3d(DEEP, DEEP, 3, padding=1) for _ in range(layers))
        self.up = nn.Conv3d(DEEP, SUB * WIDE, 1)
        self.third = nn.Conv3d(WIDE, WIDE, 3, padding=1)
        self.last = nn.Conv3d(WIDE, SUB + candidates, 3, padding=1)
        for layer in (self.first, self.second, self.down, *self.deep, self.up, self.third):
            nn.init.kaiming_normal_(layer.weight, SLOPE)
            nn.init.constant_(layer.get_parameter("bias"), 0)
        for parameter in (self.geometry.weight, *self.last.parameters()):
            nn.init.zeros_(parameter)  # the first correction is none

    def forward(self, maps: Tensor, scalars: Tensor, geometry: Tensor) -> tuple[Tensor, Tensor]:
        def active(x: Tensor) -> Tensor:
            return F.leaky_relu(x, SLOPE, inplace=True)

        x = torch.cat([folded(maps), F.avg_pool3d(scalars, 2)], 1).contiguous(memory_format=torch.channels_last_3d)
        x = active(self.first(x) + self.geometry(geometry)[:, :, None, None, None])
        kept = active(self.second(x))
        x = active(self.down(folded(kept).contiguous(memory_format=torch.channels_last_3d)))
        for layer in self.deep:
            x = active(layer(x))
        x = active(kept + unfolded(self.up(x)))
        x = active(self.third(x.contiguous(memory_format=torch.channels_last_3d)))
        own, shares = self.last(x).split([SUB, self.last.out_channels - SUB], 1)
        return unfolded(own), F.interpolate(shares, scale_factor=2)


class Dipole:
    """The field of a map in a box, by a kernel on a larger periodic grid."""

    def __init__(self, problem: Arrays) -> None:
        self.kernel, self.box = problem["dipole"], tuple(problem["start"].shape)
        self.periodic = tuple(int(n) for n in problem["periodic"])

    def forward(self, volume: Tensor) -> Tensor:
        """(X, Y, Z) → spectrum of the zero-filled volume."""
        return torch.fft.rfftn(volume, self.periodic)

    def inverse(self, spectrum: Tensor) -> Tensor:
        """Spectrum → (X, Y, Z)."""
        x, y, z = self.box
        return torch.fft.irfftn(spectrum, self.periodic)[:x, :y, :z]


def damped(problem: Arrays) -> Tensor:
    """Denominator of the division by the dipole: more where the field has more noise."""
    return problem["dipole"] ** 2 + DAMPING + problem["level"] ** 2


def asked(x: Tensor, problem: Arrays) -> Tensor:
    """What the data still ask for beyond a map, as far as their pull lets them: the residual, divided."""
    dipole = Dipole({"start": x, **problem})
    residual = problem["pull"] * (problem["field"] - dipole.inverse(dipole.kernel * dipole.forward(x)))
    return dipole.inverse(dipole.forward(residual) * (dipole.kernel / damped(problem)))


def candidates(x: Tensor, problem: Arrays) -> Tensor:
    r"""Maps of which the network takes a share, (CANDIDATES, X, Y, Z): g, c, and smoother versions of x less x.

    .. math:: g = \frac{D}{D^2 + \lambda} u (f - D x), \quad c = \frac{\lambda}{D^2 + \lambda} x,
              \quad \lambda = \lambda_0 + \sigma^2

    g is what the data still ask for, c what of a map they hardly say; sigma is the field's noise over its spread, so
    that the error of the field sets the strength.
    """
    dipole = Dipole(problem)
    unsaid = dipole.inverse(dipole.forward(x) * (1 - dipole.kernel**2 / damped(problem)))
    inside = problem["inside"].numpy()
    smoother = [torch.from_numpy(smoothed(x.numpy(), inside, sigma)) - x for sigma in SMOOTHING_VOXELS]
    return torch.stack([asked(x, problem), unsaid, *smoother])


def misfit(problem: Arrays) -> float:
    """Mean square of the start's residual where the data are believed, over that of the field's spread."""
    dipole = Dipole(problem)
    residual = problem["field"] - dipole.inverse(dipole.forward(problem["start"]) * dipole.kernel)
    return float((problem["pull"] * residual**2).sum() / problem["pull"].sum().clamp(min=1e-12))


def doubt(problem: Arrays) -> Tensor:
    """How far the start is to be corrected at all, 0 to 1: not where it explains the field without a residual."""
    return torch.tensor(misfit(problem) / (misfit(problem) + DOUBTED**2))


def smoothed(x: np.ndarray, inside: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian mean of what lies in the mask."""
    total, share = (gaussian_filter(v.astype(np.float32), sigma, truncate=3) for v in (x * inside, inside))
    return total / np.maximum(share, LEAST_SHARE)


def corrected(prior: Prior, x: Tensor, found: Tensor, problem: Arrays) -> Tensor:
    """One step: the map, the network's shares of the candidates, and its own correction, inside the mask."""
    inside = problem["inside"]
    maps = torch.asinh(UNIT * torch.stack([x, found[1], found[0]]))[None]
    scalars = torch.stack([inside, problem["pull"], problem["noise"], *problem["contrasts"]])[None]
    own, shares = prior(maps, scalars, problem["geometry"][None])
    return x + problem["doubt"] * inside * (own[0, 0].float() / UNIT + (shares[0].float() * found).sum(0))


class Unrolled(nn.ModuleList):
    """The trained steps, one :class:`Prior` each."""

    def forward(self, problem: Arrays) -> Tensor:
        """The map after the last step; arrays as :class:`recon.inversion.unrolling.Problem` has them."""
        x, problem = problem["start"], {"doubt": doubt(problem), **problem}
        for prior in self:
            assert isinstance(prior, Prior)
            x = corrected(prior, x, candidates(x, problem), problem)
        return x


def mapped(prior: Prior, arrays: Arrays) -> Tensor:
    """The map of a network without steps (`DIRECT`), arrays as in :func:`recon.inversion.direct.mapped`."""
    division, inside = arrays["division"], arrays["inside"]
    maps = torch.asinh(torch.stack([UNIT * division, arrays["field"]]))[None]
    scalars = torch.stack([inside, arrays["noise"]])[None]
    own, shares = prior(maps, scalars, arrays["geometry"][None])
    return inside * (own[0, 0].float() / UNIT + (1 + shares[0, 0].float()) * division)


def consistent(x: Tensor, arrays: Arrays) -> Tensor:
    """A map after steps towards the data, as :func:`recon.inversion.direct.consistent` takes them."""
    for _ in range(DATA_STEPS):
        x = arrays["inside"] * (x + asked(x, arrays))
    return x
