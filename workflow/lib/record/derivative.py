"""The files beside the maps in derivatives/qnet/, the same for every scan."""

from qnet.labels import RESEARCH_USE, SYNTHETIC

ABOUT = f"Maps from multi-echo gradient echo images. {RESEARCH_USE}"
README = (
    """# {name}

Made by Q-Net {version} from raw multi-echo gradient echo images.

- `Chimap`: magnetic susceptibility [ppm], positive where paramagnetic (iron); `Reference` in the sidecar says what
  is zero. `desc-echoN_Chimap`: that of echo N alone, without reference.
- `R2starmap` [1/s] and `desc-misfit_R2starmap`, how well one exponential describes the decay.
- `T2starmap` [s] and `S0map` [arbitrary units], the signal at TE = 0, where `r2star_map.t2star_and_s0` is set.
- `swi` and `minIP` [arbitrary units], susceptibility-weighted, where `swi_map.make` is set.
- `label-reference_mask`, the region of zero susceptibility where that is not the whole brain.
- `desc-stage_T1w` [arbitrary units]; `T1map` [s] and `PDmap` [arbitrary units] where two flip angles were acquired.
- `desc-brain_mask`; `desc-nuclei_dseg`, deep grey nuclei named in `desc-nuclei_dseg.tsv`; `label-BG_mask`, the box
  around the basal ganglia; `label-WM_mask`, the core of white matter; `desc-nuclei_stats.tsv`, statistics of every
  nucleus and of white matter; `desc-regions_stats.tsv`, of every map in every region, also the user's own.
- `desc-nuclei_stats.tsv` beside this file: all of that of all scans, a row a number; `desc-nucleiWide_stats.tsv`: a row
  a scan. The JSON files of the same names say what their columns hold.

All maps are on the grid of the echo images and zero outside the brain. Every sidecar names its `Sources`; that of
`Chimap` also says what was decided about the scanner's phase values and why.

"""
    + RESEARCH_USE
    + "\n"
)
SIMULATED_LICENCE = "CC0"  # `recon.phantom.bids` has the same, and a test keeps them equal
ON_THE_GRID = {"SpatialReference": "orig"}
SIDECARS = {  # at the root, where every image of the suffix inherits them; only of maps that every scan has
    "Chimap": {"Description": "Magnetic susceptibility, positive where paramagnetic"},
    "desc-stage_T1w": {"Description": "First echo, T1-weighted"},
    "desc-brain_mask": {"Description": "Brain", **ON_THE_GRID},
    "desc-nuclei_dseg": {"Description": "Deep grey nuclei", **ON_THE_GRID},
    "label-BG_mask": {"Description": "Box around the basal ganglia and thalamus", **ON_THE_GRID},
}
IGNORED = "*_stats.tsv\n*_stats.json\n*_swi.*\n*_minIP.*\n"  # have no name in BIDS
LABELS = "desc-nuclei_dseg.tsv"
BESIDE = ("README", ".bidsignore", LABELS, *(f"{suffix}.json" for suffix in SIDECARS))


def name_of(simulated: bool) -> str:
    """The name of the dataset."""
    name = "Q-Net susceptibility, R2* and T1-weighted maps"
    return f"{SYNTHETIC}: {name}" if simulated else name
