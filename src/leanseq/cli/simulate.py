"""`leanseq simulate`: make a data set whose right answers are known."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError


def simulate(
    output: Path,
    /,
    *,
    rows: int = 13_000,
    seed: int = 0,
    insert_length: int = 80,
    gc: float = 0.475,
    planted: float = 0.5,
    extra_cells: float = 1.2,
    dispersion: float = 0.45,
    cell_noise: float = 1.6,
    stray: float = 0.01,
    truth: Path | None = None,
    sites: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Simulate a sort-seq experiment with random yeast promoters.

    Real JASPAR motifs drive a thermodynamic model of expression; cells are drawn, made noisy and sorted into 18
    bins. Use it to try leanseq without a download, and to test a model against answers that are known.

    Parameters
    ----------
    output
        Table to write: .tsv, .tsv.gz or .parquet, with sequence, expression (mean bin, 0..17) and reads (cells).
    rows
        Number of sequences.
    seed
        Seed of the random numbers; the same seed gives the same table.
    insert_length
        Length of the random insert between the adapters, bp.
    gc
        Expected share of G and C in the insert, 0..1.
    planted
        Expected number of motif sites planted into a sequence.
    extra_cells
        Expected number of cells of a sequence beyond the first.
    dispersion
        Shape of the gamma distribution of abundances; smaller has a heavier tail.
    cell_noise
        Noise of one cell, standard deviation in bins.
    stray
        Share of cells that end in a random bin, 0..1.
    truth
        Where the noiseless expression goes; by default beside the output, as NAME.truth.tsv (with the same ending).
    sites
        Where the planted sites go; by default beside the output, as NAME.sites.tsv (with the same ending).
    overwrite
        Replace files that exist.
    """
    from ..data.simulate import Experiment, simulate_chunks
    from ..data.writing import check_new, table_suffix, table_writer

    suffix = table_suffix(output)
    stem = output.name[: -len(suffix)]
    paths = (
        output,
        truth or output.with_name(f"{stem}.truth{suffix}"),
        sites or output.with_name(f"{stem}.sites{suffix}"),
    )
    if len(set(paths)) < len(paths):
        raise InputError(f"{output}: table, truth and sites must be three different files")
    for path in paths:
        table_suffix(path)
        check_new(path, overwrite)
    experiment = Experiment(insert_length, gc, planted, extra_cells, dispersion, cell_noise, stray)
    with table_writer(paths[0]) as table, table_writer(paths[1]) as known, table_writer(paths[2]) as planted_sites:
        for part in simulate_chunks(rows, seed, experiment):
            table(part.table)
            known(part.truth)
            planted_sites(part.sites)
    print(f"{output}: {rows:,} sequences; truth in {paths[1]}, planted sites in {paths[2]}")
