"""Generators of files that try to hurt: written as code, so that nothing large or dangerous is stored."""
