"""The ingest worker: files in, references out."""
