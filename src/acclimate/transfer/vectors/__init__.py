"""Tasks on vectors of texts: likeness, matching, clusters."""
