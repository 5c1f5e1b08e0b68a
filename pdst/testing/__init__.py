"""Contract checks for plug-in authors, with or without pytest.

One line in a test of your own package runs them all:

    from pdst.testing import check_generator

    def test_my_generator_keeps_the_contract() -> None:
        check_generator(MyGenerator(steps=2))

Each check is named after its claim and can be called alone:
`check_order_is_kept(Trial(MyGenerator()))`.
"""

from pdst.testing.contract import BrokenContractError, CheckResult
from pdst.testing.drawn import drawn_benchmark, drawn_subject
from pdst.testing.encoders import (
    ENCODER_CHECKS,
    TEXT_CHECKS,
    check_a_long_text_is_cut,
    check_embedding_batch_size_does_not_matter,
    check_embedding_order_is_kept,
    check_embeddings_are_unit_rows,
    check_encoder,
    check_encoder_inputs_are_untouched,
    check_images_are_told_apart,
    check_pixels_are_bicubic_and_centred,
    check_pixels_have_the_size_of_the_spec,
    check_preprocessing_is_safe_in_threads,
    check_spec_is_plain,
    check_text_batch_size_does_not_matter,
    check_texts_are_unit_rows,
    check_tokens_are_counted,
)
from pdst.testing.generators import (
    GENERATOR_CHECKS,
    Trial,
    check_a_long_prompt_is_drawn,
    check_a_second_subject_does_not_change_the_first,
    check_batch_size_does_not_matter,
    check_generator,
    check_global_random_state_does_not_matter,
    check_images_are_valid,
    check_info_is_plain,
    check_inputs_are_untouched,
    check_one_image_per_prompt,
    check_order_is_kept,
    check_personalize_gives_a_sampler,
    check_same_seed_same_pixels,
    check_seeds_differ,
)
from pdst.testing.metrics import (
    METRIC_CHECKS,
    check_a_perfect_image_scores_best,
    check_evidence_is_untouched,
    check_metric,
    check_metric_is_plain,
    check_one_score_per_image,
    check_other_captions_do_not_matter,
    check_score_order_is_kept,
)

__all__ = [
    "ENCODER_CHECKS",
    "GENERATOR_CHECKS",
    "METRIC_CHECKS",
    "TEXT_CHECKS",
    "BrokenContractError",
    "CheckResult",
    "Trial",
    "check_a_long_prompt_is_drawn",
    "check_a_long_text_is_cut",
    "check_a_perfect_image_scores_best",
    "check_a_second_subject_does_not_change_the_first",
    "check_batch_size_does_not_matter",
    "check_embedding_batch_size_does_not_matter",
    "check_embedding_order_is_kept",
    "check_embeddings_are_unit_rows",
    "check_encoder",
    "check_encoder_inputs_are_untouched",
    "check_evidence_is_untouched",
    "check_generator",
    "check_global_random_state_does_not_matter",
    "check_images_are_told_apart",
    "check_images_are_valid",
    "check_info_is_plain",
    "check_inputs_are_untouched",
    "check_metric",
    "check_metric_is_plain",
    "check_one_image_per_prompt",
    "check_one_score_per_image",
    "check_order_is_kept",
    "check_other_captions_do_not_matter",
    "check_personalize_gives_a_sampler",
    "check_pixels_are_bicubic_and_centred",
    "check_pixels_have_the_size_of_the_spec",
    "check_preprocessing_is_safe_in_threads",
    "check_same_seed_same_pixels",
    "check_score_order_is_kept",
    "check_seeds_differ",
    "check_spec_is_plain",
    "check_text_batch_size_does_not_matter",
    "check_texts_are_unit_rows",
    "check_tokens_are_counted",
    "drawn_benchmark",
    "drawn_subject",
]
