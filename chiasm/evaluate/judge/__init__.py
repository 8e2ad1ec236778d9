"""A model that judges answers which rules cannot: what it is asked, how it is read, and how far people agree with it."""
