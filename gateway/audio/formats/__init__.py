"""Audio formats: whether bytes are an audio file, of which type and length. Pure: reads from a file object.

detect           the two gates: magic numbers (filetype), then the structure
bounded_reader   reads a file within a budget, so that no file costs much
prefix           tags, padding and cut frames in front of the first frame
foreign          files of other kinds, in which no frames are searched
refusals         what to say of a file that is no audio
frames           rows of frames, and how long they play; their formats: mpeg (mp3, AAC), surround (AC-3, DTS), amr
iso_bmff         mp4, m4a, mov, 3gp; with iso_boxes, and iso_fragments for the length of recordings
ebml             Matroska and WebM; with ebml_elements and ebml_blocks
asf              Windows Media, with asf_packets
ogg              Ogg, with ogg_pages, ogg_codecs (Vorbis, Opus, FLAC, Speex) and ogg_length
riff             chunks: wav, w64, aiff, caf, midi
dsd              dsf and dff
flac, wavpack, musepack, tracker (mod, xm, s3m, it)
headers          a fixed header and then samples: au, tta, ape, flv
tag_readers      which reader finds the tags of a type of file
tag_fields       what a tag says, as its readers find it; charset tells encodings that it does not
id3              ID3v1 and ID3v2
apev2            APEv1 and APEv2, and the rest of the end of a file
chunk_tags       tags of wav, aiff, caf, dsf and dff
vorbis_tags      comments of Ogg and FLAC, cover of Ogg
asf_tags         descriptions and cover of WMA
matroska_tags    tags and cover of mka and WebM; quicktime_tags: texts of mov, and of mp4 under keys
"""
