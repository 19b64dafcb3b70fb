"""Running services: their description, the platform they run on, processes, jobs, settings and logging."""
