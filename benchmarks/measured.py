"""How the scanner of a simulated site measures nuclei, learnt from reconstructed heads, and people measured so.

A cohort of a hundred heads at each of several seeds costs hours. What a classifier of regional means sees of a site is
cheaper: for nucleus v and map q (χ or R2*),

    measured = offset[v, q] + scale[q] true + error

Offset, scale and size of the error come from heads of that site that were simulated as its scanner acquires them and
reconstructed by the whole chain. People drawn by `recon.phantom.cohort` are then measured so, none of them one of
those heads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.covariance import LedoitWolf

from benchmarks.encoder import measured
from benchmarks.learning import look
from qnet.images.data import read_array, read_stack
from qnet.images.normalise import Normalise, normalise
from qnet.networks.weights import ENCODER
from recon.regions.nuclei import nucleus_labels, nucleus_names

MAPS = {"chi": ("chi_ppb", 1e-3), "r2star": ("r2star_hz", 1.0)}  # map → column of the truth, factor to the map's unit
CHANNEL = {"chi": 0, "r2star": 1}  # of the networks' images
READINGS = ("maps", "window", "stretch", "encoder", "both")
FEWEST = 3  # heads of a site


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """How one site measures the p means (both maps of all nuclei, once or by several readings one after another).

    Parameters
    ----------
    offset, scale : (p,)
    covariance : (p, p) of the error
    heads : number of heads that it was learnt from
    """

    offset: np.ndarray
    scale: np.ndarray
    covariance: np.ndarray
    heads: int

    def of(self, true: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Measured means (n, p) of people with these true values, of one reading."""
        true = repeated(true, len(self.offset))
        error = rng.multivariate_normal(np.zeros(len(self.offset)), self.covariance, len(true))
        return self.offset + self.scale * true + error


def repeated(values: np.ndarray, p: int) -> np.ndarray:
    """Values (…, q) of one reading for all p / q of them → (…, p)."""
    return np.concatenate([values] * (p // values.shape[-1]), axis=-1)


def columns(reading: str = "maps") -> list[str]:
    """The p means, as `qnet.baselines.regions` calls them; of `both` those of the encoder come first."""
    names = [f"{quantity}_mean_{nucleus}_both" for quantity in MAPS for nucleus in nucleus_names()]
    return [f"encoder_{name}" for name in names] + names if reading == "both" else names


def about() -> pd.DataFrame:
    """What the p means are, as `qnet.baselines.feature_table.read_features` tells it."""
    rows = [(quantity, "mean", nucleus, "both") for quantity in MAPS for nucleus in nucleus_names()]
    return pd.DataFrame(rows, index=columns(), columns=["map", "kind", "region", "side"])


def true_means(truth: pd.DataFrame) -> np.ndarray:
    """(n, p) χ [ppm] and R2* [1/s] from the table cohort.tsv."""
    return np.stack([factor * truth[f"{nucleus}_{column}"].to_numpy(float)
                     for column, factor in MAPS.values() for nucleus in nucleus_names()], axis=1)  # fmt: skip


def fit(found: np.ndarray, true: np.ndarray, site: np.ndarray) -> dict[str, Measurement]:
    """Least squares for the heads of each site: an offset for each mean, one scale for each map and reading.

    The size of the error is that of the site and map; how it is shared out among the means and hangs together between
    them is that of all sites, shrunk towards independence (Ledoit & Wolf 2004): the heads of one site are too few to
    tell. A mean that no head of a site has (a nucleus outside the images) has no offset there: it stays missing.

    Parameters
    ----------
    found : measured means, (h, p)
    true : true means of one reading, (h, q)
    site : (h,) names
    """
    true = repeated(true, found.shape[1])
    parts = {name: _line(found[site == name], true[site == name]) for name in np.unique(site)}
    together = LedoitWolf(assume_centered=True).fit(
        np.concatenate([rest / size for _, _, rest, size in parts.values()])
    )
    return {
        name: Measurement(
            offset=offset, scale=scale, covariance=size[:, None] * together.covariance_ * size, heads=len(rest)
        )
        for name, (offset, scale, rest, size) in parts.items()
    }


def _line(measured: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Offset, scale (p,), what the line leaves (h, p) and its size by map and reading (p,) for the heads of one site.

    What is left is scaled up for the degrees of freedom that offsets and scale took.
    """
    half = len(nucleus_names())
    true = np.where(np.isfinite(measured), true, np.nan)
    centred, known = measured - _mean(measured), true - _mean(true)
    p = measured.shape[1]
    scale, size, rest = np.empty(p), np.empty(p), np.empty_like(measured)
    for own in (slice(first, first + half) for first in range(0, p, half)):
        scale[own] = np.nansum(known[:, own] * centred[:, own]) / np.nansum(known[:, own] ** 2)
        left = centred[:, own] - scale[own] * known[:, own]
        count = np.isfinite(left).sum()
        freedom = count - np.isfinite(left).any(0).sum() - 1
        rest[:, own] = np.nan_to_num(left) * np.sqrt(count / freedom)
        size[own] = np.sqrt((rest[:, own] ** 2).sum() / count)
    return _mean(measured) - scale * _mean(true), scale, rest, size


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over heads (p,), NaN where no head has a value."""
    count = np.isfinite(values).sum(0)
    return np.divide(np.nansum(values, 0), count, out=np.full(values.shape[1], np.nan), where=count > 0)


def read_heads(cohort: Path, arm: str, out: Path, config: Mapping) -> dict[str, dict[str, Measurement]]:
    """Reading → site → its measurement, from the heads that `python -m benchmarks.cohorts` has reconstructed so far.

    Readings: `maps`, means of the maps in physical units; `window` and `stretch`, means in the images that networks
    see after either normalisation, in 0 to 1; `encoder`, what the shipped encoder measures, in physical units; `both`,
    this and then `maps`, whose errors may hang together.

    Parameters
    ----------
    cohort : its folder, with cohort.tsv
    arm : of the reconstruction
    out : folder for stacks and features
    config : whole configuration; sections `slice_stack`, `normalise` and `region_features` count

    Raises
    ------
    ValueError
        A site has too few heads.
    """
    truth = pd.read_csv(cohort / "cohort.tsv", sep="\t", dtype={"participant_id": str})
    done = [scan for scan in truth["participant_id"] if (cohort / arm / f"{scan}_stats.tsv").exists()]
    heads = truth.set_index("participant_id").loc[done]
    if (few := heads["site"].value_counts().reindex(truth["site"].unique(), fill_value=0)).min() < FEWEST:
        raise ValueError(f"{cohort / arm}: expected at least {FEWEST} heads of every site, found {few.to_dict()}")
    out.mkdir(parents=True, exist_ok=True)
    for scan in done:
        look(scan, cohort / arm, out, dict(config))
    single = [reading for reading in READINGS if reading != "both"]
    means = {reading: np.stack([_read(scan, out, reading, config) for scan in done]) for reading in single}
    means["both"] = np.hstack([means["encoder"], means["maps"]])
    true, site = true_means(heads), heads["site"].to_numpy(str)
    return {reading: fit(values, true, site) for reading, values in means.items()}


def _read(scan: str, folder: Path, reading: str, config: Mapping) -> np.ndarray:
    """The p means of one head."""
    if reading == "maps":
        features = pd.read_csv(folder / f"{scan}_features.tsv", sep="\t", na_values=["n/a"]).set_index("name")["value"]
        return features.loc[columns()].to_numpy(float)
    stack = folder / f"{scan}_stack.npz"
    if reading == "encoder":
        told = measured(stack, ENCODER, config)
        return np.array([factor * told[f"{nucleus}_{column}"] for column, factor in MAPS.values()
                         for nucleus in nucleus_names()])  # fmt: skip
    window = Normalise(**config["normalise"] | {"method": reading})
    images, labels = normalise(read_stack(stack, "crop")[0], window), read_array(stack, "crop_nuclei")
    pixels: dict[str, np.ndarray] = {nucleus: np.zeros(labels.shape, bool) for nucleus in nucleus_names()}
    for number, (nucleus, _) in nucleus_labels().items():
        pixels[nucleus] |= labels == number
    return np.array([images[:, channel][pixels[nucleus]].mean() if pixels[nucleus].any() else np.nan
                     for channel in CHANNEL.values() for nucleus in nucleus_names()])  # fmt: skip
