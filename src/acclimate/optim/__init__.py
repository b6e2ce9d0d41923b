"""Optimizers, schedules, parameter groups, initialisers, gradient transforms."""
