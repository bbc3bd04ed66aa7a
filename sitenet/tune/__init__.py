"""Search for hyperparameters: many short trainings, of which the promising go on."""
