"""Which labels a nucleus has in the label maps."""

import pandas as pd

from workflow.lib.home import HOME

TABLE = "resources/nuclei.tsv"  # one row an ellipsoid; a nucleus has a label on each side


def labels_of_nuclei() -> dict[str, list[int]]:
    """Nucleus → its labels, left and right, in the order of the labels."""
    table = pd.read_csv(HOME / TABLE, sep="\t").sort_values("label")
    return {str(name): sorted(set(of["label"])) for name, of in table.groupby("name", sort=False)}
