"""The corpus of the session, and the audio folder of a test."""

from pathlib import Path

import pytest

from gateway.settings import Settings
from tests.audio.formats.corpus import Corpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Audio files of every form, each made once."""
    return Corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def folder(settings: Settings) -> Path:
    """The audio folder of the gateway under test."""
    settings.audio_dir.mkdir(parents=True, exist_ok=True)
    return settings.audio_dir
