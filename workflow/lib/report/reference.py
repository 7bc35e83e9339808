"""What the reference of susceptibility was, in words, from the sidecar of a map."""

NAMES = {"whole_brain": "the whole brain, the mask in which it was computed", "csf": "the fluid of the ventricles"}
PPB = 1000.0  # in a ppm


def region_name(reference: str) -> str:
    """The region as a reader calls it."""
    return NAMES.get(reference, reference.replace("_", " "))


def zero_text(sidecar: dict) -> str:
    """A sentence for the page of a scan: which region, how large, how sure; empty where the sidecar does not say."""
    reference = sidecar.get("Reference")
    if reference is None:
        return ""
    if reference == "none":
        return "Zero of χ: no region; the values are those of the inversion."
    said = [f"Zero of χ: the mean over {region_name(reference)}"]
    if "ReferenceVolumeML" in sidecar:
        said.append(f"{sidecar['ReferenceVolumeML']:.1f} ml")
    if "ReferenceSusceptibility" in sidecar:
        error = sidecar.get("ReferenceStandardError")
        about = f" ± {PPB * error:.1f} (standard error)" if error is not None else ""
        said.append(f"{PPB * sidecar['ReferenceSusceptibility']:+.1f}{about} ppb before it was subtracted")
    if reference != "whole_brain" and "ReferenceAboveWholeBrain" in sidecar:
        said.append(f"{PPB * sidecar['ReferenceAboveWholeBrain']:+.1f} ppb against the mean of the whole brain")
    return "; ".join(said) + "."
