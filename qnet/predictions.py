"""The table of predictions: its columns, how it is written, and how it is read, every row checked.

Networks and baselines write it, and it is the only thing that statistics read; that of other software will do too.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from qnet.atomic import atomic

REQUIRED = ("participant_id", "slice", "label", "model", "level", "score")
OPTIONAL = ("input", "seed", "fold", "variant")
COLUMNS = [*REQUIRED, "input", "seed", "fold"]  # of what this software writes
LEVELS = ("image", "scan")
MISSING = ("", "n/a", "nan", "NaN")  # spellings of an empty cell


def write_predictions(path: str | Path, *tables: pd.DataFrame) -> None:
    """Write tables of predictions, one below the other, with every digit: confident scores differ late."""
    with atomic(path) as part:
        pd.concat(tables).to_csv(part, sep="\t", index=False)


def read_predictions(*paths: str | Path) -> pd.DataFrame:
    """Read and check prediction tables, one below the other.

    Returns
    -------
    DataFrame
        Columns as in the files; label int, score float, everything else text; `slice` empty at scan level.

    Raises
    ------
    ValueError
        Names the file, the column, what was expected and what was found.
    """
    frames = [_read_one(path) for path in paths]
    columns = [tuple(frame.columns) for frame in frames]
    for path, found in zip(paths, columns, strict=True):
        if set(found) != set(columns[0]):
            raise ValueError(f"{path}: expected the columns of {paths[0]}, {columns[0]}, found {found}")
    predictions = pd.concat(frames, ignore_index=True)
    name = str(paths[0]) if len(paths) == 1 else f"{paths[0]} … {paths[-1]}"
    for table in by_variant(predictions).values():
        _check_together(table, name)
    return predictions


def by_variant(predictions: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Variant of the learning settings → its predictions; the main run, or a table without the column, is ''."""
    if "variant" not in predictions:
        return {"": predictions}
    return {str(name): table for name, table in predictions.groupby("variant", sort=False)}


def _read_one(path: str | Path) -> pd.DataFrame:
    """Read one table and check each row for itself."""
    try:
        frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except ValueError as error:
        raise ValueError(f"{path}: expected a tab-separated table, found {error}") from error
    for column in REQUIRED:
        if column not in frame:
            raise ValueError(f"{path}, column '{column}': expected in the header, found {list(frame.columns)}")
    known = [column for column in (*REQUIRED, *OPTIONAL) if column in frame]
    frame = frame[known].apply(lambda text: text.str.strip())
    frame["slice"] = frame["slice"].mask(frame["slice"].isin(MISSING), "")
    if frame.empty:
        raise ValueError(f"{path}: expected at least one row, found none")

    def check(column: str, valid: pd.Series, expected: str) -> None:
        if not valid.all():
            row = int(np.flatnonzero(~valid)[0])
            found = frame[column].iloc[row]
            raise ValueError(f"{path}, column '{column}': expected {expected}, found '{found}' in line {row + 2}")

    for column in frame.columns.difference(["slice", "score", "label", "variant"], sort=False):
        check(column, ~frame[column].isin(MISSING), "a value in every row")
    check("level", frame["level"].isin(LEVELS), "image or scan")
    check("label", frame["label"].isin(["0", "1"]), "0 or 1")
    check(
        "slice",
        (frame["slice"] == "") == (frame["level"] == "scan"),
        "a slice at image level, none at scan level",
    )
    score = pd.to_numeric(frame["score"], errors="coerce")
    check("score", np.isfinite(score), "a finite number")
    return frame.assign(score=frame["score"].map(float), label=frame["label"].astype(int))


def _check_together(predictions: pd.DataFrame, name: str) -> None:
    """Check the rows against each other."""
    labels = predictions.groupby("participant_id")["label"].nunique()
    if (labels > 1).any():
        raise ValueError(
            f"{name}, column 'label': expected one label per participant, found both for {labels.idxmax()}"
        )
    if predictions["label"].nunique() < 2:
        raise ValueError(f"{name}, column 'label': expected both 0 and 1, found only {predictions['label'].iloc[0]}")
    for (level, input_), table in by_level_and_input(predictions):
        where = f"{level} level" + (f", input {input_}" if input_ else "")
        reference = None
        for (model, seed), run in table.groupby(["model", "seed"], sort=False):
            cases = pd.MultiIndex.from_frame(run[["participant_id", "slice"]])
            run_name = f"{model}" + (f" (seed {seed})" if seed else "")
            if cases.has_duplicates:
                case = " ".join(cases[cases.duplicated()][0]).strip()
                found = f"{case} twice for {run_name}, {where}"
                raise ValueError(f"{name}, column 'score': expected one row per case, found {found}")
            reference = reference or (run_name, cases)
            if odd := sorted(cases.symmetric_difference(reference[1])):
                case = " ".join(odd[0]).strip()
                raise ValueError(
                    f"{name}, column 'model': expected the same cases for all models, "
                    f"found {case} in only one of {reference[0]} and {run_name}, {where}"
                )


def by_level_and_input(predictions: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Split by level and input; absent optional columns become empty text."""
    absent = {column: "" for column in OPTIONAL if column not in predictions}
    yield from predictions.assign(**absent).groupby(["level", "input"], sort=False)
