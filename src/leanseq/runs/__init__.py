"""A run: one folder of plain files."""
