"""Recurrent language models of ours."""
