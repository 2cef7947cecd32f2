"""A gallery on two dimensions: what lies together looks alike."""
