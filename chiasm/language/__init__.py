"""What reads a sequence and writes: decoders, encoders of texts, and what they ask beside it."""
