"""One port before the services of a distributed installation: each request goes on to the service whose route it is."""
