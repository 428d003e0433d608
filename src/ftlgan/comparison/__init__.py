"""The results of several runs side by side, for `ftlgan compare` and `ftlgan runs`."""
