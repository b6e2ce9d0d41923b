"""The same text split into tokens in several ways, at random: BPE-dropout and sampling from a unigram model."""
