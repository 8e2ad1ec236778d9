"""Runs: a model asked the questions of a task, written down so that nothing is lost and every number can be repeated."""
