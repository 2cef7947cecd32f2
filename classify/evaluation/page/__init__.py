"""An evaluation as one self-contained page: one file, nothing from elsewhere."""
