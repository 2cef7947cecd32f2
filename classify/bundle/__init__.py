"""One file that answers: encoder, head and evidence, and the code that reads them."""
