"""Where visual tokens and text become one sequence: joining, masks, positions. Tensors only."""
