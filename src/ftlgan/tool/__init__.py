"""What a practitioner does with a photograph: restore the faces in it, and ask whether two faces are one person."""
