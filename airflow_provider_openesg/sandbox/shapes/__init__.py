"""Serve the data of the sandbox in another form than the assumed API, because real platforms may differ from it.

``table``: the names of the shapes and what they change. ``middleware``: the WSGI application that translates. It uses
``incoming`` for requests, ``records`` and ``values`` for records, ``pages`` for lists and ``errors`` for errors.
"""
