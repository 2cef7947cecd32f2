"""A picture in, an answer out: neighbours, votes, heads, and what the answer may claim."""
