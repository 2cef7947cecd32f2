"""Curation: what is wrong with a gallery, and what to do next, from the vectors that it holds."""
