"""Dipole inversion: local field → susceptibility."""

from recon.inversion.direct import deepqsm, qsmnet
from recon.inversion.division import iterative_tkd, tkd
from recon.inversion.stage import METHODS, STAGE, dipole_inversion
from recon.inversion.total_variation import tv
from recon.inversion.unrolling import unrolled

__all__ = ["METHODS", "STAGE", "deepqsm", "dipole_inversion", "iterative_tkd", "qsmnet", "tkd", "tv", "unrolled"]
