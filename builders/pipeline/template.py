"""In: nothing. Out: the settings that a new workspace starts with."""

TEMPLATE = """\
# A PDST release in the making. Every key is explained in builders/pipeline/settings.py.
release:
  name: my-subjects
  version: 1.0.0
  summary: Photos of my own things, for personalized image generation on held-out photos.
  licence: cc0-1.0            # the hub's word for the whole
  photos: embedded            # or recipe: sources, hashes, captions and masks, but no photos

subjects:
  mug:
    class_noun: mug           # what captions must not say, and prompts will
    init_token: mug           # one CLIP token
    kind: rigid               # or living
    leak_terms: []            # words that give this one away: its name, its brand

collect:
  own:
    folder: photos            # SUBJECT/*.jpg, or SUBJECT/SESSION/*.jpg; HEIC is read, too
    author: ""                # who took them
    statement: ""             # "I took these photos myself and give them away under CC0."
    licence: CC0-1.0
  manifests: []               # CSV or JSONL files that list photos obtained elsewhere
  long_side: 1024             # pixels; larger photos are made smaller
  series_gap_minutes: 30      # taken closer together: on one side of the split, if possible

embeddings: none              # or dino: likeness by DINO beside perceptual hashes

review:                       # all of a list must say yes; the paper has two people for photos
  photos: []                  # and two for captions. [ada, bob]
  captions: []
  masks: []

split:
  train: 5
  test: 10
  seed: 0

captions:
  file: captions.csv          # subject_id,image_id,caption; or leave it out: a model writes
  per_photo: 10
  # A model behind an OpenAI-compatible endpoint writes, or rewords (refiner_endpoint):
  # endpoint: {url: "https://…/v1", model: "…", key_variable: OPENAI_API_KEY}

masks:
  folder: masks               # SUBJECT/IMAGE.png, white is the subject

publish:
  to: ""                      # a folder, or hf://datasets/OWNER/NAME: a pull request
"""
