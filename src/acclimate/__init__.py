"""Acclimate: from a domain's text to an evaluated, served domain language model."""
