"""Write the motifs of an organism in JASPAR 2026 as one MEME file, as it ships inside the package.

Development only. It needs pyjaspar, which carries the whole data base; nothing else of leanseq does::

    pip install pyjaspar
    python script/export_motifs.py yeast src/leanseq/data/motifs/jaspar2026_yeast.meme
    python script/export_motifs.py human src/leanseq/data/motifs/jaspar2026_human.meme

A file changes only when JASPAR does. JASPAR is CC BY 4.0: the header names the source and the paper.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyjaspar import jaspardb

RELEASE = "JASPAR2026"
SPECIES = {"yeast": ("Saccharomyces cerevisiae", "4932"), "human": ("Homo sapiens", "9606")}
"""Organism -> its name and its NCBI taxonomy number."""
SITES = 20
"""Number of sites written where a matrix holds no counts, as MEME itself does."""

HEADER = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.25 C 0.25 G 0.25 T 0.25

# {count} transcription factor motifs of {species} (NCBI taxonomy {number}), {release} CORE,
# exported with pyjaspar and script/export_motifs.py; columns are probabilities of A, C, G, T.
# Source: JASPAR, https://jaspar.elixir.no, licence CC BY 4.0.
# Cite: Rauluseviciute et al. (2024) Nucleic Acids Research 52, D174-D182, and the JASPAR 2026 release.
"""


def main(organism: str, output: Path) -> None:
    """Write every motif of an organism, a key of `SPECIES`, ordered by name."""
    species, number = SPECIES[organism]
    motifs = jaspardb(release=RELEASE).fetch_motifs(collection="CORE", species=[number])
    motifs.sort(key=lambda motif: (motif.name, motif.matrix_id))
    parts = [HEADER.format(count=len(motifs), species=species, number=number, release=RELEASE)]
    for motif in motifs:
        columns = [[motif.counts[letter][at] for letter in "ACGT"] for at in range(motif.length)]
        depth = round(max(sum(column) for column in columns))
        parts.append(f"\nMOTIF {motif.matrix_id} {motif.name}\n")
        parts.append(
            f"letter-probability matrix: alength= 4 w= {motif.length} nsites= {depth if depth > 1 else SITES} E= 0\n"
        )
        for column in columns:
            total = sum(column)
            parts.append(" ".join(f"{value / total:.5f}" for value in column) + "\n")
    output.write_text("".join(parts), encoding="utf-8")
    print(f"{output}: {len(motifs)} motifs, {output.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
