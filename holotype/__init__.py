"""Holotype: name what is in a picture by the labelled specimens it already holds.

This package is the library: what an embedding is (`holotype.encoder`), how pictures
are read (`holotype.images`), and where references live (`holotype.store`). The three
processes, `ingest`, `classify` and `head`, are built on it and it imports none of them.

Importing this package loads neither torch, timm, qdrant nor scikit-learn.
"""
