"""How many seeds fit, by arithmetic."""

import dataclasses

from progbench.recipes import reading
from progbench.training.memory import most_together


def paper(file, **names):
    return reading.read("paper", file, **({"schedule": "constant", "tuning": "full"} | names))


def test_bert_bases_seeds_take_what_their_numbers_and_tokens_take():
    # 109,483,778 numbers of 20 bytes; 32 texts of half of 128 tokens, of which 45.5 * 768 numbers of 4 bytes a block
    seed = 20 * 109_483_778 + 32 * 64 * 45.5 * 768 * 4 * 12
    recipe = paper("glue", model="bert-base", task="rte")
    free = (5 * seed + (2 << 30)) / 0.9

    assert [most_together(recipe, int(free * share)) for share in (0.99, 1.01)] == [4, 5]


def test_what_lora_leaves_frozen_is_held_once_for_all():
    # of RoBERTa's 124,647,170 numbers 12 * 24,576 + 592,130 train besides, and a text has half of 512 tokens
    recipe = paper("peft", model="roberta-base", tuning="lora", task="sst2")
    seed = 20 * (12 * 24_576 + 592_130) + 16 * 256 * 45.5 * 768 * 4 * 12
    free = (4 * 124_647_170 + 3 * seed + (2 << 30)) / 0.9

    assert [most_together(recipe, int(free * share)) for share in (0.99, 1.01)] == [2, 3]


def test_at_least_one_seed_is_tried():
    assert most_together(paper("squad", model="bert-base", task="squad1"), free=0) == 1


def test_a_smaller_batch_leaves_room_for_more():
    recipe = paper("glue", model="bert-large", task="rte")

    assert most_together(dataclasses.replace(recipe, batch_size=8), 40 << 30) > most_together(recipe, 40 << 30)
