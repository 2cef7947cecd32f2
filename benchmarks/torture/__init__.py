"""Long runs of what breaks things: each says at its end what it tried and what it found."""
