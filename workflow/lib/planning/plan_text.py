"""A plan in words and one table."""

from workflow.lib.planning.costs import DRIVER_OF, FAR, TRAINED
from workflow.lib.planning.plan import HERE, SHIPPED, UNKNOWN, Plan
from workflow.lib.words import estimated, two_digits

TRAINING = {rule for rule, driver in DRIVER_OF.items() if driver in TRAINED}
BUSY = 1.25  # wall over CPU seconds above which earlier jobs had to wait


def volume(mb: float) -> str:
    """Megabytes in the unit that reads best."""
    return f"{two_digits(mb / 1000)} GB" if mb >= 1000 else f"{two_digits(mb)} MB"


def table(plan: Plan) -> list[str]:
    """Jobs and core-hours of every rule."""
    rows = [(row.rule, str(row.jobs), two_digits(row.cpu_s / 3600), row.source) for row in plan.rows]
    total = ("total", str(plan.jobs), two_digits(plan.cpu_s / 3600), "")
    rows = [("rule", "jobs", "core-hours", "costs"), *rows, total]
    first, second, third = (max(len(row[column]) for row in rows) for column in range(3))
    return [
        f"{rule:{first}}  {jobs:>{second}}  {hours:>{third}}  {costs}".rstrip() for rule, jobs, hours, costs in rows
    ]


def needs(plan: Plan, free_mb: float) -> list[str]:
    """What to ask for."""
    total_mb = sum(plan.disk_mb.values())
    parts = ", ".join(f"{name} {volume(mb)}" for name, mb in plan.disk_mb.items() if mb >= 0.5)
    return [
        f"core-hours  {two_digits(plan.cpu_s / 3600)}",
        f"wall time   {estimated(plan.wall_s)} on {plan.cores} free core{'s' * (plan.cores > 1)} of this machine",
        f"cluster     {plan.cluster_jobs} jobs of one core; {estimated(plan.cluster_wall_s)} in an empty queue of "
        f"{plan.slots} at once",
        f"memory      {volume(plan.memory_mb)}, requested by {plan.memory_rule}" if plan.memory_mb else "",
        f"disk        {volume(total_mb)}" + (f": {parts}" if parts else "") + f"; free here {volume(free_mb)}",
    ]


def remarks(plan: Plan, free_mb: float) -> list[str]:
    """Where the costs come from, and what to be careful with."""
    sources = {row.source for row in plan.rows}
    found = []
    if HERE in sources:
        found.append(f"Measured here: jobs of comparable size in {', '.join(plan.runs)}.")
    if SHIPPED in sources:
        found.append(f"Shipped: {plan.machine}")
    if unknown := [row.rule for row in plan.rows if row.source == UNKNOWN]:
        found.append(f"No cost data for {', '.join(unknown)}; not included in the estimate.")
    for row in plan.rows:
        share = row.cpu_s / plan.cpu_s if plan.cpu_s else 0
        if row.far > FAR and share > 0.02:
            times, percent = two_digits(row.far), two_digits(100 * share)
            found.append(f"{row.rule} ({percent} % of the core-hours): {times} times the largest size measured; "
                         "extrapolated, not measured.")  # fmt: skip
    if any(row.rule in TRAINING for row in plan.rows):
        found.append("Training is counted on one CPU core; times on a GPU were not measured.")
    if plan.stretch > BUSY and HERE in sources:
        found.append(f"Jobs here took {two_digits(plan.stretch)} times their computing time (shared cores, slow disk): "
                     f"at that pace {estimated(plan.wall_s * plan.stretch)} on {plan.cores} cores.")  # fmt: skip
    if sum(plan.disk_mb.values()) > free_mb:
        found.append(
            "The disk is too small. `make clean-work` removes the intermediate files (work/) of finished runs."
        )
    return found


def text(plan: Plan, free_mb: float) -> str:
    """The whole plan."""
    if not plan.jobs:
        return f"{plan.dataset}: nothing is missing, nothing would run.\n"
    head = f"{plan.dataset}: {plan.jobs} job{'s' * (plan.jobs > 1)} would run. Estimates from measured costs:"
    blocks = [[head], table(plan), [line for line in needs(plan, free_mb) if line], remarks(plan, free_mb)]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"
