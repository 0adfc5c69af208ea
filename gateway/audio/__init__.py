"""The audio library: files in one folder, a page to play them, an API.

views          the routes: the API, the bytes of a file, the events
page           the page at `/`, with and without JavaScript
exports        the list as a playlist (playlist) and as a podcast (podcast)
archive        several files as one zip archive
zip_stream     the form of the archive: stored files in one pass
library        the folder: add, list, open, rename, delete
rename         another name for an entry of the folder, never over another
index          what is known of each file: type, length, tags; read again when a file changes
filenames      which name an upload may have, and which entry of the folder is meant by a name
folder_scan    which files the folder has, looked at again as far as it may have changed
background_reader  lengths and tags of many new files, read while the list has their names
listing        the list at one moment; its parts fit together
folding        texts without case and accents
search, order  which files of the list, in which order
representation files as JSON, by models
rows           what a row of the page shows: a name cut in the middle, a cover
words          the words of the page in Russian
tags           title, artist, album, cover (tinytag)
change_feed    events when the list changes, by this gateway or another
operations     what the routes promise, for /openapi.json and /docs
formats/       is it audio? by content
uploads/       how a file comes in
"""
