"""The run's report, plots, model card."""
