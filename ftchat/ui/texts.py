"""Every English text of the pages, in one place. It knows words only; `{...}` is filled in by views."""

TITLE = "ftchat"

# The strip
ENGINE = {
    "ready": "Engine ready",
    "starting": "Engine starting",
    "resolving": "Engine reading the model",
    "loading weights": "Engine loading the model",
    "warming up": "Engine warming up",
    "loading adapters": "Engine loading adapters",
    "restarting": "Engine restarting",
    "stopped": "Engine stopped",
    "failed": "Engine failed",
}
CHAMPION = "Champion"
NEW_FEEDBACK = "{n} new since the last run"
NO_NEW_FEEDBACK = "nothing new to learn"
LOG_OUT = "Log out"
TRAIN_FOR_OTHERS = "Reviewers and admins see here what is taught. Votes and corrections count as you give them."
RETRAIN = "Retrain"
TRAINING = "Training…"

# Compare
TAB_COMPARE = "Compare"
HIDDEN_NAME = "name hidden until you vote"
EMPTY_A = ("The first answer", "Ask one question below. Two models answer it side by side, and you say who did better.")
EMPTY_B = (
    "The second answer",
    "Names appear when you have voted. Then you can correct an answer, and what you write teaches the next adapter.",
)
ASK_BOTH = "Ask both…"
ASK_FOLLOW_UP = "Ask a follow-up…"
SEND = "Send"
YOUR_QUESTION = "Your question"
LEFT_BETTER, RIGHT_BETTER, TIE, BOTH_BAD = "A is better", "B is better", "Tie", "Both are bad"
SAVED_VOTE = "Saved · A was {left}, B was {right}"
VOTED = {"left": "You found A better", "right": "You found B better", "tie": "A tie", "both_bad": "Both are bad"}
UNDONE = "Vote taken back · A was {left}, B was {right}"
UNDONE_HINT = "You can vote again; now that you know the names it will not count as blind."
NOT_BLIND = "Not blind · A is {left}, B is {right}"
TEACH = "A correction teaches most: write what the answer should have been."
TEACH_MORE = "Saved. Press Retrain when you have a few, or go on to the next question."
UNDO, NEXT, NEW_CONVERSATION = "Undo vote", "Next question", "New conversation"
CORRECT_A, CORRECT_B, CORRECT = "Correct A", "Correct B", "Correct"
CORRECTION = "What it should have said"
CORRECTION_KEYS = "Ctrl+Enter saves, Escape leaves it."
SAVE_CORRECTION, CANCEL = "Save correction", "Cancel"
YOUR_CORRECTION = "Your correction"
TRY = "Try"
EARLIER = "Earlier in this conversation"
CHOOSE = "Choose who answers"
CHOOSE_ONE, CHOOSE_OTHER = "Compare", "with"
AUTOMATIC = "chosen by ftchat"
BLIND = "Hide who is who until I vote"
CHOOSE_BOTH = "Choose both, or leave both to ftchat."
PRACTICE = "This is ftchat's small practice model: a made-up food shop, little else. To teach a real one, start with "
PRACTICE_COMMAND = "FTCHAT_MODEL=/path/to/model make run"
QUESTION_WAITS = "Your question stays here and is sent by itself as soon as it can be answered."
WAITING_EMPTY = "{why} You can write your question already."

# Replies
FINISH = {"cut": "cut short", "length": "stopped at the longest answer allowed", "error": "no answer"}
TOKENS = "{n} tokens"
FIRST = "{s} s to the first"

# Chat
TAB_CHAT = "Chat"
EMPTY_CHAT = "Ask something. What you correct here teaches the next adapter."
ASK_ONE = "Ask…"
WHO_ANSWERS = "Who answers"
HISTORY = "Conversations"
NO_HISTORY = "Your conversations will be listed here."
STOP = "Stop"
GOOD, BAD = "Good answer", "Bad answer"
CORRECTING = "What it should have said to “{prompt}”"

# Train
TAB_TRAIN = "Train"
CARD = "What will train it"
CARD_ROWS = {
    "corrections": "Corrections",
    "train": "of these, train it",
    "tune": "of these, steer it while it trains",
    "exam": "of these, held out for the exam",
    "votes": "Votes, for the choice between adapters",
    "pending": "Waiting for review",
}
EFFORT = "How hard to try"
EFFORTS = {"quick": "quick", "normal": "normal", "thorough": "thorough"}
NO_RUN = "Nothing trained yet"
NO_RUN_HINT = (
    "Here you will watch it learn: how far it is, how its answers change, and whether it got better. "
    "First correct a few answers on Compare or Chat, then press Retrain."
)
STAGES = {"snapshot": "snapshot", "train": "training", "exam": "exam", "publish": "publish"}
STATE = {
    "queued": "queued",
    "snapshot": "snapshot",
    "train": "training",
    "exam": "exam",
    "publish": "publishing",
    "done": "finished",
    "rejected": "rejected",
    "stopped": "stopped",
    "failed": "failed",
}
STEP = "step {step} of {steps}"
SECONDS_LEFT, MINUTES_LEFT, HOURS_LEFT = "about {n} s left", "about {n} min left", "about {n} h left"
TRAIN_LOSS, TUNE_LOSS, BASE_LOSS = "training loss", "held-out loss", "base, held-out"
PLOT_EMPTY = "The loss will be drawn here from the first step on."
PLOT_WORDS = "Loss over {steps} steps: training {first} at first, {last} now."
STOP_RUN, USE_ANYWAY, COMPARE_BLIND, ROLL_BACK = (
    "Stop and keep the best",
    "Use it anyway",
    "Compare blind",
    "Roll back",
)
SHOWS = "How its answers change"
TAUGHT, NEVER_TAUGHT = "Taught", "Never taught"
TAUGHT_HINT = "your corrections, asked again"
NEVER_TAUGHT_HINT = "it has never seen these: what it learned, not what it memorised"
QUESTION, BEFORE, WANTED, NOW = "Question", "Before", "Your correction", "Now"
AS_WANTED = "as you wanted"
UNCHANGED = "unchanged"
NONE = "–"
CHOSEN_BY_HAND = "{name} is in service, because a person chose it."
NEW_RUN = "New adapter"
PLAN = {"rank": "rank", "learning_rate": "rate", "steps": "steps", "rows": "rows", "replay": "replay rows"}
