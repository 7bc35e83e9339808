"""The two labels of every page, figure and text; `recon.phantom.bids` repeats them for its datasets."""

SYNTHETIC = "SYNTHETIC DATA"  # of simulated subjects
RESEARCH_USE = "Research use only: not a medical device, not for diagnosis."
