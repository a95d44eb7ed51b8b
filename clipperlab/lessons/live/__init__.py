"""Live data (lesson 10): programs that answer the rows of a database and the messages of a stream."""
