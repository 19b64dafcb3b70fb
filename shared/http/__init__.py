"""What all HTTP routes share: the app, problem+json, input types, who may, health and metrics."""
