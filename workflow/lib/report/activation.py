"""Class activation of a scan → an overlay of the viewer."""

from qnet.explanation.template import Evidence, on_scan
from qnet.images.data import read_registration
from recon.check.viewer import Frame
from recon.files.io import read_mask, read_volume, write_text
from workflow.lib.report.viewer import overlay_script


def write_overlay(path: str, case: Evidence, nuclei: str, mask: str, positive: str) -> None:
    """Evidence on the grid of the scan, as a script that its page loads.

    Parameters
    ----------
    path : to write
    case : of a subject that the network has not seen
    nuclei : labels, beside which lies the registration
    mask : of the brain
    positive : the group that positive evidence speaks for
    """
    grid, brain = read_volume(nuclei), read_mask(mask)
    values = on_scan(case, read_registration(nuclei) @ grid.affine, brain.shape)
    title = f"Class activation, {case.input} input, positive: {positive}"
    write_text(path, overlay_script(Frame.about(brain, grid.affine).heat(title, "logit", values)))
