"""What is read off hidden states other than text: vectors, boxes, masks, pages' labels."""
