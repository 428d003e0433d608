"""`ftlgan app`: a page in the browser that restores the faces of a photo, and compares one with photos of people.

    session.py  what a visitor has uploaded and found, without a page
    html.py     what the page shows of it
    curves.py   where a similarity lies between genuine and impostor scores
    page.py     the page, in Gradio
    command.py  serves it

Photos stay in memory. An upload is deleted as soon as it is read, pictures are part of the page and have no address of
their own, and a session is forgotten an hour after its page was closed.
"""
