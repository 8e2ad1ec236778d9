"""Pixels: the one door for untrusted pictures, exact resizing and normalising, cutting into patches."""
