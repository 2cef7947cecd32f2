"""What is trained on: references as arrays, and who is held out together."""
