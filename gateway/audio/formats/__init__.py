"""Audio formats: whether bytes are an audio file, of which type and length. Pure: reads from a file object.

detect           the two gates: magic numbers (filetype), then the structure
bounded_reader   reads a file within a budget, so that no file costs much
mpeg             rows of frames: mp3, AAC, AC-3, DTS, AMR, FLAC, WavPack
iso_bmff         mp4, m4a, mov; Matroska and WebM; ASF
riff             chunks: wav, w64, aiff, caf, midi, dsf
ogg              Ogg with Vorbis, Opus, FLAC, Speex
headers          a fixed header and then samples: au, tta, ape, flv
"""
