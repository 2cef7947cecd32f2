"""Long trials of what is promised about writes: kills, damaged files. See docs/reliability.md."""
