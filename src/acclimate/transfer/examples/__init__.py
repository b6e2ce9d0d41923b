"""What a task learns from: records read, labelled, split, freed of leaks and counted."""
