"""FTLGAN: face super-resolution trained and judged by face recognition."""
