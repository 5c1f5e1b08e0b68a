"""What diffusion methods share. In: a base model's name, prompts, seeds. Out: images.

`source.py` finds a base model, `backbone.py` opens it, `latents.py` encodes and decodes pictures,
`sampling.py` draws. Only `source.py` works without torch and diffusers.
"""
