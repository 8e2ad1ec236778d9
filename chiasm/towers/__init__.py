"""Towers that several families share, as data: their blocks, their readers, their names in files."""
