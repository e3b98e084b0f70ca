"""A chat service on Moltnet's storage system."""
