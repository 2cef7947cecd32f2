"""How well the classifier answers: predictions, what they are worth, and how to show it."""
