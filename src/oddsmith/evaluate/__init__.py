"""What the scores are worth."""
