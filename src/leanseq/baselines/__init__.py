"""The lines every network has to clear."""
