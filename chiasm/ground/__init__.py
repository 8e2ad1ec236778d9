"""From what a model says to places in its picture: the dialects of boxes and masks in text."""
