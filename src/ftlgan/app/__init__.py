"""`ftlgan app`: a page in the browser that restores the faces of a photo, and compares one with photos of people.

    session.py  the uploads of a visitor, and the faces found in them, without a page
    html.py     the HTML of faces and matches
    curves.py   the plot of a similarity between genuine and impostor scores
    page.py     the page, in Gradio
    guard.py    who gets an answer, and what is deleted at the end of a request
    server.py   the server
    command.py  the command

Photos stay in memory. The server deletes an upload as soon as it has read it. Pictures are part of the page and have no
address of their own. The server forgets a session when its page is closed.
"""
