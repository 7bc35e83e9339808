"""Networks of reconstructed cohorts: every scheme and harmonisation has the scores of every subject."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import centres_networks
from benchmarks.centres import FIRST, KEYS, NONE, ORACLE
from benchmarks.centres_networks import NETWORK, main
from benchmarks.cohorts import settings
from tests.workflow.test_harmonisation_leak import CHOICES, Study

QUICK = settings(["config/best.yaml", "train_scan_model.epochs=5"])
QUICK["baselines"] = CHOICES


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of a cohort of 24 people at three sites, one of whom has no maps."""
    root = tmp_path_factory.mktemp("cohort")
    study = Study(root / "made", "stratified", 1)
    people = pd.read_csv(study.folds, sep="\t").assign(oracle_score=lambda t: 2.0 * t["label"] + t["age"] / 50)
    people.to_csv(root / "cohort.tsv", sep="\t", index=False)
    (root / "paper").mkdir()
    for name in study.names[1:]:
        (root / "paper" / f"{name}_stats.tsv").touch()

    def look(scan: str, maps: Path, out: Path, config: dict) -> None:
        for end in ("stack.npz", "features.tsv"):
            (out / f"{scan}_{end}").write_bytes(Path(study.path(f"{scan}_{end}")).read_bytes())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(centres_networks, "look", look)
        patch.setattr(centres_networks, "settings", lambda _: QUICK)
        main([str(root), "--work", str(root / "work"), "--out", str(root)])
    return tuple(pd.read_csv(root / f"{name}.tsv", sep="\t", keep_default_na=False)
                 for name in ("centres_networks", "centres_networks_means"))  # fmt: skip


def test_every_scheme_and_harmonisation_is_scored_beside_the_oracle(written):
    rows, means = (table.set_index(KEYS[2:]).sort_index() for table in written)
    wanted = {(model, scheme, kind) for model in (NETWORK, FIRST) for scheme in ("pooled", "site left out")
              for kind in ("none", "combat")}  # fmt: skip
    assert set(rows.index) == set(means.index) == wanted | {(ORACLE, NONE, NONE)}
    assert means.loc[ORACLE, "below_oracle"].eq(0).all() and means["auc"].astype(float).between(0, 1).all()


def test_harmonised_windows_change_what_the_network_says(written):
    auc = written[0].set_index(KEYS[2:]).sort_index()["auc_within_sites"]
    assert any(auc[NETWORK, scheme, "none"] != auc[NETWORK, scheme, "combat"] for scheme in ("pooled", "site left out"))
