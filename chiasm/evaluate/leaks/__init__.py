"""Whether what a model is asked stood in what it was trained on: pictures that look alike, texts that share their words."""
