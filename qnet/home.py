"""Where the project's own files lie: configuration and resources."""

from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
