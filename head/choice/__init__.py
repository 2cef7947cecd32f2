"""Which head: candidates, their cross-validation, the winner and its refit."""
