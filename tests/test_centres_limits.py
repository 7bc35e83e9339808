"""What so many people let a classifier learn: nobody passes the oracle by much, and the table says how far below."""

import numpy as np
import pandas as pd

from benchmarks.centres import NONE, NUCLEI, ORACLE, READER, people_of
from benchmarks.centres_limits import STAGE_2, at_one_field, main, measured_study
from benchmarks.cohorts import settings
from benchmarks.measured import Measurement
from recon.phantom.cohort import Simulate
from tests.recon.test_sites import SITES

CFG = Simulate(**SITES)


def test_the_truth_at_one_field_is_that_of_the_same_people():
    here, one = people_of(CFG), people_of(at_one_field(CFG))
    iron = [name for name in here if name.endswith("_chi_ppb")]
    pd.testing.assert_frame_equal(here[["participant_id", "age", *iron]], one[["participant_id", "age", *iron]])
    west = here["site"] == "west"  # 1.5 T
    assert (one.loc[west, "putamen_r2star_hz"] > here.loc[west, "putamen_r2star_hz"]).all()
    assert (one.loc[~west, "putamen_r2star_hz"] == here.loc[~west, "putamen_r2star_hz"]).all()


def test_the_table_tells_how_far_below_the_oracle_each_model_stays(tmp_path):
    main(["--subjects", "64", "--seeds", "1", "--out", str(tmp_path)])
    table = pd.read_csv(tmp_path / "centres_limits.tsv", sep="\t", keep_default_na=False).set_index("model")
    assert float(table.loc[ORACLE, "below_oracle"]) == 0 and table.loc[ORACLE, "reading"] == NONE
    assert set(table["subjects"].astype(int)) == {64}
    assert 0.6 < float(table.loc[STAGE_2, "auc"]) < float(table.loc[ORACLE, "auc"]) + 0.03


def test_measurements_without_error_lack_nothing_that_a_reader_could_not_make_good():
    """Who knows scanners and groups is at the oracle; the head learns from the same means, each site left out."""
    perfect = Measurement(offset=np.zeros(28), scale=np.ones(28), covariance=1e-12 * np.eye(28), heads=4)
    centres = settings(["config/best.yaml", "config/centres.yaml", "train_scan_model.epochs=8"])
    table = measured_study(CFG, dict.fromkeys(CFG.sites, perfect), centres)
    reader, head = (table[table["model"] == model].set_index("participant_id")["score"] for model in (READER, NUCLEI))
    oracle = people_of(CFG).set_index("participant_id")["oracle_score"]
    assert np.corrcoef(reader, oracle[reader.index])[0, 1] > 0.99 and head.between(0, 1).all()
