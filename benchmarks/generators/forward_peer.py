"""Run qsm-forward in its own environment: `python forward_peer.py IN.npz OUT.npz`."""

import sys

import numpy as np
from qsm_forward import (
    add_noise,
    crop_kspace,
    generate_field,
    generate_phase_offset,
    generate_shimmed_field,
    generate_signal,
)
from scipy import ndimage

TR_S, FLIP_ANGLE_DEG = 0.05, 15


def in_blocks(signal: np.ndarray, finer: np.ndarray) -> np.ndarray:
    """The signal moved so that `crop_kspace`, which keeps the middle of a first sub-voxel, keeps that of its block."""
    return np.fft.ifftn(ndimage.fourier_shift(np.fft.fftn(signal), -(finer - 1) / 2))


def main(source: str, target: str) -> None:
    """Field, shim, receive phase, signal, cropped k-space, noise: the steps of the package's `generate_bids`."""
    with np.load(source) as given:
        g = {name: given[name] for name in given.files}
    mask, spacing = g["mask"], g["spacing_mm"]
    finer = np.rint(g["voxel_size_mm"] / spacing).astype(int)
    dims = np.array(mask.shape) // finer
    split = [m for n, f in zip(dims, finer, strict=True) for m in (n, f)]

    def mean(values: np.ndarray) -> np.ndarray:
        return values.reshape(split).mean((1, 3, 5))

    brain = mean(mask.astype(float)) >= 0.5
    inside = brain.repeat(finer[0], 0).repeat(finer[1], 1).repeat(finer[2], 2)
    field = generate_field(g["chi"], mask, spacing, g["b0_dir"])
    local = generate_field(g["chi"] * inside, None, spacing, g["b0_dir"])
    _, field, _ = generate_shimmed_field(field, mask, order=2)
    offset = generate_phase_offset(g["M0"], mask, mask.shape)
    rng = np.random.default_rng(int(g["seed"]))
    echoes = []
    for te_s in g["te_s"]:
        signal = generate_signal(
            field,
            B0=float(g["b0_tesla"]),
            TR=TR_S,
            TE=te_s,
            flip_angle=FLIP_ANGLE_DEG,
            phase_offset=offset,
            R1=g["R1"],
            R2star=g["R2star"],
            M0=g["M0"],
        )
        echoes.append(add_noise(crop_kspace(in_blocks(signal, finer), dims), float(g["peak_snr"]), rng))
    signal = np.stack(echoes, -1)
    np.savez(
        target,
        magnitude=np.abs(signal),
        phase=np.angle(signal),
        brain=brain,
        chi_ppm=mean(g["chi"]),
        r2star_hz=mean(g["R2star"]),
        total_ppm=mean(field),
        local_ppm=np.where(brain, mean(local), 0),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
