"""One file for each family of models: its sizes as data, its settings, how its parts are called."""
