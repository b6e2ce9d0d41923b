"""Making more labelled examples from those there are, with labels that stay right."""
