"""From a model and a batch to tokens or their scores: the engine, which knows neither text nor pictures."""
