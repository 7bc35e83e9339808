"""Background field removal: total field → local field."""

from recon.background.boundary import lbv, lbv_sources
from recon.background.projection import pdf
from recon.background.spherical import resharp, sharp, vsharp
from recon.background.stage import METHODS, STAGE, local_field

__all__ = ["METHODS", "STAGE", "lbv", "lbv_sources", "local_field", "pdf", "resharp", "sharp", "vsharp"]
