"""The classifier: queries in, answers with their evidence out."""
