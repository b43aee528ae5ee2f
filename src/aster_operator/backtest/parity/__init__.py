"""A session against its own replay: trades paired one to one, every difference given its cause."""
