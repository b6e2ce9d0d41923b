"""Sources → documents → cleaned, deduplicated, split, measured."""
