"""Reading what people have: documents and dialogues, as requests to the reader service."""
