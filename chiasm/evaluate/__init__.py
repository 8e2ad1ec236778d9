"""How well a model does, with intervals, and what of it comes from the picture."""
