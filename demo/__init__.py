"""What the demo, the tests and the benchmarks need besides the product. Not installed."""
