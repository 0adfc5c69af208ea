"""The audio library: files in one folder, a page to play them, an API.

views          the routes: the API, the bytes of a file, the events
page           the page at `/`, with and without JavaScript
library        the folder: add, list, open, delete
index          what is known of each file: type, length, tags; read again when a file changes
filenames      which name an upload may have, and which entry of the folder is meant by a name
search         filtering and sorting of the list
tags           title, artist, album, cover (tinytag)
change_feed    events when the list changes, by this gateway or another
operations     what the routes promise, for /openapi.json and /docs
formats/       is it audio? by content
uploads/       how a file comes in
"""
