"""Where the project's own files are: rules, configuration, resources."""

from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
