"""The augmentations of `qnet.images.augment` for a whole batch at once, on whichever device the images lie.

Same operations, order and distributions as the pipeline of albumentations, but other draws. A draw is a hash
of (seed, epoch, image) and a counter, computed on the device: it depends on nothing else, whatever the batches,
and there is no generator to save or to wait for. Noise comes after the crop, where it costs less.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from qnet.images.augment import Augmentation, crop_size, seed_of

# SplitMix64 (Steele et al. 2014, doi:10.1145/2660193.2660195); its constants as the signed integers of torch
GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
MIX = ((30, 0xBF58476D1CE4E5B9 - (1 << 64)), (27, 0x94D049BB133111EB - (1 << 64)), (31, 1))
NOISE_START = 1 << 32  # numbers of a stream from here on are noise, those before are parameters


def _mix(state: Tensor) -> Tensor:
    """Hash of 64-bit integers: all bits of the result depend on all bits of `state`."""
    for shift, factor in MIX:
        upper = (state >> shift) & ((1 << (64 - shift)) - 1)  # torch shifts the sign in: mask it out
        state = (state ^ upper) * factor
    return state


def keys_of(index: Tensor, seed: int, epoch: int) -> Tensor:
    """One well-mixed 64-bit key for each image index (below 2^32) → like `index`."""
    return _mix(((seed_of(seed, epoch) - (1 << 31)) << 32) + index)


def numbers(keys: Tensor, count: int, start: int = 0) -> Tensor:
    """Numbers `start` … `start + count - 1` of the stream of each key (B,), 64 random bits → (B, count) int64."""
    return _mix(keys[:, None] + GOLDEN * torch.arange(start + 1, start + count + 1, device=keys.device))


def uniform(bits: Tensor) -> Tensor:
    """The lower 24 bits as float32, uniform in [0, 1)."""
    return (bits & 0xFFFFFF).float() / (1 << 24)


def normal(keys: Tensor, count: int) -> Tensor:
    """Standard normal numbers by Box and Muller (doi:10.1214/aoms/1177706645) → (B, count) float32."""
    bits = numbers(keys, math.ceil(count / 2), NOISE_START)
    radius, angle = (-2 * torch.log1p(-uniform(bits))).sqrt(), 2 * math.pi * uniform(bits >> 24)
    return torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)[:, :count]


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What was drawn for a batch; where a change does not take place its value is neutral."""

    flip: Tensor  # (B, 2) bool, along x and y
    contrast: Tensor  # (B,) factor, neutral 1
    brightness: Tensor  # (B,) added
    gamma: Tensor  # (B,) exponent, neutral 1
    maps: Tensor  # (B, 2, S) where grid distortion takes each column (x) and row (y) from [pixels]
    shift: Tensor  # (B, 2) x and y, whole [pixels]
    scale: Tensor  # (B,) neutral 1
    rotate: Tensor  # (B,) anticlockwise in the picture [rad]
    corner: Tensor  # (B, 2) x and y of the crop's first pixel
    noise_sd: Tensor  # (B,)


def distortion_maps(steps: Tensor, size: int) -> Tensor:
    """Where grid distortion takes each column, or row, from.

    As in albumentations: n cells of floor(S / n) pixels and a smaller last one are widened by `steps`, then all
    scaled together to the side S. The first and the last pixel of a cell come from its edges.

    Parameters
    ----------
    steps : (…, n + 1) float tensor
        Relative widths of the cells.
    size : int
        S, at least n².

    Returns
    -------
    (…, S) float tensor, 0 … S [pixels]
    """
    cells = steps.shape[-1] - 1
    pixels = size // cells
    widths = (size - pixels * torch.arange(cells + 1, device=steps.device)).clamp(max=pixels)  # (n + 1,)
    edges = pad((steps * widths).cumsum(-1), (1, 0))  # (…, n + 2)
    edges = edges * (size / edges[..., -1:])
    column = torch.arange(size, device=steps.device)
    cell = column // pixels
    part = (column % pixels) / (widths[cell] - 1).clamp(min=1)  # 0 … 1
    return edges[..., cell].lerp(edges[..., cell + 1], part)


def draw(keys: Tensor, size: int, params: Augmentation) -> Draws:
    """Draw the parameters of all changes for images of side `size` from their keys (B,)."""
    u = uniform(numbers(keys, 16 + 2 * (params.grid_steps + 1))).T  # (numbers, B)
    contrast, brightness, gamma, scale, rotate = u[7:12]
    recoloured, distorted, moved = (
        u[0] < params.brightness_contrast,
        u[1] < params.grid_distortion,
        u[2] < params.shift_scale_rotate,
    )

    def around_zero(number: Tensor, limit: float) -> Tensor:
        return limit * (2 * number - 1)

    low, high = params.gamma_range
    steps = 1 + around_zero(u[16:], params.grid_limit).T.unflatten(1, (2, -1))  # (B, 2, n + 1)
    straight = torch.arange(size, device=keys.device, dtype=torch.float32)
    places = size - crop_size(size, params) + 1  # of the crop along a side
    return Draws(
        flip=torch.stack([u[3] < params.horizontal_flip, u[4] < params.vertical_flip], 1),
        contrast=1 + recoloured * around_zero(contrast, params.contrast_limit),
        brightness=recoloured * around_zero(brightness, params.brightness_limit),
        gamma=torch.where(u[5] < params.gamma, low + (high - low) * gamma, 1),
        maps=torch.where(distorted[:, None, None], distortion_maps(steps, size), straight),
        shift=moved[:, None] * around_zero(u[12:14].T, params.shift_limit * size).trunc(),
        scale=1 + moved * around_zero(scale, params.scale_limit),
        rotate=moved * around_zero(rotate, math.radians(params.rotate_limit_deg)),
        corner=(places * u[14:16].T).floor(),
        noise_sd=(u[6] < params.noise) * params.noise_sd,
    )


def mirror(points: Tensor, size: int) -> Tensor:
    """Reflect coordinates about the centres of the first and the last pixel into 0 … size - 1."""
    last = size - 1
    return last - (points.remainder(2 * last) - last).abs()


def sources(draws: Draws, size: int, side: int) -> Tensor:
    r"""Where in the image each pixel of the augmented crop comes from.

    Changes are undone from the last to the first: crop, shift-rotate-scale about the centre c, grid distortion
    with its maps m, flip:

    .. math:: q = c + R^{-1} (p - c - t) / s, \quad r = m(q)

    Returns
    -------
    (B, 2, C, C) float32 tensor
        x and y [pixels], in 0 … size - 1.
    """
    centre = (size - 1) / 2
    p = draws.corner[:, :, None] + torch.arange(side, device=draws.corner.device)  # (B, 2, C)
    p = p - centre - draws.shift[:, :, None]
    x, y = p[:, 0, None, :], p[:, 1, :, None]
    cos, sin = ((f(draws.rotate) / draws.scale)[:, None, None] for f in (torch.cos, torch.sin))
    q = mirror(centre + torch.stack([cos * x - sin * y, sin * x + cos * y], 1), size).flatten(2)
    left = q.floor().clamp(max=size - 2)
    below, above = (draws.maps.gather(2, left.long() + step) for step in (0, 1))
    r = mirror(torch.lerp(below, above, q - left), size).unflatten(2, (side, side))
    return torch.where(draws.flip[:, :, None, None], size - 1 - r, r)


def change(images: Tensor, draws: Draws, side: int) -> Tensor:
    """Apply all changes but noise: colours first, then one linear interpolation for the whole geometry.

    (B, 3, S, S) float32 in [0, 1] → (B, 3, C, C).
    """
    contrast, brightness, gamma = (
        value[:, None, None, None] for value in (draws.contrast, draws.brightness, draws.gamma)
    )
    coloured = (contrast * images + brightness).clamp(0, 1) ** gamma
    size = images.shape[-1]
    points = sources(draws, size, side).permute(0, 2, 3, 1)
    # grid_sample wants pixel i of S at (2 i + 1) / S - 1: exact in float32 when S is a power of two
    return grid_sample(coloured, (2 * points + 1) / size - 1, padding_mode="border", align_corners=False)


@torch.no_grad()
def augment_batch(images: Tensor, index: Tensor, seed: int, epoch: int, params: Augmentation) -> Tensor:
    """Augment a batch; an image changes in the same way in whatever batch it comes.

    Parameters
    ----------
    images : (B, 3, S, S) float16 or float32 tensor in [0, 1]
    index : (B,) int tensor
        Which of the training images these are.
    seed, epoch : int
    params : Augmentation

    Returns
    -------
    (B, 3, C, C) float32 tensor in [0, 1], on the device of `images`
    """
    keys = keys_of(index.to(images.device, non_blocking=True), seed, epoch)
    size = images.shape[-1]
    draws = draw(keys, size, params)
    out = change(images.float(), draws, crop_size(size, params))
    if params.noise and params.noise_sd:
        noise = normal(keys, out[0].numel()).view_as(out)
        out = (out + draws.noise_sd[:, None, None, None] * noise).clamp(0, 1)
    return out
