"""Where the project's own files are: configuration and resources."""

from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
