"""Other systems' servers as models: a batch is asked of one of them, over HTTP, in its own form."""
