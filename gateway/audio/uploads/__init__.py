"""Uploads: how a file comes into the folder, whole or not at all.

form           multipart forms and raw bodies
disposition    the file name in a part of a form
fragment       refuses parts of files, as chunked uploaders send them
tus            resumable uploads on the wire (tus 1.0)
resumable      resumable uploads: create, append, finish, expire
partial        one resumable upload on the disk: a hidden file and its note
note           the note: what the upload is to be
writer         counts the bytes, looks at the first ones, hands them to the disk
atomic_file    a file without a name until it is whole and on the disk
hidden         new files without a public name, and what dead owners left of them
renaming       a public name without hard links: renameat2, or a placeholder
descriptors    opening and closing entries of a folder that other programs change
storage        the folder and its worker threads; errors of the disk in words
operations     what the routes of tus promise, for /openapi.json and /docs
"""
