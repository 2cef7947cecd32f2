"""What an answer may claim: calibration, novelty, abstention, sets, newcomers."""
