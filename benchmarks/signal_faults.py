"""What scanners do to the signal that no simulator does: a fault is a function of a sound scan.

`REQUIRED` are those of coil combination, 2-D acquisitions, filters, lesions and headers; `FURTHER` those of readouts,
motion, chemical shift, storage. Lengths u are in half the matrix from the brain's centre, angles in rad.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy import ndimage

from benchmarks.heads import Head
from recon.acquisition import GAMMA_HZ_PER_T
from recon.maths.wrap import wrap
from recon.phantom.field import forward_field

FAT_PPM, FAT_VOXELS = -3.4, 3  # chemical shift, and how far a readout displaces it
LESION_MM, LESION_PPM, LESION_HZ = 11.0, 1.0, 300.0  # radius, susceptibility and R2* of a haemorrhage
DRIFT_HZ = 6.0  # of the frequency from the first excitation to the last
BREATH_HZ = 2.0  # amplitude of the frequency over a breath
HIGHEST_RAD = np.pi / 4  # of Nyquist ghosts


@dataclass(frozen=True, kw_only=True)
class Scan:
    """Echoes (X, Y, Z, echo), what sidecars tell beside the head's facts, and what counts as no tissue."""

    head: Head
    magnitude: np.ndarray
    phase_rad: np.ndarray
    facts: dict = field(default_factory=dict)
    lesion: np.ndarray | None = None

    @property
    def signal(self) -> np.ndarray:
        """(X, Y, Z, echo) complex."""
        return self.magnitude * np.exp(1j * self.phase_rad)

    @property
    def te_s(self) -> np.ndarray:
        return np.array(self.head.acquisition.te_s)

    @property
    def echoes(self) -> range:
        return range(len(self.te_s))

    @cached_property
    def brain(self) -> np.ndarray:
        return self.head["brain"]

    @cached_property
    def u(self) -> list[np.ndarray]:
        """Three arrays that broadcast to (X, Y, Z)."""
        middle = np.argwhere(self.brain).mean(0)
        index = np.indices(self.brain.shape, np.float32, sparse=True)
        return [2 * (i - m) / n for i, m, n in zip(index, middle, self.brain.shape, strict=True)]

    def given(self, signal: np.ndarray, **facts: object) -> "Scan":
        """Another signal."""
        return replace(self, magnitude=np.abs(signal), phase_rad=np.angle(signal), facts=facts)

    def turned(self, phase_rad: Callable[[int], np.ndarray | float], **facts: object) -> "Scan":
        """With a phase of each echo on top of its own."""
        more = np.zeros_like(self.phase_rad)
        for echo in self.echoes:
            more[..., echo] = phase_rad(echo)
        return replace(self, phase_rad=wrap(self.phase_rad + more), facts=facts)

    def lines(self, weight: Callable[[np.ndarray, float], np.ndarray], axis: int) -> "Scan":
        """With the samples of k-space along `axis`, given from -1/2 on, multiplied by what depends on TE [s]."""
        n = self.brain.shape[axis]
        k = np.fft.fftfreq(n).reshape([-1 if a == axis else 1 for a in range(3)])
        signal = self.signal
        for echo, te_s in enumerate(self.te_s):
            spectrum = np.fft.fft(signal[..., echo], axis=axis)
            signal[..., echo] = np.fft.ifft(spectrum * weight(k, te_s), axis=axis)
        return self.given(signal)


def rng() -> np.random.Generator:
    """The same draws in every fault and head."""
    return np.random.default_rng(16)


def offsets(scan: Scan) -> Scan:
    """Each echo with a smooth offset of its own, up to the third order."""
    x, y, z = scan.u
    terms = [x, y, z, x * y, y * z, x * z, x**2 - z**2, y**2 - z**2, x * y * z]
    drawn = rng().normal(0, 0.6, (len(scan.te_s), len(terms)))
    return scan.turned(lambda echo: sum(a * term for a, term in zip(drawn[echo], terms, strict=True)))


def ramps(scan: Scan) -> Scan:
    """Each echo with a constant and a ramp of its own."""
    drawn = rng().normal(0, 0.3, (len(scan.te_s), 4))
    return scan.turned(lambda echo: drawn[echo, 0] + sum(a * u for a, u in zip(drawn[echo, 1:], scan.u, strict=True)))


def last_ramp(scan: Scan) -> Scan:
    """A steep ramp in the last echo."""
    x, y, _ = scan.u
    return scan.turned(lambda echo: (3 * x + 1.5 * y - 2.1) * (echo == scan.echoes[-1]))


def jump(scan: Scan) -> Scan:
    """The second echo turned by 2 rad."""
    return scan.turned(lambda echo: 2.0 * (echo == 1))


def slices(scan: Scan) -> Scan:
    """2-D: slices with an offset each, the same in all echoes."""
    return scan.turned(lambda _: rng().normal(0, 0.7, scan.brain.shape[2]), MRAcquisitionType="2D")


def interleaved(scan: Scan) -> Scan:
    """2-D: every second slice turned by a quarter."""
    return scan.turned(lambda _: np.arange(scan.brain.shape[2]) % 2 * np.pi / 2, MRAcquisitionType="2D")


def filtered(scan: Scan, window_mm: float = 4.0) -> Scan:
    """Homodyne high pass of every echo; the window leaves voxels of that size."""
    signal = scan.signal
    size = [
        min(n, round(n * mm / window_mm))
        for n, mm in zip(signal.shape[:2], scan.head.acquisition.voxel_size_mm[:2], strict=True)
    ]
    low = np.zeros(signal.shape[:2])
    corner = [(n - s) // 2 for n, s in zip(signal.shape[:2], size, strict=True)]
    low[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]] = np.outer(*map(np.hanning, size))
    smooth = np.fft.ifft2(np.fft.fft2(signal, axes=(0, 1)) * np.fft.ifftshift(low)[..., None, None], axes=(0, 1))
    return scan.given(signal * np.exp(-1j * np.angle(smooth)))


def haemorrhage(scan: Scan) -> Scan:
    """A ball in the white matter of the left that holds iron and no signal; it does not count for the scores."""
    facts = scan.head.acquisition
    place = np.argwhere(scan.brain).mean(0) + np.array([-28, 10, 20]) / facts.voxel_size_mm
    index = np.indices(scan.brain.shape, np.float32, sparse=True)
    away = sum(((i - p) * mm) ** 2 for i, p, mm in zip(index, place, facts.voxel_size_mm, strict=True))
    ball = ndimage.gaussian_filter((away < LESION_MM**2).astype(np.float32), 0.5) * scan.brain
    field_ppm = forward_field(LESION_PPM * ball, np.array(facts.voxel_size_mm), np.array(facts.b0_dir))
    noise = (
        float(np.median(scan.magnitude[..., 0][scan.brain])) / 40 * rng().standard_normal((2, *scan.magnitude.shape))
    )
    decay_hz = LESION_HZ * ball
    with_iron = scan.turned(lambda echo: field_ppm / facts.ppm_per_rad()[echo])
    signal = with_iron.signal * np.exp(-decay_hz[..., None] * scan.te_s)
    signal += (noise[0] + 1j * noise[1]) * (ball > 0.05)[..., None]
    return replace(scan.given(signal), lesion=ball > 0.01)


def frequency(scan: Scan) -> Scan:
    """A nominal field 3.6 % above the one that the frequency tells, as 3 T of scanners at 123.2 MHz."""
    b0_tesla = scan.head.acquisition.b0_tesla
    nominal = {"MagneticFieldStrength": 1.036 * b0_tesla, "ImagingFrequency": 1e-6 * GAMMA_HZ_PER_T * b0_tesla}
    return replace(scan, facts=nominal)


def turned_sign(scan: Scan) -> Scan:
    """Phase of the other sign."""
    return scan.given(scan.signal.conj())


def singular(scan: Scan) -> Scan:
    """Two lines of opposite turns between which a fringe is open, as coils are combined wrongly."""
    x, y, z = scan.u
    around = [np.arctan2(y - 0.15 * z - at, x - 0.25 - 0.1 * z) for at in (0.25, -0.25)]
    return scan.turned(lambda _: around[0] - around[1])


def void_of_a_coil(scan: Scan) -> Scan:
    """A smooth receive field with a zero along a line, round which phase turns."""
    x, y, z = scan.u
    sensitivity = (x - 0.2 + 0.2 * z) + 1j * (y + 0.1 - 0.1 * z)
    return scan.given(scan.signal * (sensitivity / np.abs(sensitivity).max())[..., None])


def nyquist(scan: Scan) -> Scan:
    """Echo planar: odd and even lines of k-space apart in phase."""
    n = scan.brain.shape[1]
    return scan.lines(lambda k, _: np.exp(1j * HIGHEST_RAD * (np.rint(k * n) % 2 - 0.5)), 1)


def nyquist_one_echo(scan: Scan) -> Scan:
    """The same in the second echo alone."""
    n, te_s = scan.brain.shape[1], scan.te_s[1]
    return scan.lines(lambda k, t: np.exp(1j * HIGHEST_RAD * (np.rint(k * n) % 2 - 0.5) * (t == te_s)), 1)


def bipolar(scan: Scan) -> Scan:
    """Echoes read in alternating directions: a ramp along the readout, and a constant, of alternating sign."""
    return scan.turned(lambda echo: (-1) ** echo * (0.8 * scan.u[0] + 0.3))


def bipolar_curved(scan: Scan) -> Scan:
    """The same with a part of the second order, as of eddy currents."""
    x, y, _ = scan.u
    return scan.turned(lambda echo: (-1) ** echo * (0.8 * x + 0.8 * x * y + 0.3))


def drift(scan: Scan) -> Scan:
    """Frequency that drifts with the lines of a 3-D acquisition."""
    return scan.lines(lambda k, te_s: np.exp(2j * np.pi * DRIFT_HZ * k * te_s), 1)


def drift_2d(scan: Scan) -> Scan:
    """Frequency that drifts over interleaved slices: first the even, then the odd ones."""
    n = scan.brain.shape[2]
    hz = DRIFT_HZ * (np.arange(n) // 2 + np.arange(n) % 2 * (n + 1) // 2) / n
    return scan.turned(lambda echo: 2 * np.pi * hz * scan.te_s[echo], MRAcquisitionType="2D")


def crosstalk(scan: Scan) -> Scan:
    """2-D: a tenth of each neighbour's signal in every slice, whose offsets differ."""
    own = slices(scan).signal
    mixed = ndimage.convolve1d(own.real, [0.1, 1, 0.1], axis=2) + 1j * ndimage.convolve1d(
        own.imag, [0.1, 1, 0.1], axis=2
    )
    return scan.given(mixed, MRAcquisitionType="2D")


def breathing_2d(scan: Scan) -> Scan:
    """2-D: frequency that breathing gives each slice, more towards the chest."""
    n = scan.brain.shape[2]
    hz = BREATH_HZ * np.sin(2.4 * np.arange(n)) * np.linspace(1.5, 0.5, n)
    return scan.turned(lambda echo: 2 * np.pi * hz * scan.te_s[echo], MRAcquisitionType="2D")


def breathing(scan: Scan) -> Scan:
    """3-D: the same from line to line, ghosts that grow with TE."""
    n = scan.brain.shape[1]
    return scan.lines(lambda k, te_s: np.exp(2j * np.pi * BREATH_HZ * np.sin(0.7 * n * k) * te_s), 1)


def concomitant(scan: Scan) -> Scan:
    """Maxwell terms of the gradients: second order, growing with TE, and no harmonic field."""
    _, y, z = scan.u
    return scan.turned(lambda echo: 2 * np.pi * 20.0 * (z**2 + y**2 / 4) * scan.te_s[echo])


def concomitant_one_echo(scan: Scan) -> Scan:
    """The same of a flow compensation that the first echo alone has."""
    _, y, z = scan.u
    return scan.turned(lambda echo: 1.5 * (z**2 + y**2 / 4) * (echo == 0))


def fat(scan: Scan) -> Scan:
    """The scalp's fat at its own frequency, displaced along the readout into what lies beside it."""
    strong = scan.magnitude[..., 0] > np.median(scan.magnitude[..., 0][scan.brain]) / 2
    depth = ndimage.distance_transform_edt(~scan.brain, scan.head.acquisition.voxel_size_mm)
    scalp = strong & (depth > 6)
    of_fat = FAT_PPM / scan.head.acquisition.ppm_per_rad()
    signal = scan.signal
    moved = np.roll(np.where(scalp[..., None], signal * np.exp(1j * of_fat), 0), FAT_VOXELS, axis=0)
    return scan.given(np.where(scalp[..., None], 0, signal) + moved)


def flow(scan: Scan) -> Scan:
    """Blood that moves in vessels: phase that grows with the square of TE."""
    near = ndimage.gaussian_filter(rng().standard_normal(scan.brain.shape), 1.5)
    vessels = (near > np.quantile(near[scan.brain], 0.98)) & scan.brain
    return scan.turned(
        lambda echo: 2.5 * vessels * (scan.te_s[echo] / scan.te_s[-1]) ** 2 + 0.8 * vessels * (echo == 0)
    )


def partial_fourier(scan: Scan) -> Scan:
    """A quarter of the lines not measured, and left empty."""
    return scan.lines(lambda k, _: k > -0.25, 1)


def zero_filled(scan: Scan) -> Scan:
    """Half of the samples of two axes measured, the rest empty: voxels half as large as what was measured."""
    half = scan.lines(lambda k, _: np.abs(k) < 0.25, 0)
    return replace(half.lines(lambda k, _: np.abs(k) < 0.25, 1), facts={})


def normalised(scan: Scan) -> Scan:
    """Magnitude whose shading was taken off, echo by echo, noise in air as bright as tissue."""
    smooth = np.stack([ndimage.gaussian_filter(scan.magnitude[..., e], 8) for e in scan.echoes], -1)
    return replace(scan, magnitude=scan.magnitude / np.maximum(smooth, 1e-3 * smooth.max()))


def coarse_phase(scan: Scan) -> Scan:
    """Phase in 8 bits."""
    return replace(scan, phase_rad=np.rint(scan.phase_rad * 128 / np.pi) * np.pi / 128)


def four_bits(scan: Scan) -> Scan:
    """Phase in 4 bits."""
    return replace(scan, phase_rad=np.rint(scan.phase_rad * 8 / np.pi) * np.pi / 8)


def half_scale(scan: Scan) -> Scan:
    """Phase of half its size."""
    return replace(scan, phase_rad=scan.phase_rad / 2)


def unwrapped_turns(scan: Scan) -> Scan:
    """Phase that the scanner unwrapped, in turns, called radians."""
    true = scan.head["total_ppm"][..., None] / scan.head.acquisition.ppm_per_rad()
    return replace(scan, phase_rad=(true / (2 * np.pi)).astype(np.float32))


def moved_echo(scan: Scan) -> Scan:
    """The last echo of another position: 1.5 voxels to a side."""
    return scan.lines(lambda k, te_s: np.exp(-2j * np.pi * k * 1.5 * (te_s == scan.te_s[-1])), 0)


def moved_half(scan: Scan) -> Scan:
    """Motion of two voxels in the middle of a 3-D acquisition, after the centre of k-space."""
    return scan.lines(lambda k, _: np.exp(-2j * np.pi * 2 * np.fft.fftfreq(k.size).reshape(k.shape) * (k > 0.05)), 1)


def spike(scan: Scan) -> Scan:
    """One sample of k-space far too large: stripes, in the second echo."""
    x, y, z = (
        np.arange(n, dtype=float).reshape([-1 if a == i else 1 for a in range(3)])
        for i, n in enumerate(scan.brain.shape)
    )
    stripes = np.exp(2j * np.pi * (0.11 * x + 0.17 * y + 0.05 * z))
    signal = scan.signal
    signal[..., 1] += 0.4 * np.median(scan.magnitude[..., 1][scan.brain]) * stripes
    return scan.given(signal)


def folded(scan: Scan) -> Scan:
    """The top of the slab folded into its bottom."""
    n = max(2, scan.brain.shape[2] // 10)
    signal = scan.signal
    inside = np.argwhere(scan.brain)[:, 2]
    top = signal[:, :, inside.max() - n : inside.max()].copy()
    signal[:, :, inside.min() : inside.min() + n] += 0.8 * top
    return scan.given(signal)


def clipped(scan: Scan) -> Scan:
    """A receiver that saturates: real and imaginary parts cut off at the median of the brain."""
    signal, most = scan.signal, np.median(scan.magnitude[..., 0][scan.brain])
    return scan.given(np.clip(signal.real, -most, most) + 1j * np.clip(signal.imag, -most, most))


REQUIRED: dict[str, Callable[[Scan], Scan]] = {
    "offsets": offsets, "ramps": ramps, "last ramp": last_ramp, "jump": jump, "slices": slices,
    "interleaved": interleaved, "filtered": filtered, "haemorrhage": haemorrhage, "frequency": frequency,
    "turned sign": turned_sign, "singular": singular,
}  # fmt: skip
FURTHER: dict[str, Callable[[Scan], Scan]] = {
    "coil void": void_of_a_coil, "nyquist": nyquist, "nyquist, one echo": nyquist_one_echo, "bipolar": bipolar,
    "bipolar, curved": bipolar_curved, "drift": drift, "drift, 2-D": drift_2d, "crosstalk": crosstalk,
    "breathing": breathing, "breathing, 2-D": breathing_2d, "concomitant": concomitant,
    "concomitant, one echo": concomitant_one_echo, "fat": fat, "flow": flow, "partial Fourier": partial_fourier,
    "zero-filled": zero_filled, "normalised": normalised, "8 bits": coarse_phase, "4 bits": four_bits,
    "half scale": half_scale, "unwrapped turns": unwrapped_turns, "moved echo": moved_echo, "moved half": moved_half,
    "spike": spike, "folded": folded, "clipped": clipped,
}  # fmt: skip
