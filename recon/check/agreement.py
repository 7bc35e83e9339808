"""How far the phase of each echo lies from the line over TE of the others, voxel by voxel."""

from typing import NamedTuple

import numpy as np

from recon.grid import Times
from recon.maths.in_mask import in_mask
from recon.maths.wrap import wrap

SAMPLES = 100_000  # voxels that are looked at, spread evenly over the mask
NORMAL = 0.6745  # median of the absolute value of a standard normal variable
# times the noise; simulated heads of eight generators (1.5 to 7 T, SNR 4 to 60, 3 to 12 echoes) have 0.7 to 1.0, a real
# brain 1.4; an echo with ripples of 0.8 rad every 20 mm 15.5, one that lies two voxels off 2.0
MOST_NOISE = 3.0
LEAST_RAD = 0.1  # median below which it hardly matters


class Agreement(NamedTuple):
    """Median over the voxels, (echo,), of the distance from the others' line [rad], and of it over its noise [1]."""

    median_rad: np.ndarray
    over_noise: np.ndarray

    def warnings(self, te_s: Times) -> list[str]:
        """What to say of the echo that agrees least."""
        worst = int(np.argmax(self.over_noise))
        if self.over_noise[worst] <= MOST_NOISE or self.median_rad[worst] <= LEAST_RAD:
            return []
        return [
            f"Phase over TE, voxel by voxel: expected every echo within {MOST_NOISE:g} times the noise of the line of "
            f"the others, found echo {worst + 1} (TE {1000 * te_s[worst]:.1f} ms) {self.over_noise[worst]:.1f} times "
            f"it off, {self.median_rad[worst]:.2f} rad in the median. Ghosts, motion or another position of that echo "
            "distort χ: look at the pictures of the unwrapped phase."
        ]


def agreement(
    unwrapped_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, te_s: Times, snr: float
) -> Agreement | None:
    r"""Compare each echo with the line that the others give, by weights :math:`w = S^2`.

    .. math:: \mathrm{var} = \sigma^2 \left( \frac{1}{S_i^2} + \frac{1}{\sum_j w_j}
              + \frac{(TE_i - \overline{TE})^2}{\sum_j w_j (TE_j - \overline{TE})^2} \right), \qquad j \ne i

    is what noise alone makes of the square of the distance.

    Parameters
    ----------
    unwrapped_rad : (X, Y, Z, echo) float array [rad], finite in the mask
    magnitude : (X, Y, Z, echo) float array, or None
    mask : (X, Y, Z) bool array
    te_s : (echo,) [s]
    snr : median of the first echo over the noise, see :func:`recon.check.measures.signal_to_noise`; NaN: unknown

    Returns
    -------
    agreement : Agreement; None with fewer than three echoes, no mask, or no magnitude or noise to compare with
    """
    te_s = np.asarray(te_s, dtype=float)
    if len(te_s) < 3 or magnitude is None or not mask.any() or not np.isfinite(snr):
        return None
    inside = np.flatnonzero(mask)
    at = np.unravel_index(inside[:: max(1, len(inside) // SAMPLES)], mask.shape)
    phase, signal = (a[at].astype(float) for a in (unwrapped_rad, magnitude))
    use = np.isfinite(phase).all(axis=1) & (signal > 0).all(axis=1)
    if not use.any():
        return None
    phase, signal = phase[use], signal[use]
    sigma = np.median(in_mask(magnitude[..., 0], mask)) / snr
    far, ratio = np.empty(len(te_s)), np.empty(len(te_s))
    for i in range(len(te_s)):
        weight = np.where(np.arange(len(te_s)) == i, 0, signal**2)
        total = weight.sum(axis=1)
        centre, value = (np.sum(weight * of, axis=1) / total for of in (te_s, phase))
        apart = te_s - centre[:, None]
        spread = np.sum(weight * apart**2, axis=1)
        slope = np.sum(weight * apart * (phase - value[:, None]), axis=1) / spread
        distance = np.abs(wrap(phase[:, i] - value - slope * apart[:, i]))
        noise = sigma * np.sqrt(1 / signal[:, i] ** 2 + 1 / total + apart[:, i] ** 2 / spread)
        far[i], ratio[i] = np.median(distance), np.median(distance / noise) / NORMAL
    return Agreement(far, ratio)
