"""Head versions: the model that is stored, which one answers, and what came after it."""
