"""Every family is one file of data here: its layout, its sizes, its chat template. The registry finds them by scanning."""
