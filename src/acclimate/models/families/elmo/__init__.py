"""ELMo: words by their characters, read in both directions."""
