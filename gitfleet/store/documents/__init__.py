"""Documents that people write, and the front matter that they and gitfleet share."""
