"""What the report's words mean, as its page says them beside the numbers."""

MEANINGS = {
    "reproduced": "Ours is surely within the margin around what the paper prints; a count rounds or truncates to it.",
    "consistent": "Ours agrees with our own earlier runs, or with our own arithmetic. It says nothing of the paper.",
    "deviates": "The difference is beyond the margin and beyond chance.",
    "inconclusive": "Neither is sure yet.",
    "disputed": (
        "The printed number cannot follow from the paper's own equations and numbers. It is shown with the argument, "
        "which a test holds."
    ),
    "unjudged": "There is a score of ours, and nothing to judge it by.",
    "not printed": "The paper draws it without a number, so nothing can be expected.",
    "missing": "It was not run; the sentence says why.",
    "error": "Something went wrong; the sentence says what.",
    "margin": (
        "How far two scores may lie apart and still count as the same: about the standard error of one score on other "
        "examples, a line a column in expected/paper/tolerance.toml. Two models scored on the same examples differ by "
        "less noise than that."
    ),
    "within noise": "The printed difference is no larger than the margin, so print alone does not decide.",
    "interval": "Where the difference lies, at 90 %, over new seeds on the same examples.",
    "stated": "The count follows from what the paper states, so it could have failed.",
    "fitted": "The count's own total determined a setting that the paper does not state, so it could not fail.",
    "predicted": "The count follows from a setting that another row's total determined.",
    "Progtuning, fine-tuning": "The schedules shrinking (Eq. 3) and constant: which blocks train in which epoch.",
    "updated parameters": "Trainable parameters, summed over the epochs.",
}
