"""Organisms by the names that constructs and settings use; apart from their motifs, so that `--help` loads no numpy."""

from __future__ import annotations

ORGANISMS = ("yeast", "human")
"""Whose transcription factor motifs ship with the package."""
