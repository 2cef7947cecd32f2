"""The retrain job and the head registry: stored vectors in, head versions out."""
