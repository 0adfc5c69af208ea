"""Audio as ffmpeg and sox write it, made when a test asks for it, and things that are no audio."""

import bz2
import io
import lzma
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.programs import need

AUDIO: dict[str, tuple[str, str]] = {
    # name: (content type, arguments of the tool; sox where they begin with `sox`)
    "cbr.mp3": ("audio/mpeg", "-b:a 128k -metadata title=Prelude -metadata artist=Anna -metadata album=One"),
    "vbr.mp3": ("audio/mpeg", "-q:a 4"),
    "bare.mp3": ("audio/mpeg", "-write_xing 0 -id3v2_version 0"),
    "low.mp3": ("audio/mpeg", "-ar 11025"),
    "half.mp3": ("audio/mpeg", "-ar 22050"),
    "slow.mp3": ("audio/mpeg", "-b:a 8k -ar 8000"),
    "stereo.mp3": ("audio/mpeg", "-ac 2 -joint_stereo 1"),
    "old-tag.mp3": ("audio/mpeg", "-write_id3v1 1 -id3v2_version 0 -metadata title=Prelude"),
    "tag-2.3.mp3": ("audio/mpeg", "-id3v2_version 3 -metadata title=Prelude"),
    "loud.mp3": ("audio/mpeg", "-b:a 320k -ac 2 -write_xing 0 -id3v2_version 0"),
    "vbr-bare.mp3": ("audio/mpeg", "-q:a 5 -write_xing 0 -id3v2_version 0"),
    "layer2.mp2": ("audio/mpeg", ""),
    "vorbis.ogg": ("audio/ogg", "-c:a libvorbis -metadata title=Fuge"),
    "opus.opus": ("audio/ogg", "-c:a libopus"),
    "paged.opus": ("audio/ogg", "-c:a libopus -page_duration 100000"),
    "flac.oga": ("audio/ogg", "-c:a flac"),
    "speex.spx": ("audio/ogg", "-c:a libspeex -ar 16000"),
    "pcm.wav": ("audio/wav", ""),
    "pcm24.wav": ("audio/wav", "-c:a pcm_s24le"),
    "float.wav": ("audio/wav", "-c:a pcm_f32le"),
    "alaw.wav": ("audio/wav", "-c:a pcm_alaw"),
    "adpcm.wav": ("audio/wav", "-c:a adpcm_ms"),
    "ima.wav": ("audio/wav", "-c:a adpcm_ima_wav"),
    "mulaw.wav": ("audio/wav", "-c:a pcm_mulaw"),
    "eight.wav": ("audio/wav", "-c:a pcm_u8"),
    "double.wav": ("audio/wav", "-c:a pcm_f64le"),
    "gsm.wav": ("audio/wav", "-c:a libgsm_ms -ar 8000"),
    "aac.wav": ("audio/wav", "-c:a aac"),
    "surround.wav": ("audio/wav", "-ac 6 -c:a pcm_s24le"),
    "broadcast.wav": ("audio/wav", "-metadata title=Suite -write_bext 1"),
    "mp3.wav": ("audio/wav", "-c:a libmp3lame"),
    "large.wav": ("audio/wav", "-rf64 always"),
    "piped.wav": ("audio/wav", "-bitexact -f wav"),
    "big-endian.wav": ("audio/wav", "sox -B"),
    "wave.w64": ("audio/x-w64", ""),
    "piped.flac": ("audio/flac", "-f flac"),
    "flac.flac": ("audio/flac", "-metadata title=Gigue"),
    "aac.m4a": ("audio/mp4", "-c:a aac -metadata title=Air"),
    "fast.m4a": ("audio/mp4", "-c:a aac -movflags +faststart"),
    "alac.m4a": ("audio/mp4", "-c:a alac"),
    "book.m4b": ("audio/mp4", "-c:a aac -f ipod"),
    "alac.mp4": ("audio/mp4", "-c:a alac"),
    "mp3.mp4": ("audio/mp4", "-c:a libmp3lame"),
    "opus.mp4": ("audio/mp4", "-c:a libopus"),
    "dolby.mp4": ("audio/mp4", "-c:a ac3"),
    "dash.mp4": ("audio/mp4", "-c:a aac -movflags dash+frag_keyframe+empty_moov+default_base_moof"),
    "smooth.ismv": ("audio/mp4", "-c:a aac"),
    "pcm.mov": ("audio/mp4", "-c:a pcm_s16le"),
    "fragments.mp4": ("audio/mp4", "-c:a aac -movflags frag_keyframe+empty_moov"),
    "many-fragments.mp4": ("audio/mp4", "-c:a aac -movflags empty_moov+default_base_moof -frag_duration 200000"),
    "first-in-moov.mp4": ("audio/mp4", "-c:a aac -movflags default_base_moof -frag_duration 200000"),
    "aac.mov": ("audio/mp4", "-c:a aac"),
    "phone.3gp": ("audio/3gpp", "-c:a aac"),
    "phone.3g2": ("audio/3gpp2", "-c:a aac"),
    "adts.aac": ("audio/aac", ""),
    "pcm.aiff": ("audio/aiff", ""),
    "pcm.aifc": ("audio/aiff", "sox"),
    "float.aiff": ("audio/aiff", "-c:a pcm_f32be"),
    "little-endian.aifc": ("audio/aiff", "-c:a pcm_s16le -f aiff"),
    "ima.aifc": ("audio/aiff", "-c:a adpcm_ima_qt -f aiff"),
    "mulaw.au": ("audio/basic", "-c:a pcm_mulaw"),
    "sun.au": ("audio/basic", ""),
    "core.caf": ("audio/x-caf", ""),
    "opus.caf": ("audio/x-caf", "-c:a libopus"),
    "alac.caf": ("audio/x-caf", "-c:a alac"),
    "dolby.ac3": ("audio/ac3", ""),
    "dolby.eac3": ("audio/eac3", ""),
    "cinema.dts": ("audio/vnd.dts", "-c:a dca -strict -2 -ar 48000 -ac 2"),
    "even.dts": ("audio/vnd.dts", "-c:a dca -strict -2 -ar 48000 -ac 2 -b:a 672k"),
    "pack.wv": ("audio/x-wavpack", ""),
    "piped.wv": ("audio/x-wavpack", "-f wv"),
    "true.tta": ("audio/x-tta", ""),
    "windows.wma": ("audio/x-ms-wma", "-metadata title=Menuett"),
    "piped.wma": ("audio/x-ms-wma", "-f asf"),
    "windows-1.wma": ("audio/x-ms-wma", "-c:a wmav1"),
    "matroska.mka": ("audio/x-matroska", ""),
    "aac.mka": ("audio/x-matroska", "-c:a aac"),
    "flac.mka": ("audio/x-matroska", "-c:a flac"),
    "opus.mka": ("audio/x-matroska", "-c:a libopus"),
    "opus.webm": ("audio/webm", "-c:a libopus"),
    "vorbis.webm": ("audio/webm", "-c:a libvorbis"),
    "phone.amr": ("audio/amr", "sox -r 8000 -t amr-nb"),
    "radio-aac.flv": ("audio/x-flv", "-c:a aac"),
    "radio.flv": ("audio/x-flv", "-c:a mp3"),
}

VIDEO: dict[str, str] = {
    "film.mp4": "-c:v mpeg4 -c:a aac",
    "fast.mp4": "-c:v mpeg4 -c:a aac -movflags +faststart",
    "film.mov": "-c:v mpeg4 -c:a aac",
    "film.3gp": "-c:v mpeg4 -c:a aac",
    "film.webm": "-c:v libvpx -c:a libvorbis -deadline realtime",
    "film.mkv": "-c:v mpeg4 -c:a aac",
    "film.ogv": "-c:v libtheora -c:a libvorbis",
    "film.avi": "-c:v mpeg4 -c:a mp2",
    "film.wmv": "-c:v wmv2 -c:a wmav2",
    "slow.mkv": "-c:v mpeg4 -r 3 -c:a libvorbis",
    "slow.ogv": "-c:v libtheora -r 3 -c:a libvorbis",
    "slow.wmv": "-c:v mjpeg -r 3 -c:a wmav2",
    "film.flv": "-c:v flv -c:a mp3",
    "film.mpg": "-c:v mpeg1video -c:a mp2",
    "film.ts": "-c:v mpeg2video -c:a mp2",
    "film.m4v": "-c:v mpeg4 -c:a aac",
    "film.3g2": "-c:v mpeg4 -c:a aac",
    "film.f4v": "-c:v libx264 -c:a aac",
    "film.ismv": "-c:v libx264 -c:a aac",
    "film.asf": "-c:v msmpeg4 -c:a wmav2",
    "film.rm": "-c:v rv10 -c:a ac3 -ac 1",
    "film.mxf": "-c:v mpeg2video -c:a pcm_s16le -ar 48000",
    "film.swf": "-c:v flv -c:a mp3",
    "film.nut": "-c:v mpeg4",
    "film.vob": "-c:v mpeg2video -c:a mp2",
    "film.m2ts": "-c:v mpeg2video -c:a ac3",
    "pictures.mkv": "-c:v mjpeg -c:a mp3",
    "mp3.avi": "-c:v mpeg4 -c:a mp3",
    "mp3.nut": "-c:v mpeg4 -c:a mp3",
    "pcm.avi": "-c:v rawvideo -c:a pcm_s16le",
    "fragments-film.mp4": "-c:v mpeg4 -c:a aac -movflags frag_keyframe+empty_moov",
    "fragments-of-a-picture.mp4": "-c:v mpeg4 -g 1 -c:a aac -movflags default_base_moof -frag_duration 40000",
    "sound-first.mp4": "-map 0:a -map 1:v -c:v mpeg4 -c:a aac -movflags +faststart",
    "sound-first.mkv": "-map 0:a -map 1:v -c:v mpeg4 -c:a aac",
    "sound-first.ogg": "-map 0:a -map 1:v -c:v libtheora -c:a libvorbis",
    "vp8.ogg": "-c:v libvpx -c:a libvorbis -deadline realtime -f ogg",
    "vp9.webm": "-c:v libvpx-vp9 -c:a libopus -deadline realtime -cpu-used 8",
    "silent.webm": "-c:v libvpx -an -deadline realtime",
    "silent.mkv": "-c:v mpeg4 -an",
    "silent.avi": "-c:v mpeg4 -an",
    "silent.flv": "-c:v flv -an",
    "silent.wmv": "-c:v wmv2 -an",
    "bare.h264": "-c:v libx264 -an -f h264",
    "bare.mjpeg": "-c:v mjpeg -an",
    "bare.ivf": "-c:v libvpx -an -deadline realtime",
    "moving.gif": "-an",
    "moving.webp": "-an -frames:v 5",
    "still.bmp": "-an -frames:v 1",
    "still.tiff": "-an -frames:v 1",
    "still.jp2": "-an -frames:v 1",
    "still.avif": "-an -frames:v 1 -c:v libaom-av1 -cpu-used 8",
    "silent.mp4": "-c:v mpeg4 -an",
    "silent.ogv": "-c:v libtheora -an",
}


STILLS: dict[str, str] = {
    # sound, then a track of pictures, which is none of a film
    "chapters.mov": "-map 0 -map 1 -c:a aac -c:v mjpeg -r 1",
    "cover-track.mka": "-map 0 -map 1 -c:a libvorbis -c:v mjpeg -frames:v 1",
    "cover-track.mov": "-map 0 -map 1 -c:a aac -c:v mjpeg -frames:v 1",
    "cover-track.wma": "-map 0 -map 1 -frames:v 1",
    "cover-track.ogg": "-map 1 -map 0 -c:v libtheora -vf trim=end_frame=1 -c:a libvorbis -metadata title=Fuge",
    "cover-track.webm": "-map 0 -map 1 -c:a libopus -c:v libvpx -deadline realtime -frames:v 1",
    "cover-film.mka": "-map 0 -map 1 -c:a libvorbis -c:v mpeg4 -frames:v 1",
    "cover-film.mp4": "-map 0 -map 1 -c:a aac -c:v mpeg4 -frames:v 1",
    "copied-cover.wma": "-map 0 -map 1 -c:v mjpeg -frames:v 1",
}

COVERS: dict[str, str] = {
    # as AUDIO, with a picture in it
    "cover.mp3": "-c:a libmp3lame -id3v2_version 3",
    "cover.flac": "-c:a flac",
    "cover.m4a": "-c:a aac",
}

TAGGED: dict[str, str] = {
    # as AUDIO, with the tags of TAGS in it
    "tagged.mka": "",
    "tagged.webm": "-c:a libopus",
    "tagged.wv": "",
    "tagged.tta": "",
    "tagged.aac": "-write_id3v2 1",
    "tagged.aiff": "-write_id3v2 1",
    "tagged.caf": "",
    "tagged.wav": "",
    "tagged.mp3": "",
    "tagged.ogg": "-c:a libvorbis",
    "tagged.opus": "",
    "tagged.oga": "-c:a flac",
    "tagged.flac": "",
    "tagged.m4a": "",
    "texts.mov": "-c:a pcm_s16le",
    "keys.m4a": "-movflags use_metadata_tags",
    "keys.mov": "-c:a aac -movflags use_metadata_tags",
    "tagged.wma": "",
}
TAGS = {"title": "Прелюдия", "artist": "Anna", "album": "One", "track": "3/12", "disc": "2/3"}


class Corpus:
    """The files of one test session, in all its processes; `corpus["cbr.mp3"]` makes one once and gives its bytes.

    They have a second of a tone; those of `seconds` begin with silence and go on with loud and quiet noise.
    """

    def __init__(self, folder: Path, *, seconds: int = 0) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self.seconds = seconds or 1
        self._is_noise = bool(seconds)

    def __getitem__(self, name: str) -> bytes:
        return self.path(name).read_bytes()

    def path(self, name: str) -> Path:
        """Where the file is."""
        path = self._folder / name
        if not path.exists():
            with TemporaryDirectory(dir=self._folder) as own:
                self._make(Path(own) / name)
                (Path(own) / name).replace(path)
        return path

    def _make(self, path: Path) -> None:
        if path.name == "source.wav" and self._is_noise:
            loudness = "volume='if(lt(t,12),0,0.05+0.9*lt(mod(t,20),10))':eval=frame"
            run(*FFMPEG, "-f", "lavfi", "-i", f"anoisesrc=d={self.seconds}:a=0.2:s=1:r=44100,{loudness}", str(path))
            return
        if path.name == "source.wav":
            run("sox", "-D", "-n", "-r", "44100", "-c", "1", "-b", "16", str(path), "synth", "1", "sine", "440")
            return
        source = self.path("source.wav")
        if path.name in VIDEO | STILLS:
            pictures = f"testsrc=size=176x144:rate=25:duration={self.seconds}"
            film = ["-f", "lavfi", "-i", pictures, *(["-shortest"] if path.name in VIDEO else [])]
            run(*FFMPEG, "-i", str(source), *film, *(VIDEO | STILLS)[path.name].split(), str(path))
            return
        if path.suffix == ".png":
            run(*FFMPEG, "-f", "lavfi", "-i", "testsrc=size=64x64:rate=1:duration=1", "-frames:v", "1", str(path))
            return
        if path.name in COVERS:
            picture = ["-i", str(self.path("cover.png")), "-map", "0", "-map", "1", "-c:v", "copy"]
            run(
                *FFMPEG,
                "-i",
                str(source),
                *picture,
                "-disposition:v",
                "attached_pic",
                *COVERS[path.name].split(),
                str(path),
            )
            return
        if path.name in TAGGED:
            tags = [argument for pair in TAGS.items() for argument in ("-metadata", "=".join(pair))]
            run(*FFMPEG, "-i", str(source), *tags, *TAGGED[path.name].split(), str(path))
            return
        arguments = AUDIO[path.name][1].split()
        if arguments[:1] == ["sox"]:
            run("sox", str(source), *arguments[1:], str(path))
        elif path.stem == "piped":  # a pipe cannot be gone back in: the sizes stay unknown
            path.write_bytes(run(*FFMPEG, "-i", str(source), *arguments, "-"))
        else:
            run(*FFMPEG, "-i", str(source), *arguments, str(path))


FFMPEG = ("ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y")


def run(*command: str) -> bytes:
    """What a tool writes. Where the tool is not installed the test is skipped, but never in CI."""
    need(command[0])
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def make_docx() -> bytes:
    """A real zip with what makes it a document."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<w:document>" + "x" * 3000 + "</w:document>")
    return buffer.getvalue()


def make_tar() -> bytes:
    """A real tar with a file in it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("song.mp3")
        member.size = 3000
        archive.addfile(member, io.BytesIO(b"x" * 3000))
    return buffer.getvalue()


WORDS = b"not a sound, but words that take some room. " * 100
HTML = b"<html><script>alert(1)</script>" + b"<p>words</p>" * 500
NOT_AUDIO: dict[str, bytes] = {
    "empty": b"",
    "one.byte": b"I",
    "page.html": HTML,
    "text.txt": b"only words\n" * 500,
    "photo.jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + bytes(range(256)) * 20,
    "image.png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 20,
    "image.gif": b"GIF89a" + bytes(range(256)) * 20,
    "image.webp": b"RIFF\x24\x14\x00\x00WEBPVP8 " + bytes(range(256)) * 20,
    "image.heic": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + b"\x00\x00\x00\x10meta" + bytes(3000),
    "paper.pdf": b"%PDF-1.7\n" + b"1 0 obj << >> endobj\n" * 200,
    "program.exe": b"MZ\x90\x00" + bytes(56) + b"\x80\x00\x00\x00" + bytes(64) + b"PE\x00\x00" + bytes(4000),
    "archive.gz": b"\x1f\x8b\x08\x00" + bytes(range(256)) * 20,
    "archive.tar": make_tar(),
    "archive.bz2": bz2.compress(WORDS),
    "archive.xz": lzma.compress(WORDS),
    "archive.7z": b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(range(256)) * 20,
    "archive.rar": b"Rar!\x1a\x07\x01\x00" + bytes(range(256)) * 20,
    "archive.zst": b"\x28\xb5\x2f\xfd" + bytes(range(256)) * 20,
    "letter.docx": make_docx(),
    "letter.doc": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5000),
    "letter.rtf": b"{\\rtf1\\ansi " + WORDS + b"}",
    "image.svg": b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>" + b" " * 200,
    "image.ico": b"\x00\x00\x01\x00\x01\x00\x10\x10" + bytes(range(256)) * 20,
    "image.psd": b"8BPS\x00\x01" + bytes(5000),
    "script.sh": b"#!/bin/sh\nrm -rf /\n" + b"# words\n" * 50,
    "script.php": b"<?php system($_GET['x']); ?>" + b" words" * 50,
    "program.wasm": b"\x00asm\x01\x00\x00\x00" + bytes(5000),
    "program.class": b"\xca\xfe\xba\xbe\x00\x00\x00\x34" + bytes(5000),
    "program.macho": b"\xcf\xfa\xed\xfe\x07\x00\x00\x01" + bytes(5000),
    "table.sqlite": b"SQLite format 3\x00" + bytes(5000),
    "font.ttf": b"\x00\x01\x00\x00\x00\x0f\x00\x80" + bytes(range(256)) * 20,
    "playlist.m3u": b"#EXTM3U\n#EXTINF:1,Song\nsong.mp3\n" * 20,
    "zeros.bin": bytes(100_000),
    "ones.bin": b"\xff" * 100_000,
    "sound.sf2": b"RIFF\x00\x10\x00\x00sfbkLIST" + bytes(4000),
    "tagged.html": b"ID3<html><script>" + HTML,
    "tagged.jpg": b"ID3\x03\x00\x00\x00\x00\x00\x0a" + bytes(10) + b"\xff\xd8\xff\xe0" + bytes(5000),
    "only-tag.mp3": b"ID3\x03\x00\x00\x00\x00\x00\x0a" + bytes(10),
}


def read_program() -> bytes:
    """The head of the running interpreter: an ELF or Mach-O file."""
    return Path(sys.executable).read_bytes()[:65536]


MAGICS: dict[str, bytes] = {
    "mpeg": b"\xff\xfb\x90\x00",
    "adts": b"\xff\xf1\x50\x80",
    "id3": b"ID3\x04\x00\x00\x00\x00\x00\x00",
    "iso": b"\x00\x00\x00\x20ftypM4A ",
    "ogg": b"OggS\x00\x02",
    "ebml": b"\x1a\x45\xdf\xa3",
    "flac": b"fLaC",
    "wave": b"RIFF\x00\x10\x00\x00WAVE",
    "rf64": b"RF64\xff\xff\xff\xffWAVE",
    "rmi": b"RIFF\x00\x10\x00\x00RMIDdata",
    "w64": b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000"),
    "aiff": b"FORM\x00\x00\x10\x00AIFF",
    "asf": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    "midi": b"MThd\x00\x00\x00\x06",
    "amr": b"#!AMR\n",
    "amr-wb": b"#!AMR-WB\n",
    "au": b".snd",
    "caf": b"caff\x00\x01\x00\x00",
    "ac3": b"\x0b\x77",
    "dts": b"\x7f\xfe\x80\x01",
    "wavpack": b"wvpk",
    "tta": b"TTA1",
    "ape": b"MAC \x96\x0f",
    "dsf": b"DSD \x1c\x00\x00\x00\x00\x00\x00\x00",
    "swapped dts": b"\xfe\x7f\x01\x80",
    "sparse dts": b"\x1f\xff\xe8\0\x07\xf0",
    "swapped sparse dts": b"\xff\x1f\0\xe8\xf0\x07",
    "ape tag": b"APETAGEX\xd0\x07\0\0",
    "dff": b"FRM8" + bytes(8) + b"DSD ",
    "mpc 7": b"MP+\x07",
    "mpc 8": b"MPCK",
    "xm": b"Extended Module: ",
    "it": b"IMPM",
    "s3m": bytes(28) + b"\x1a\x10" + bytes(14) + b"SCRM",
    "mod": bytes(1080) + b"M.K.",
    "flv": b"FLV\x01\x04\x00\x00\x00\x09",
}


def make_midi() -> bytes:
    """A song of one note."""
    track = b"\x00\x90\x3c\x40\x60\x80\x3c\x40\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + b"MTrk" + struct.pack(">I", len(track)) + track


def make_wave(size_bytes: int, *, seed: bytes = b"\x01\x02\x03\x04") -> bytes:
    """A wav of exactly so many bytes."""
    data_bytes = size_bytes - 44
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", size_bytes - 8, b"WAVE", b"fmt ", 16,
                       1, 1, 8000, 16000, 2, 16, b"data", data_bytes)  # fmt: skip
    return head + (seed * (data_bytes // len(seed) + 1))[:data_bytes]


def make_ogg_page(body: bytes, *, flags: int = 0, serial: int = 7, sequence: int = 0, granule: int = 0) -> bytes:
    """One Ogg page with its right checksum; the body is one packet, or a part of one where it is long."""
    lacing = bytes([255] * (len(body) // 255) + ([len(body) % 255] if len(body) < 255 * 255 else []))
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, granule, serial, sequence, 0, len(lacing))
    page = head + lacing + body
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return page[:22] + struct.pack("<I", crc) + page[26:]
