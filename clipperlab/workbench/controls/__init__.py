"""What the panel and the views let people do: one noun a module. Every control shows its line of Python."""
