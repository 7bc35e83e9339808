"""Dipole inversion: local field → susceptibility."""

from recon.inversion.division import iterative_tkd, tkd
from recon.inversion.stage import METHODS, STAGE, dipole_inversion
from recon.inversion.total_variation import tv
from recon.inversion.unrolling import unrolled

__all__ = ["METHODS", "STAGE", "dipole_inversion", "iterative_tkd", "tkd", "tv", "unrolled"]
