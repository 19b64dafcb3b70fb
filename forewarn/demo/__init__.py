"""A simulated distributor: customers, their documents and the stories planted among them, as a function of a seed."""
