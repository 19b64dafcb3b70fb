"""What every service stands on; knows no business but the published language in `shared.events`."""
