"""Where the project's own files lie: configuration, schema, resources."""

from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
