"""From survey files to the table to train on: mocks, J-PAS, cross-match, noise, weights."""
