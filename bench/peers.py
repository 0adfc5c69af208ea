"""The peers of the audio library: the same work as it is written plainly. FastAPI takes files, Flask gives them.

Served by uvicorn (`peers:uploads`) and gunicorn (`peers:downloads`); the folder is the working one.
"""

import shutil
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, File, UploadFile
from flask import Flask, Response, send_file

uploads = FastAPI()


@uploads.post("/", status_code=201)
def post_file(file: Annotated[UploadFile, File()]) -> None:
    """Keep one file of a form, as the documentation of FastAPI shows it: no fsync, no look at what it is."""
    with Path(file.filename or "file").open("wb") as kept:
        shutil.copyfileobj(file.file, kept)


downloads = Flask(__name__)


@downloads.get("/")
def get_nothing() -> str:
    """Say that the server is there."""
    return ""


@downloads.get("/<name>")
def get_file(name: str) -> Response:
    """Give a file; gunicorn's sync worker does it with sendfile."""
    return send_file(Path.cwd() / name)
