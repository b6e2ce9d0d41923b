"""Learning from what comes later, without losing what was learnt before."""
