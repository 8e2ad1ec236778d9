"""Looking for what a model is bad at: fresh pictures of which everything is known."""
