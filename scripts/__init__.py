"""Programs for developers, beside the product."""
