"""Where feedback is taken: read, checked, made into rewards, and put into the outbox."""
