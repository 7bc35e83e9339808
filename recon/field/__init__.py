"""Phase of the echoes → field, and how precise it is."""

from recon.field.offset import phase_offset
from recon.field.stage import METHODS, STAGE, echo_fields, field_mapping, field_precision, total_field

__all__ = ["METHODS", "STAGE", "echo_fields", "field_mapping", "field_precision", "phase_offset", "total_field"]
