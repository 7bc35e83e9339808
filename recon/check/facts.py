"""Names of the numbers that are measured in a scan, unit in brackets: what computes them and what shows them agree."""

SNR, CHI_NOISE = "SNR of the first echo [1]", "noise of χ [ppm]"
GHOST = "ghost beside the brain, one axis less another [% of the brain]"
MISFIT = "misfit of R2*, 95th percentile [SD of the noise]"
REGISTRATION = "correlation with the template [1]"
NUCLEI_CONFIDENCE = "median confidence of the nuclei [1]"
SHARE, SPREAD = "share of the mask with χ [%]", "SD of χ [ppm]"
WHITE, RESIDUAL = "mean χ of white matter [ppm]", "residual of the field [ppm]"
