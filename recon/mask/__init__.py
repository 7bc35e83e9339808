"""Brain mask, and its voxels whose phase deserves trust."""

from recon.mask.bet import bet
from recon.mask.stage import BrainExtraction, brain_mask, choose_tool, extract_brain
from recon.mask.trim import reliable_mask

__all__ = ["BrainExtraction", "bet", "brain_mask", "choose_tool", "extract_brain", "reliable_mask"]
