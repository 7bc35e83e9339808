"""The training loop that both stages share: Adam, one learning rate and one record per epoch."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path

import torch
from torch import Tensor, nn

from qnet.atomic import atomic
from qnet.images.augment import seed_of
from qnet.networks.checkpoint import Checkpoint

Batch = tuple[Tensor, ...]  # indices of the items (B,) on the CPU, then what the loss is computed from


def batches(count: int, size: int, seed: int, epoch: int) -> list[Tensor]:
    """Shuffled indices of an epoch in batches; a last batch of one, which has no variance, is left out."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed_of(seed, epoch)))
    return [batch for batch in order.split(size) if len(batch) > 1 or count == 1]


def train_epoch(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    data: Iterable[Batch],
    loss_of: Callable[..., tuple[Tensor, Tensor]],
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> tuple[list[Tensor], Tensor, Tensor]:
    """One pass over `data`, one step per batch → item indices, loss and number of hits of each batch.

    A device is not waited for before the last batch.
    """
    model.train()
    seen, losses, hits = [], [], []
    for index, *batch in data:
        with autocast():
            loss, right = loss_of(model, *batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen.append(index)
        losses.append(loss.detach())
        hits.append(right.sum())
    return seen, torch.stack(losses).cpu(), torch.stack(hits).cpu()


def score_epoch(epoch: int, seen: list[Tensor], losses: Tensor, hits: Tensor, names: Sequence[str]) -> dict[str, float]:
    """Mean loss and accuracy over what `train_epoch` saw.

    Raises
    ------
    ValueError
        A loss is not finite: names the epoch, the first such batch and its items.
    """
    broken = losses.isfinite().logical_not().nonzero().flatten().tolist()
    if broken:
        items = ", ".join(names[i] for i in seen[broken[0]])
        where = f"epoch {epoch + 1}, batch {broken[0] + 1} of {len(seen)}"
        raise ValueError(f"{where}: expected a finite loss, found {losses[broken[0]]:g} for the batch of {items}")
    sizes = torch.tensor([len(index) for index in seen], dtype=torch.float64)
    loss = (losses.double() * sizes).sum() / sizes.sum()
    return {"loss": float(loss), "accuracy": float(hits.sum() / sizes.sum())}


def fit(
    model: nn.Module,
    epochs: int,
    rate_of: Callable[[int], float],
    batches_of: Callable[[int], Iterable[Batch]],
    loss_of: Callable[..., tuple[Tensor, Tensor]],
    names: Sequence[str],
    *,
    after_epoch: Callable[[int], Mapping[str, float] | None] = lambda epoch: None,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
    checkpoint: Checkpoint | None = None,
) -> list[dict]:
    """Train `model` with Adam, all epochs or those that are left; reports progress on stderr.

    Parameters
    ----------
    model : nn.Module
        Changed in place.
    epochs : int
    rate_of : epoch → learning rate
    batches_of : epoch → batches (index, *batch)
        `index` (B,) on the CPU says which items they are. Whatever is drawn must follow from the epoch alone,
        so that a resumed run sees what an uninterrupted one sees.
    loss_of : (model, *batch) → loss, hits (B,) bool
    names : of all items
        For the message about a loss that is not finite.
    after_epoch : called with each epoch that is done; numbers that it returns join the epoch's record
    autocast : () → context of the forward pass
    checkpoint : Checkpoint, optional

    Returns
    -------
    list of dict, one per epoch
        epoch, learning_rate, loss, accuracy, seconds, and what `after_epoch` found.

    Raises
    ------
    ValueError
        A loss is not finite.
    """
    optimiser = torch.optim.Adam(model.parameters(), lr=rate_of(0))
    records = checkpoint.resume(optimiser) if checkpoint else []
    for epoch in range(len(records), epochs):
        start = time.perf_counter()
        for group in optimiser.param_groups:
            group["lr"] = rate_of(epoch)
        score = score_epoch(epoch, *train_epoch(model, optimiser, batches_of(epoch), loss_of, autocast), names)
        found = after_epoch(epoch) or {}
        seconds = round(time.perf_counter() - start, 3)
        records.append({"epoch": epoch, "learning_rate": rate_of(epoch), **score, "seconds": seconds, **found})
        print(progress(records, epochs), file=sys.stderr, flush=True)
        if checkpoint:
            checkpoint.keep(optimiser, records)
    return records


def curve_of(records: list[dict], *names: str) -> list[dict]:
    """Epoch and some entries of each record."""
    return [{name: record[name] for name in ("epoch", *names)} for record in records]


def progress(records: list[dict], epochs: int) -> str:
    """One line about the last epoch, and the time that the rest will take at the mean pace."""
    last, done = records[-1], len(records)
    left = (epochs - done) * sum(record["seconds"] for record in records) / done
    told = f"loss {last['loss']:.4f} accuracy {last['accuracy']:.3f} {last['seconds']:.1f} s"
    return f"epoch {done}/{epochs} {told}, {timedelta(seconds=round(left))} left"


@contextmanager
def out_of_memory_says(advice: str) -> Iterator[None]:
    """Turn whatever torch or numpy raise where memory ends into a MemoryError that says what to lower."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch.OutOfMemoryError, of a device, is a RuntimeError
        words = str(error).lower()
        if isinstance(error, RuntimeError) and not ("memory" in words and ("alloc" in words or "enough" in words)):
            raise
        raise MemoryError(f"training ran out of memory ({error}); lower {advice}") from error


def write_log(path: str | Path, records: list[dict]) -> None:
    """One JSON object per line."""
    with atomic(path) as part:
        part.write_text("".join(json.dumps(record) + "\n" for record in records))
