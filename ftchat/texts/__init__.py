"""Every English text of the pages, in one place. It knows words only; `{...}` is filled in by views."""

from ftchat.texts.lists import *  # noqa: F403 - one vocabulary in two files; the third is for those who are not in yet

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
NEW_FEEDBACK = "{n} new to learn from"
NO_NEW_FEEDBACK = "nothing new to learn"
LOG_OUT = "Log out"
TRAIN_FOR_OTHERS = "Reviewers and admins see here what is taught. Votes and corrections count as you give them."
RETRAIN = "Retrain"
TRAINING = "Training…"

# Compare
TAB_COMPARE = "Compare"
ANSWER, ANSWER_TEXT = "Answer {side}", "Text of answer {side}"
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
TELL_MORE = {"left": "Tell us more about A", "right": "Tell us more about B"}
OPTIONAL = "optional"
GOOD_SIDE = {"left": "Answer A is good", "right": "Answer B is good"}
BAD_SIDE = {"left": "Answer A is bad", "right": "Answer B is bad"}
VOTE_COMMENT = "Anything else? It is saved when you leave the field."
CORRECT_A, CORRECT_B, CORRECT = "Correct A", "Correct B", "Correct"
FIX = "Fix by instruction"
WHAT_TO_CHANGE = "What to change"
INSTRUCTION_EXAMPLE = "shorter, and name the price in euros"
INSTRUCTION_HINT = "The model rewrites the text above. You look it over, change what you like, and save."
REWRITE, REWRITING = "Rewrite", "The model is rewriting…"
REWRITTEN = "Rewritten. Look it over, change what you like, and save."
REWRITTEN_LATE = (
    "You changed the text while it was being rewritten, so it is as you left it. Rewrite takes it from there."
)
REWRITTEN_ELSEWHERE = "What was being rewritten before you opened this answer has been left out."
CORRECTION = "What it should have said"
CORRECTION_KEYS = "Ctrl+Enter saves, Escape leaves it."
SAVE_CORRECTION, CANCEL = "Save correction", "Cancel"
LEAVE_CORRECTION = "The correction that you are writing is not saved. Go on without it?"
YOUR_CORRECTION = "Your correction"
WILL_CHANGE = "What you are changing"
TAKE_BACK_CORRECTION = "Take back"
SIMILAR = "Apply to similar answers"
SIMILAR_FOUND = {
    True: "1 other answer can be changed in the same way",
    False: "{n} other answers can be changed in the same way",
}
SIMILAR_NEWEST = "The newest {n} are listed."
SIMILAR_NONE = "None of your other answers has what was changed here."
SIMILAR_NOT = "This change cannot be carried over."
SIMILAR_SAVE = {True: "Save {n} correction", False: "Save {n} corrections"}
SIMILAR_CLOSE = "Not now"
SIMILAR_SAVED = {True: "{n} more correction saved.", False: "{n} more corrections saved."}
SIMILAR_UNDO = "Take them back"
SIMILAR_UNDONE = {True: "{n} correction taken back.", False: "{n} corrections taken back."}
ASK_AGAIN = "Ask again"
ASKED_AGAIN = "Asked again"
SHOWN_BEFORE = {True: "with 1 correction shown to it", False: "with {n} corrections shown to it"}
TRIMMED = {True: "The oldest question did not fit any more.", False: "The {n} oldest questions did not fit any more."}
DO_NOT_SEND = "Do not send it"
VIEWERS_READ = "You may read here. Asking, voting and correcting are for raters: an admin can make you one."
KEYS_LIST = (
    ("1 2 3 4", "A, B, tie, both bad"),
    ("A B", "correct that answer"),
    ("Shift+A, Shift+B", "fix it by instruction"),
    ("G", "ask again"),
    ("U", "undo the vote"),
    ("N", "next question"),
    ("S", "skip, in a rating session"),
    ("/", "write a question"),
)
KEYS_SWITCH = "Use single keys"
COMPARISONS = "Past comparisons"
SESSION = "Rating session"
SESSION_HINT = (
    "Paste your questions, one a line. They are answered ahead, with the names hidden, and you only vote and correct, "
    "by keys if you like. You can leave at any time and go on later."
)
SESSION_LIST, SESSION_EXAMPLE = "Questions, one a line", "What does the Aged Gouda cost?\nWhen are you open?"
CONNECTION_LOST = "ftchat does not answer. This page tries again by itself, and keeps what you are writing."
CALL_LOST = "ftchat did not answer: what you pressed may not be done. What you are writing stays here."
LOGIN_ENDED = "Your login has ended: nothing more can be saved on this page. Copy what you are writing, then"
LOGIN_AGAIN = "log in again"
SESSION_FILE = "Take them from a text file"
SESSION_START, SESSION_SKIP, SESSION_LEAVE, SESSION_END = "Start", "Skip", "Go on later", "End session"
SESSION_FAR = "{done} of {total} done"
SESSION_READY = {0: "none answered ahead", 1: "1 answered ahead"}
SESSION_READY_MANY = "{n} answered ahead"
SESSION_OPEN = "Not finished yet"
SESSION_UNANSWERED = "Neither model could answer this question. It is asked again a few times; Skip leaves it out."
SESSION_DONE = "Session done: {voted} judged, {skipped} left out."
SESSION_ENDED = "Session ended: {voted} of {total} judged. What you gave is kept."
SESSION_LEFT_OUT = "Left out"
TRY = "Try"
EARLIER = "Earlier in this conversation"
CHOOSE = "Choose who answers"
CHOOSE_ONE, CHOOSE_OTHER = "Compare", "with"
AUTOMATIC = "chosen by ftchat"
BLIND = "Hide who is who until I vote"
CHOOSE_BOTH = "Choose both, or leave both to ftchat."
PRACTICE = "This is ftchat's small practice model: a made-up food shop, little else. To teach a real one, start with "
PRACTICE_COMMAND = "FTCHAT_MODEL=/path/to/model make run"
NO_SUCH_DEED = "There is nothing called “{act}” to be done here."
PAGE_FORGOTTEN = (
    "ftchat was restarted since this page was opened, or the page slept for long: nothing was saved or asked. "
    "Copy what you wrote, and reload the page."
)
VOTED_TOO_LATE = "Your vote was not saved: another question had taken the place of that one."
QUESTION_WAITS = "Your question stays here and is sent by itself as soon as it can be answered."
WAITING_EMPTY = "{why} You can write your question already."

# Replies
FINISH = {"cut": "cut short", "length": "stopped at the longest answer allowed", "error": "no answer"}
REPLY_TOKENS = "{n} tokens"
FIRST = "{s} s to the first"

# Chat
TAB_CHAT = "Chat"
EMPTY_CHAT = "Ask something. What you correct here teaches the next adapter."
ASK_ONE = "Ask…"
SEARCH, SEARCH_EXAMPLE = "Search conversations", "Search…"
NOTHING_FOUND = "No conversation has these words."
CHAT_OLDER, CHAT_NEWEST = "Older", "Newest"
HOW = "How it answers"
SYSTEM = "System prompt"
SYSTEM_HINT = "Counts for the next new conversation."
SYSTEM_HERE = "System prompt of this conversation"
TEMPERATURE, TOP_P, MAX_TOKENS = "Temperature", "Top-p", "Longest answer, in tokens"
EDIT, EDIT_QUESTION = "Edit", "Another wording of your question"
ASK_THIS, REGENERATE = "Ask this instead", "Regenerate"
SIBLING = "{n} of {of}"
EARLIER_ONE, LATER_ONE = "The version before", "The version after"
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
    "target": "Corrections",
    "pair": "Votes, as pairs",
    "positive": "Liked replies",
    "negative": "Replies to avoid",
    "tune": "Steer it while it trains",
    "exam": "Held out for the exam",
    "dropped": "Left out",
    "pending": "Waiting for review",
}
CARD_WHY = "Why {n} are left out"
CARD_PERSON = "{name} gave {share} of what trains."
CARD_PERSONAL = "What looks personal"
PERSONAL_ROW = "{kind} ({where}): {shown}"
EFFORT = "How hard to try"
EFFORTS = {"quick": "quick", "normal": "normal", "thorough": "thorough"}
NO_RUN = "Nothing trained yet"
NO_RUN_HINT = (
    "Here you will watch it learn: how far it is, how its answers change, and whether it got better. "
    "First correct a few answers on Compare or Chat, then press Retrain."
)
NO_RUN_READY = (
    "There is feedback that this model can learn from ({n} to train on): press Retrain. "
    "Here you will watch how far it is, how its answers change, and whether it got better."
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
NEW_RUN = "New adapter"
MORE_ARGS, MORE_ARGS_HINT = "More", "What is empty is chosen by ftchat, from the data and the model's width."
CHOSEN_BY_FTCHAT, NO_NUMBER = "chosen by ftchat", "{what} is {text!r}: write a number, or leave it empty."
TRAIN_ARGS = {
    "rank": "Rank",
    "learning_rate": "Learning rate",
    "steps": "Steps",
    "replay_share": "Share of replay, against forgetting",
    "seed": "Seed",
}
BEST_AT = "best at step {step}"
BY_ITSELF = "By itself"
BY_ITSELF_OFF = "It trains when somebody presses Retrain. The setting schedule lets it train by itself."
LAST_LOOK = "Last, {when}: {reason}"
PINS = "What must stay"
PINS_HINT = "Questions that every exam asks, and what their answers must have: an adapter that fails is not promoted."
PINNED_QUESTION = "The pinned question"
PIN_QUESTION, PIN_HAS, PIN_LACKS = "A question", "its answer has", "and lacks"
PIN_MATCHES = "and matches (regular expression)"
PIN, UNPIN = "Pin it", "Take off"
PIN_RULE = {"contains": "has “{text}”", "lacks": "lacks “{text}”", "matches": "matches {text}"}
LOOK, AGAIN = "How it went", "Once more, on the same snapshot"
PAST, NO_ADAPTER_MADE = "Earlier runs", "no adapter"
RUN_PROGRESS = "Progress"
ALL_RUNS, FIND_RUN = "All runs", "Find a run by its adapter or by who started it"
BLIND_VOTES = "Blind votes"
PLAN = {"rank": "rank", "learning_rate": "rate", "steps": "steps"}
TOO_LONG = {True: "1 row is longer than the model reads", False: "{n} rows are longer than the model reads"}
