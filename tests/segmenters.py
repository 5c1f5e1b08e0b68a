"""In: an empty folder. Out: a Florence-2 or a SAM 2 in it, as small as they come.

Classes, processors, vocabulary of places and file formats are the real ones; sizes are not. The
small Florence-2 is taught one answer, so that everything after the network sees a true one.
"""

from pathlib import Path
from typing import Any

import torch
from open_clip.tokenizer import bytes_to_unicode
from PIL import Image
from transformers import (
    BartConfig,
    BartTokenizer,
    CLIPImageProcessor,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    Florence2VisionConfig,
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2ImageProcessor,
    Sam2MaskDecoderConfig,
    Sam2Model,
    Sam2Processor,
    Sam2PromptEncoderConfig,
    Sam2VisionConfig,
)

SIDE = 64
"""Pixels that both networks see."""
IMAGE_TOKENS = 5
"""A 2 x 2 grid and its mean."""
LEARNED, MOST_STEPS = 0.005, 500
"""The loss a token at which no beam finds a better answer than the one taught."""
ANSWERS = (
    *("pure_text", "ocr", "phrase_grounding", "description_with_bboxes", "bboxes", "polygons"),
    *("description_with_polygons", "description_with_bboxes_or_polygons"),
)


def write_florence(folder: Path, *, taught: dict[str, str], image: Image.Image) -> Path:
    """Write a Florence-2 that has learned, for one photo, what to answer.

    Args:
        folder: made if need be.
        taught: from a question ("<OD>", "<OPEN_VOCABULARY_DETECTION>dog") to its answer.
        image: that the questions are about.
    """
    torch.manual_seed(0)
    processor = _florence_processor()
    tokenizer = processor.tokenizer
    vision = Florence2VisionConfig(
        depths=(1, 1, 1, 1),
        embed_dim=(16, 16, 16, 16),
        num_heads=(2, 2, 2, 2),
        num_groups=(2, 2, 2, 2),
        window_size=2,
        projection_dim=32,
        max_temporal_embeddings=4,
        max_position_embeddings=8,
        drop_path_rate=0.0,
    )
    text = BartConfig(
        vocab_size=len(tokenizer),
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        max_position_embeddings=128,
        dropout=0.0,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=2,
        forced_eos_token_id=2,
    )
    model = Florence2ForConditionalGeneration(
        Florence2Config(
            vision_config=vision, text_config=text, image_token_id=tokenizer.image_token_id
        )
    )
    asked = processor(
        text=[*taught], images=[image] * len(taught), padding=True, return_tensors="pt"
    )
    answers = tokenizer([*taught.values()], padding=True, return_tensors="pt")
    labels = answers.input_ids.masked_fill(answers.attention_mask == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(MOST_STEPS):
        loss = model(**asked, labels=labels).loss
        if loss.item() < LEARNED:
            break
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    else:
        raise AssertionError(f"not learned in {MOST_STEPS} steps")
    model.eval()
    model.half().save_pretrained(folder)  # as on the Hub
    processor.save_pretrained(folder)
    return folder


def _florence_processor() -> Any:
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    words = [*special, *bytes_to_unicode().values(), "<mask>"]
    tokenizer = BartTokenizer(
        vocab={word: number for number, word in enumerate(words)},
        merges=[],
        extra_special_tokens={"image_token": "<image>"},
    )
    marks = ("<od>", "</od>", "<poly>", "</poly>", "<sep>", "<and>")
    places = [f"<loc_{number}>" for number in range(1000)]
    tokenizer.add_tokens(["<image>", *marks, *places], special_tokens=True)
    side = {"height": SIDE, "width": SIDE}
    images = CLIPImageProcessor(size=side, crop_size=side, do_center_crop=False)
    images.image_seq_length = IMAGE_TOKENS
    return Florence2Processor(
        image_processor=images,
        tokenizer=tokenizer,
        post_processor_config={answer: {} for answer in ANSWERS},
    )


def write_sam2(folder: Path, *, seed: int = 0) -> Path:
    """Write a SAM 2 with random weights."""
    torch.manual_seed(seed)
    backbone = Sam2HieraDetConfig(
        hidden_size=8,
        image_size=[SIDE, SIDE],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 1, 1],
        window_size_per_stage=[8, 4, 4, 4],
        global_attention_blocks=[3],
        window_positional_embedding_background_size=[4, 4],
    )
    config = Sam2Config(
        vision_config=Sam2VisionConfig(
            backbone_config=backbone,
            backbone_channel_list=[64, 32, 16, 8],
            backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
            fpn_hidden_size=32,
        ),
        prompt_encoder_config=Sam2PromptEncoderConfig(
            hidden_size=32, image_size=SIDE, patch_size=16, mask_input_channels=4
        ),
        mask_decoder_config=Sam2MaskDecoderConfig(
            hidden_size=32,
            mlp_dim=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            iou_head_hidden_dim=16,
        ),
    )
    Sam2Model(config).save_pretrained(folder)
    images = Sam2ImageProcessor(
        size={"height": SIDE, "width": SIDE}, mask_size={"height": SIDE // 4, "width": SIDE // 4}
    )
    Sam2Processor(images, target_size=SIDE).save_pretrained(folder)
    return folder
