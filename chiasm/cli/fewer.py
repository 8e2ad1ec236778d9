"""The two ways to show a model less of a picture, as the verbs that take them say it."""

COMPRESS = "Fewer visual tokens: merge-alike:N, pool:N, prune:N, prune-alike:N, merge-frames:N, joined by +."
BUDGET = "Less of pictures in which there is less to see: content; or of all: tiles:N, pixels:N, patches:N, longest:N."
