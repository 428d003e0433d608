"""The tools for photos: restore the faces in a photo, and compare two faces."""
