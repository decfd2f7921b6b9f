"""The English texts of Review, Leaderboard, Models and Settings; `texts` has those of the other pages and all of these.

It knows words only; `{...}` is filled in by views.
"""

# Review
TAB_REVIEW, TAB_REVIEW_N, TAB_GIVEN = "Review", "Review · {n}", "What you gave"
REVIEW_STATUS = {"pending": "Waiting", "approved": "Approved", "rejected": "Rejected", "all": "All"}
REVIEW_QUEUE = "To correct"
REVIEW_SHOW, REVIEW_KIND, REVIEW_PERSON, REVIEW_SEARCH = "Show", "Kind", "Given by", "Words in it"
REVIEW_KINDS = {"all": "all kinds", "correction": "corrections", "vote": "votes", "rating": "thumbs"}
EVERYONE = "everyone"
KIND = {"correction": "correction", "vote": "vote", "rating": "thumb"}
STATUS = {"pending": "waiting", "approved": "approved", "rejected": "rejected"}
SPLIT = {"exam": "kept for the exam", "tune": "steers training", "train": ""}
APPROVE, REJECT, REOPEN, UNDO_DECISION = "Approve", "Reject", "Back to waiting", "Undo"
APPROVE_PAGE, REJECT_PAGE = "Approve all {n} here", "Reject all {n} here"
CONFIRM_PAGE = "Decide on all {n} on this page at once?"
DECIDED = {"approved": "Approved", "rejected": "Rejected", "pending": "Back to waiting"}
DECIDED_N, DECIDED_BACK = "{done}: {n}.", "As before: {n}."
DECIDED_MEANWHILE = "Decided otherwise meanwhile, and left so: {n}."
UNGIVE, UNGIVEN = "Take back", "Taken back: it counts and trains no longer."
CONFIRM_UNGIVE = "Take back what you gave here? It stays in what was already made."
OLDER, NEWER = "Older", "Newer"
LOADING = "One moment…"
TO_THE_FIRST, PAGE_BACK, FURTHER = "To the first", "Back", "More"
NONE_FOUND = "Nothing here has these words."
BY, BLIND_VOTE, CHOSEN = "by {who}", "blind", "chosen"
INSTRUCTION = "Written by the model on the instruction “{text}”"
COMMENT = "“{text}”"
CONTEXT = "What was said before"
REVIEW_EMPTY = {
    "pending": ("Nothing waits for review", "What raters give waits here until you approve it."),
    "approved": ("Nothing is approved yet", "Only approved feedback trains the next adapter."),
    "rejected": ("Nothing is rejected", "What you reject stays here and trains nothing."),
    "all": ("No feedback yet", "Ask something on Compare, vote, and correct an answer: it is listed here."),
    "queue": ("Nothing to correct", "When both answers of a comparison are bad, it comes here to be corrected."),
    "found": ("Nothing matches", "Take other words, or show more kinds."),
}
GIVEN_EMPTY = ("You gave nothing yet", "Votes, thumbs and corrections that you give are listed here.")
QUEUE_OTHERS = "asked by {who}"
REVIEW_KEYS = (("j", "next"), ("k", "previous"), ("a", "approve"), ("r", "reject"), ("u", "undo"), ("/", "search"))
KEYS = "Keys"
EXPORT, EXPORT_HINT = "Take it out", "Approved feedback as JSONL. The first three are for training, as TRL reads them."
EXPORTS = {
    "sft": ("sft", "what replies should have been"),
    "dpo": ("dpo", "what was better than what"),
    "kto": ("kto", "single replies, good or bad"),
    "raw": ("raw", "everything; can be taken in again"),
}
IMPORT, IMPORT_HINT = "Take it in", "A JSONL file in any of these formats. What is here already is skipped."
IMPORT_CHOOSE, IMPORT_BUSY = "Choose a file", "Reading…"
IMPORT_FAILED = "No answer came: the connection may be lost. Try again; what is here already is skipped."
IMPORT_DONE = "{imported} taken in, {skipped} were here already."
LEFT_OUT, WOULD_BE_LEFT_OUT = "Trains nothing: {why}.", "Approved, it would train nothing: {why}."
STANDS_INSTEAD = "It says otherwise than what is approved, and would stand instead."
MAY_BE_PERSONAL = "May hold something personal: {kinds}."

# Leaderboard
TAB_LEADERBOARD = "Leaderboard"
NO_VOTES = (
    "Nobody is compared yet",
    "Ask on Compare and say who did better: a vote while the names are hidden counts here.",
)
IN_SERVICE = "{name} is in service."
RATINGS, RATING_HINT = "Ratings", "base is 1000; a line is where the rating lies with 95% certainty"
BADGE = {
    "not compared yet": "not compared yet",
    "preliminary": "preliminary",
    "usable": "usable",
    "established": "established",
}
CONTESTANT, RATING, VOTES, EVIDENCE = "Contestant", "Rating", "Votes", "Evidence"
REFERENCE = "reference"
MATRIX, MATRIX_HINT = "Wins of the row over the column", "a tie is half a win; below it won to lost"
DOUBTS = "What to keep in mind"
SIDE_FAIR = "The left answer gets {share} of the votes between equals ({low} to {high}): no side is preferred."
SIDE_UNKNOWN = "There are too few votes to tell whether one side is preferred (the left one gets {low} to {high})."
TIES_MATTER = "Without the ties the order would be another: it is close."
BOTH_BAD_N = "{n} of {all} votes said that both answers are bad; they rate nobody."
ONE_RATER = "One person gave {share} of the votes."
EXCLUDED = "Not counted: {reasons}."
EXCLUDED_BY = {
    "undone": "{n} taken back",
    "rejected": "{n} rejected in review",
    "not_blind": "{n} with the names known",
    "same_contestant": "{n} between the same two",
    "error": "{n} where an answer failed",
    "trained_on_it": "{n} on questions that trained one of the two",
    "shown_the_answer": "{n} where few-shot was shown the answer",
}
PER_DAY, PER_DAY_HINT = "Feedback per day", "votes, thumbs and corrections of the last {days} days"
PER_DAY_WORDS = "Feedback per day: {total} in {days} days, at most {most} on one day, {today} today."
TODAY, DAYS_AGO = "today", "{n} days ago"
RATING_WORDS = "{name}: {rating}, between {low} and {high}"

# Models
TAB_MODELS = "Models"
NO_ADAPTERS = (
    "No adapter yet",
    "An adapter is what Retrain makes: a small file on top of the base model that holds what you taught. "
    "Each one stays here with what it was made of, and any of them can be put into service.",
)
SERVING, SERVING_BASE = "{name} is in service", "The base model is in service"
SERVING_HINT = "The name champion always answers with it. The base model under all of them is {base}."
USE, ROLL_BACK_TO = "Put into service", "Roll back"
DOWNLOAD, WHAT_TRAINED_IT, COMPARE_WITH = "Download", "What trained it", "Compare blind"
MADE, MADE_BY = "made {when}", "made {when} by {who}"
CONTINUES = "continues {name}"
FROM_BASE = "from base"
ROWS_N, ROWS_ONE = "{n} pieces of feedback", "1 piece of feedback"
DISTANCE = "How far from your wording on questions it had never seen; shorter is closer"
DISTANCE_WORDS = "{name}: {value} nats a token"
TAKEN_BACK = "no longer stands"
ROWS_OF = "What trained {name}"
ROWS_COUNTS = {
    "train": "{n} trained it",
    "tune": "{n} steered it",
    "exam": "{n} examined it",
    "gone": "{n} no longer stand",
}
THROUGH = "through {name}"
FIRST_PAGE = "From the beginning"
CLOSE = "Close"
ADAPTER_STATE = {
    "candidate": "candidate",
    "challenger": "challenger",
    "champion": "champion",
    "retired": "retired",
    "rejected": "rejected",
    "broken": "broken",
}
ADAPTER_GONE = {"deleted": "deleted", "elsewhere": "for another base model"}
ADAPTER_WORDS = {
    "candidate": "not examined yet",
    "challenger": "you decide, by blind votes or by using it",
    "champion": "in service",
    "retired": "in service no more, or lost its blind votes",
    "rejected": "not taken into service",
    "broken": "cannot be served",
}
DELETE, CONFIRM_DELETE, DELETED = "Delete", "Delete {name} and its files for good?", "{name} is deleted."
IMPORT_ADAPTER, IMPORT_ADAPTER_HINT = "Take an adapter in", "A zip of a folder that PEFT saved for this base model."
IMPORT_ADAPTER_BUSY = "Checking and trying it…"
IMPORT_ADAPTER_FAILED = "No answer came: the connection may be lost. Try again, unless it is listed by now."
IMPORT_ADAPTER_DONE = "{name} is here. It was not examined: compare it blind, or put it into service."
PROGRESS = "Progress"
PROGRESS_HINT = "how much closer to your wording than base, on the {n} exam questions of today (nats a token)"
PROGRESS_WORDS = "Progress over base: {points}."
MEASURING = "Still measuring: {done} of {all} are on all of today's questions."
ALL_ADAPTERS, FIND_ADAPTER = "All adapters", "Find an adapter by its name or state"

# Settings
TAB_SETTINGS = "Settings"
REAL_MODEL = "Start with a real model"
REAL_MODEL_HINT = (
    "This runs on ftchat's practice model, which knows a made-up food shop and little else. To teach a model of your "
    "own, put it into a folder (as Hugging Face has it) and start ftchat with:"
)
REAL_MODEL_AFTER = "Corrections and votes are kept; adapters belong to the model they were made for."
SETTINGS_HINT = (
    "Read at the start. To change one, write it into {file} (key = value) and start ftchat again; a variable or a flag "
    "wins over the file."
)
SETTING, VALUE, SOURCE = "Setting", "Value", "From"
SOURCES = {
    "default": "default",
    "file": "ftchat.toml",
    "variable": "FTCHAT_{KEY}",
    "flag": "--{flag}",
    "computed": "computed",
}
SECRET, NOTHING_SET, ON, OFF = "set, not shown", "none", "on", "off"
GIVEN_SETTINGS, DEFAULT_SETTINGS = "Set here", "All others, as they come"
NO_LOGINS = (
    "This app was started with --open: whoever sits at this machine is admin, and nobody else can reach it. "
    "Start it without --open to have users, roles and tokens."
)
FIND_USER, FIND_TOKEN = "Find a user by name or role", "Find a token by its name or user"
USERS, INVITATIONS, TOKENS = "Users", "Invitations", "Tokens for programs"
USER, ROLE, NAME, FOR, EXPIRES, LAST_USED = "User", "Role", "Name", "For", "Works until", "Last used"
CHANGE_ROLE, DISABLE, ENABLE, NEW_PASSWORD, INVITE = "Change", "Shut out", "Let in again", "Password link", "Invite"
TAKE_BACK, NEW_TOKEN, REVOKE = "Take back", "Make a token", "Revoke"
NEVER, DISABLED, NO_PASSWORD, YOU = "never", "shut out", "programs only", "you"
TOKEN_NAME, TOKEN_BY = "What it is for", "Made by"
INVITE_AS, TOKEN_AS = "Invite someone as", "A token that may what this role may"
LINK_HINT = "Give this link to them. It works once, until {until}, and is shown only now."
TOKEN_HINT = "Send it as “Authorization: Bearer …”. It is shown only now."
COPY, COPIED, SELECTED = "Copy", "Copied", "Selected: press Ctrl+C"
NO_INVITATIONS, NO_TOKENS = "No link is waiting to be used.", "No program has a token."
WITHDRAW = "Withdraw feedback"
CONFIRM_REVOKE = "End the token {name}? Whatever uses it is shut out at once."
CONFIRM_UNINVITE = "Take this link back? Whoever has it cannot come in by it."
CONFIRM_WITHDRAW = "Take everything that {name} gave out of all that is made from now on? This cannot be undone."
TOLD, TOLD_HINT = "Who is told", "{host} is told when a run has ended."
TOLD_LAST = "Last: {status}"
CONFIRM_DISABLE = "Shut {name} out, with all logins and tokens?"
BACKUPS = "Backups"
BACKUPS_HINT = (
    "Every {hours} while something changes; the newest {hourly} and the last of {daily} days are kept, in {folder}."
)
BACKUPS_OFF = "No backups are made by themselves (backup_every_s is 0)."
NO_BACKUPS = "There is no backup yet. The first is made half a minute after the start."
NO_BACKUP_YET = "There is no backup yet."
BACK_UP, BACKED_UP = "Back up now", "Backed up: {name}."
RESTORE_HINT = "To go back to one: end ftchat, then run “ftchat restore --list”."
MADE_AT, SIZE = "Made", "Size"
ROLES = {"viewer": "viewer", "rater": "rater", "reviewer": "reviewer", "admin": "admin"}
ROLE_HINTS = {
    "viewer": "reads the leaderboard and the models",
    "rater": "chats, compares, votes, corrects",
    "reviewer": "also reviews, and sees everything that was given",
    "admin": "also trains, promotes, and lets people in",
}
