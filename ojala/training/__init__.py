"""The training: batches, loss, adaptation, optimisers, and fit(), a generator."""
