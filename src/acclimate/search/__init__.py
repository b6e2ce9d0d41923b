"""Studies: what a change brings, by ordinary runs paired by seed."""
