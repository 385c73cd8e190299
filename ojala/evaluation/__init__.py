"""What the model is worth: Eqs. 4-8 by class, magnitude and context."""
