"""What tests share: builders, databases, applications, waiting."""
