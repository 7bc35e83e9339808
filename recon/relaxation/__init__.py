"""Relaxation: R2* of the decay, T1 from two flip angles, and the T1-weighted image."""

from recon.relaxation.stage import METHODS, STAGE, R2starFit, arlo, irls, r2star_fit, r2star_map
from recon.relaxation.t1 import T1Fit, t1_map, t1_weighted

__all__ = [
    "METHODS",
    "STAGE",
    "R2starFit",
    "T1Fit",
    "arlo",
    "irls",
    "r2star_fit",
    "r2star_map",
    "t1_map",
    "t1_weighted",
]
