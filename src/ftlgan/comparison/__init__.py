"""The results of several runs side by side: what `ftlgan compare` prints and writes."""
