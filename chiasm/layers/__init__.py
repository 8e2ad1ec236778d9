"""The shared vocabulary of blocks: norms, activations, MLPs, rotary positions, attention, the block, the cache."""
