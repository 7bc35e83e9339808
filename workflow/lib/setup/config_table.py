"""`python -m workflow.lib.setup.config_table`: write config/README.md from the shipped config and its schema."""

import yaml

from recon.files.atomic import atomic
from workflow.lib.home import HOME

HEAD = """# Configuration

Every knob of `config/config.yaml`; its comments give the source of each value. Write your own values in an overlay
(`snakemake --configfile mine.yaml`) or on the command line (`--config dataset=NAME bids_dir=PATH`); anything unknown or
out of range is refused before a job runs. `config/paper.yaml` is the overlay with the paper's learning schedule.

This page is written by `make config-readme`.

| key | default | meaning | allowed |
| --- | --- | --- | --- |
"""


def load(path: str) -> dict:
    """A YAML file of the project."""
    return yaml.safe_load((HOME / path).read_text(encoding="utf-8"))


def allowed(schema: dict) -> str:
    """Type and range of a value in words."""
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "oneOf" in schema:
        return " or ".join(allowed(choice) for choice in schema["oneOf"])
    if schema["type"] == "array":
        return "list of " + (allowed(schema["items"]))
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}
    bounds = ", ".join(f"{sign} {schema[key]}" for key, sign in signs.items() if key in schema)
    return f"{' or '.join(kinds)} {bounds}".strip()


def rows(schema: dict, config: dict, prefix: str = "") -> list[str]:
    """One line of the table per value, sections in the order of the schema."""
    lines = []
    for key, part in schema["properties"].items():
        if key not in config:
            continue  # a section of which the consensus arm changes nothing
        if "properties" in part:
            lines += rows(part, config[key], f"{prefix}{key}.")
        else:
            default = yaml.safe_dump(config[key], default_flow_style=True).removesuffix("\n").removesuffix("\n...")
            lines.append(f"| `{prefix}{key}` | `{default}` | {part['description']} | {allowed(part)} |")
    return lines


def table() -> str:
    """The whole page."""
    return HEAD + "\n".join(rows(load("workflow/schemas/config.schema.yaml"), load("config/config.yaml"))) + "\n"


if __name__ == "__main__":
    with atomic(HOME / "config/README.md") as part:
        part.write_text(table(), encoding="utf-8")
