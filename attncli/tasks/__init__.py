"""What is learned: batches, a loss and a validation."""
