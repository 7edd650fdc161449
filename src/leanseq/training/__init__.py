"""From codes and labels to a trained network."""
