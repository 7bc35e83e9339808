"""Phase unwrapping: wrapped phase → phase of every echo."""

from recon.unwrap.bipolar import bipolar_offset
from recon.unwrap.stage import METHODS, STAGE, best_path, unwrap_phase, weighted

__all__ = ["METHODS", "STAGE", "best_path", "bipolar_offset", "unwrap_phase", "weighted"]
