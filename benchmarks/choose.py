"""Settings chosen by the mean of their ranks over generators, and judged on generators left out of the choice."""

import pandas as pd

STAGE = "chain, true mask"
BETTER = {"nrmse_percent": "lower", "xsim": "higher", "hfen_percent": "lower"}  # metrics that rank, all over the brain
REFERENCE = "paper"  # no setting: it is never chosen


def scored(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a generator and metric, one column a variant: the mean over the generator's heads."""
    chosen = rows[(rows["stage"] == STAGE) & rows["metric"].isin(BETTER) & (rows["variant"] != REFERENCE)]
    return chosen.pivot_table(index=["generator", "metric"], columns="variant", values="value", sort=False)


def ranks(rows: pd.DataFrame) -> pd.DataFrame:
    """Rank of every variant, 1 for the best, by generator and metric; equals share their ranks' mean."""
    values = scored(rows)
    sign = values.index.get_level_values("metric").map(lambda metric: 1 if BETTER[metric] == "lower" else -1)
    return values.mul(sign, axis=0).rank(axis=1)


def mean_ranks(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean rank of every variant over the metrics, one row a generator, and over generators, the last row."""
    by_generator = ranks(rows).groupby(level="generator", sort=False).mean()
    by_generator.loc["all"] = by_generator.mean()
    return by_generator


def leave_one_out(rows: pd.DataFrame) -> pd.DataFrame:
    """For every generator: the variant with the best mean rank on all others, and what it scores on this one.

    ``best`` is the score of the variant that would have been best here, which no honest choice can know.
    """
    table, values = mean_ranks(rows).drop("all"), scored(rows)
    lines = []
    for left_out in table.index:
        others = table.drop(left_out)
        if others.empty:
            continue
        variant = others.mean().idxmin()
        for metric, better in BETTER.items():
            here = values.loc[left_out, metric]
            lines.append(
                {
                    "left_out": left_out,
                    "chosen": variant,
                    "metric": metric,
                    "value": here[variant],
                    "best": here.min() if better == "lower" else here.max(),
                }
            )
    return pd.DataFrame(lines, columns=["left_out", "chosen", "metric", "value", "best"])
