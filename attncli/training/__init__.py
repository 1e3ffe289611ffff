"""The one training loop. It knows batches and a summed loss, no task."""
