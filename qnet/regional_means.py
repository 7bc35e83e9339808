"""Means of both maps over every region of a scan, from the statistics per nucleus."""

from pathlib import Path

import pandas as pd

UNITS = {"chi_ppm": "ppm", "r2star_hz": "1/s"}


def regional_means(path: str | Path) -> dict[str, dict[str, float]]:
    """Mean of each region over both sides, from the statistics per nucleus: {map: {region: value}}.

    Raises
    ------
    ValueError
        The table lacks a column.
    """
    table = pd.read_csv(path, sep="\t", na_values=["n/a"])
    needed = ["name", "voxels", *(f"{name}_mean" for name in UNITS)]
    if absent := [column for column in needed if column not in table]:
        raise ValueError(f"{path}: expected the columns {', '.join(needed)}, found no {', '.join(absent)}")
    return {name: _over_sides(table["name"], table[f"{name}_mean"], table["voxels"]) for name in UNITS}


def _over_sides(region: pd.Series, mean: pd.Series, voxels: pd.Series) -> dict[str, float]:
    """Mean over the voxels of both sides; a side without a value does not count."""
    voxels = voxels.where(mean.notna(), 0)
    total, count = (column.groupby(region, sort=False).sum() for column in (mean * voxels, voxels))
    return (total / count).dropna().to_dict()
