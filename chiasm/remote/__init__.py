"""Models that are not ours, as assistants: over OpenAI's and Anthropic's APIs, or transformers' own in this process."""
