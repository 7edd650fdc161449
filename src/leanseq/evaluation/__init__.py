"""Numbers that say how good a prediction is."""
