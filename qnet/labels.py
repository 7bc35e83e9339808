"""What every page, figure, table and text says of itself, in one wording; `recon.phantom.bids` has the same."""

SYNTHETIC = "SYNTHETIC DATA"  # of simulated subjects
RESEARCH_USE = "Research use only: not a medical device, not for diagnosis."
